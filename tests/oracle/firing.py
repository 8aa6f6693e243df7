"""Firings: ids, k and the record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.oracle import conditions, names
from tests.oracle.events import Event
from tests.oracle.names import View
from tests.oracle.plan import Trigger
from tests.oracle.policies import variant_of

VersionOf = Callable[[str], str]


def firing_id(parts: Iterable[str]) -> str:
    """BLAKE2b-128 in hex over the parts, each after its byte length as 4-byte big endian."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        raw = part.encode()
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.hexdigest()


def identity(event: Event) -> tuple[str, ...]:
    """An event's identity: its id, or its name and time."""
    return (event.name, str(event.time)) if event.id is None else (event.id,)


@dataclass
class Emissions:
    """What one trigger has fired for one user: k of the latest time, `once`."""

    latest: int | None = None
    counts: dict[tuple[str, ...], int] = field(default_factory=dict)
    has_risen: bool = False

    def next_k(self, time: int, parts: tuple[str, ...]) -> int:
        """How many firings with equal parts came before; kept for the latest time only."""
        if self.latest is not None and time < self.latest:
            return 0
        if self.latest is None or time > self.latest:
            self.latest, self.counts = time, {}
        k = self.counts.get(parts, 0)
        self.counts[parts] = k + 1
        return k


@dataclass
class Firer:
    """Turns an occasion into a record; holds every (trigger, user)'s emissions."""

    version_of: VersionOf
    fired_at: int = 0
    emissions: dict[tuple[str, str | None], Emissions] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)  # the end of the last, of metric triggers

    def _emissions(self, trigger: Trigger, user: str | None) -> Emissions:
        return self.emissions.setdefault((trigger.name, user), Emissions())

    def rises_first(self, trigger: Trigger, user: str | None) -> bool:
        """For `fire: once`: whether this is the first rise."""
        emissions = self._emissions(trigger, user)
        was, emissions.has_risen = emissions.has_risen, True
        return not was

    def fire(
        self, trigger: Trigger, view: View, group_name: str | None, caused: Event | None,
        events: list[Event], value: str | None, is_timed: bool, user: str,
    ) -> dict[str, Any]:  # fmt: skip
        """The record, if no policy holds it back. `value` is the JSON text of `match`."""
        time = view.instant if is_timed or caused is None else caused.time
        text = (view.group if trigger.match is None else value) or ""
        identities = [part for event in events for part in identity(event)]
        if is_timed and events:
            identities.append(str(time))
        emissions = self._emissions(trigger, user)
        k = emissions.next_k(time, (text, *identities))
        by = by_map(group_name, view.group) | by_map(trigger.match, value)
        return self.record(
            trigger, [user, text, str(time), *identities, str(k)],
            user=user, by=by or None, time=time, cause=None if caused is None else cause(caused),
            session=None if caused is None or caused.derived else view.session_start(caused.time),
            values=self._values(trigger, view, group_name),
            variant=variant_of(trigger, user),
        )  # fmt: skip

    def fire_metric(
        self, trigger: Trigger, group_name: str | None, group: str | None, window: tuple[int, int],
        values: dict[str, Any],
    ) -> dict[str, Any] | None:  # fmt: skip
        """The record of a metric trigger, or None when a policy holds it back."""
        left = self.left.get(trigger.name)
        if left is not None and window[1] - left < trigger.cooldown_ms:
            return None
        self.left[trigger.name] = window[1]
        return self.record(
            trigger, [group or "", str(window[0])], user=None,
            by=by_map(group_name, group) or None, time=window[1], cause=None, session=None,
            values=values,
        )  # fmt: skip

    def record(self, trigger: Trigger, parts: list[str], **rest: Any) -> dict[str, Any]:
        """The firing as it leaves; `parts` are those of its id after name and version."""
        firing = firing_id([trigger.name, self.version_of(trigger.name), *parts])
        shown = {
            "kind": "firing", "id": firing, "trigger": trigger.name, "fired_at": self.fired_at,
            "variant": None, **rest,
        }  # fmt: skip
        if trigger.mode == "shadow":
            shown["mode"] = "shadow"
        return shown

    def _values(self, trigger: Trigger, view: View, group_name: str | None) -> dict[str, Any]:
        plan = view.plan
        named = [] if trigger.when is None else conditions.names(trigger.when)
        wanted = [name for name in named if name in plan.features or name in plan.expressions]
        return {name: view.recorded(name, group_name) for name in [*wanted, *trigger.values]}


def cause(event: Event) -> dict[str, Any]:
    return {"event": event.name, "id": event.id, "time": event.time, "props": event.props}


def by_map(name: str | None, text: str | None) -> dict[str, Any]:
    """The field and its value, or nothing."""
    return {} if name is None or text is None else {name: names.group_value(text)}
