"""Quiet hours and expiry: what the engine's clock says of a firing that is about to leave. Pure.

Asked for each firing when it leaves its shard, at its `fired_at`, which a replay of the journal
gives again. What quiet hours hold waits here, as state of the shard, and is asked again when they
are over: on the wall clock when the shard's clock says so, whose instant is a record of the
journal; on the event clock once the watermark is past their end, as for every timer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from augenblick import limits
from augenblick.binding.releases import Release
from augenblick.core.suppressed import Suppressed
from augenblick.plan.policy_rules import QuietHours
from augenblick.plan.program import Program

DAY_ms = 86_400_000


def quiet_until(offsets: tuple[tuple[int, int], ...], hours: QuietHours, at_ms: int) -> int | None:
    """The first instant from here on that is not quiet; None: this one is not.

    `offsets`: (from, offset from UTC), what the zone's clocks show. Quiet is every instant at which
    they show a time from `from_ms` on and before `to_ms`.
    """
    now_ms = at_ms
    length_ms = (hours.to_ms - hours.from_ms) % DAY_ms
    run = max(bisect_right(offsets, now_ms, key=lambda one: one[0]) - 1, 0)
    while True:
        shown_ms = now_ms + offsets[run][1] - hours.from_ms
        if shown_ms % DAY_ms >= length_ms:
            return None if now_ms == at_ms else now_ms
        end_ms = now_ms + length_ms - shown_ms % DAY_ms
        if run + 1 == len(offsets) or end_ms < offsets[run + 1][0]:
            return end_ms
        run += 1
        now_ms = offsets[run][0]


class LeavingPolicies:
    """Of one shard, or of a simulation: decides, holds, counts.

    `is_event_clock`: what is held leaves by the watermark. Without a trigger that has such a policy
    everything passes untouched.
    """

    def __init__(self, program: Program, *, is_event_clock: bool) -> None:
        self.suppressed: Suppressed = {}
        self._is_event_clock = is_event_clock
        self._offsets = program.quiet_offsets
        self._rules = {
            one.name: one.policies
            for one in program.triggers
            if one.policies.expires_ms or one.policies.quiet is not None
        }
        self._held: dict[str, tuple[int, Release]] = {}
        self._next_ms: int | None = None

    def __len__(self) -> int:
        """Firings held."""
        return len(self._held)

    @property
    def held(self) -> list[Release]:
        """The firings held."""
        return [one for _, one in self._held.values()]

    def sift(self, releases: Iterable[Release]) -> list[Release]:
        """Those that leave now."""
        if not self._rules:
            return releases if isinstance(releases, list) else list(releases)
        return [one for one in releases if self.lets_go(one)]

    def lets_go(self, release: Release) -> bool:
        """Does it leave at its `fired_at`? If not it is held, or dropped and counted."""
        if release.trigger not in self._rules:
            return True
        record = release.record
        return self._lets_go(release, record["time"], record["fired_at"])

    def is_due(self, clock_ms: int, now_ms: int) -> bool:
        """Is there a firing whose quiet hours are over? `clock_ms` is the kernel's clock."""
        at_ms = clock_ms - 1 if self._is_event_clock else now_ms
        return self._next_ms is not None and self._next_ms <= at_ms

    def due(self, clock_ms: int, now_ms: int, count: int | None = None) -> list[Release]:
        """What leaves now that quiet hours are over, the earliest end first, with this `fired_at`:
        the end of the quiet hours on the event clock, else `now_ms`. `count`: of at most so many.
        """
        if not self.is_due(clock_ms, now_ms):
            return []
        until_ms = clock_ms - 1 if self._is_event_clock else now_ms
        over = [one for one in self._held.values() if one[0] <= until_ms]
        over.sort(key=_end_ms)
        found = []
        for end_ms, release in over[:count]:
            del self._held[release.key]
            at_ms = end_ms if self._is_event_clock else now_ms
            plain = release.plain
            plain["record"]["fired_at"] = at_ms
            left = Release.from_plain(plain)
            if self._lets_go(left, plain["record"]["time"], at_ms):
                found.append(left)
        self._note_next()
        return found

    def forget(self, keys: Iterable[str]) -> None:
        """These have left, under another plan."""
        if self._held and [key for key in keys if self._held.pop(key, None) is not None]:
            self._note_next()

    def erase(self, is_gone: Callable[[Release], bool]) -> None:
        """Hold no more of these."""
        self.forget([key for key, (_, one) in self._held.items() if is_gone(one)])

    def snapshot(self) -> list[Any]:
        """What is held: (end of the quiet hours, release)."""
        return [[ms, msgspec.Raw(one.packed)] for ms, one in self._held.values()]

    def restore(self, plain: list[Any]) -> None:
        """Take over what `snapshot` gave, unpacked."""
        for end_ms, item in plain:
            release = Release.from_plain(item)
            self._held[release.key] = (end_ms, release)
        self._note_next()

    def _lets_go(self, release: Release, time_ms: int, at_ms: int) -> bool:
        rules = self._rules.get(release.trigger)
        if rules is None:
            return True
        if rules.expires_ms and at_ms - time_ms > rules.expires_ms:
            return self._suppress(release, "expires")
        if rules.quiet is None:
            return True
        end_ms = quiet_until(self._offsets, rules.quiet, at_ms)
        if end_ms is None:
            return True
        if not rules.quiet.holds:
            return self._suppress(release, "quiet_hours")
        if len(self._held) >= limits.quiet_held_max:
            return self._suppress(release, "held_full")
        self._held[release.key] = (end_ms, release)
        self._next_ms = end_ms if self._next_ms is None else min(self._next_ms, end_ms)
        return False

    def _suppress(self, release: Release, reason: str) -> bool:
        counts = self.suppressed.setdefault(release.trigger, {})
        counts[reason] = counts.get(reason, 0) + 1
        return False

    def _note_next(self) -> None:
        self._next_ms = min((ms for ms, _ in self._held.values()), default=None)


def _end_ms(held: tuple[int, Release]) -> int:
    return held[0]
