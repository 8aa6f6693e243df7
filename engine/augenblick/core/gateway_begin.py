"""Where the clock of a new gateway begins, and for how long it stands there. Pure.

It begins at the smallest watermark that its shards name: what another shard had seen more of, this
one may still have to get from the clients, and must not find late. On the wall clock it stands
there while clients come back: for `catch_up` after a start of the whole engine, so that they can
bring what they had buffered, else for `idle`. Then it goes on from where it stood, the time that
has passed included. On the event clock only events move time, and there is nothing to wait for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from augenblick.core.gateway_sources import NO_WATERMARK, ClockRules


@dataclass(frozen=True, slots=True)
class Begin:
    """Where to begin. The clock had reached `line_ms` at the wall clock's `rose_ms`."""

    watermark_ms: int
    line_ms: int
    rose_ms: int


class GatewayBegin:
    """One gateway's; `has_begun`: every shard has said where it stands.

    `catch_up_until_ms`: the end of the wait after a start of the whole engine; None: there is none.
    """

    def __init__(self, rules: ClockRules) -> None:
        self.has_begun = False
        self.catch_up_until_ms: int | None = None
        self._rules = rules
        self._hellos: dict[str, Mapping[str, Any]] = {}
        self._base_ms = NO_WATERMARK
        self._until_ms = 0

    def on_hello(self, peer: str, hello: Mapping[str, Any]) -> None:
        """A shard is there and says where its clock stands."""
        if not self.has_begun:
            self._hellos[peer] = hello

    def begin(self, shards: Iterable[str], now_ms: int) -> Begin | None:
        """Where to begin, once: when the last of these shards is known."""
        names = list(shards)
        if self.has_begun or not names or not all(name in self._hellos for name in names):
            return None
        self.has_begun = True
        hellos = [self._hellos[name] for name in names]
        self._hellos = {}
        stands = [hello.get("watermark_ms", NO_WATERMARK) for hello in hellos]
        furthest = hellos[stands.index(max(stands))]
        if max(stands) != NO_WATERMARK and not self._rules.is_event_clock:
            self._base_ms = min(ms for ms in stands if ms != NO_WATERMARK)
            is_start = any(hello.get("is_standing") for hello in hellos)
            self._until_ms = now_ms + (self._rules.catch_up_ms if is_start else self._rules.idle_ms)
            self.catch_up_until_ms = self._until_ms if is_start else None
        watermark_ms = self._base_ms if self._until_ms else min(stands)
        return Begin(watermark_ms, max(stands), furthest.get("rose_ms", now_ms))

    def held_ms(self, now_ms: int) -> int | None:
        """The watermark beyond which the gateway does not go now; None: it is free."""
        if now_ms < self._until_ms:
            return self._base_ms
        self.catch_up_until_ms = None
        return None
