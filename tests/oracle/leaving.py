"""Quiet hours and expiry, from their definitions, on the event clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.oracle.plan import Plan, QuietHours

DAY_ms = 86_400_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Record = dict[str, Any]


def shown_ms(zone: ZoneInfo, at: int) -> int:
    """What the zone's clocks show, since midnight."""
    local = (EPOCH + timedelta(milliseconds=at)).astimezone(zone)
    since = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second)
    return since // timedelta(milliseconds=1) + local.microsecond // 1000


def is_quiet(zone: ZoneInfo, hours: QuietHours, at: int) -> bool:
    shown = shown_ms(zone, at)
    if hours.from_ms < hours.to_ms:
        return hours.from_ms <= shown < hours.to_ms
    return shown >= hours.from_ms or shown < hours.to_ms


def quiet_end(zone: ZoneInfo, hours: QuietHours, at: int) -> int:
    """The first instant after a quiet one that is not: where the clocks show `to`, or change."""
    candidates = []
    for near in range(at, at + 2 * DAY_ms, DAY_ms // 48):
        candidates.append(near + (hours.to_ms - shown_ms(zone, near)) % DAY_ms)
        candidates += _changes(zone, near, near + DAY_ms // 48)
    ends = [one for one in candidates if one > at and not is_quiet(zone, hours, one)]
    return min(one for one in ends if is_quiet(zone, hours, one - 1))


def _changes(zone: ZoneInfo, low: int, high: int) -> Iterator[int]:
    """The instant between two at which the clocks change, if they do."""

    def offset(at: int) -> Any:
        return (EPOCH + timedelta(milliseconds=at)).astimezone(zone).utcoffset()

    if offset(low) != offset(high):
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
        yield high


@dataclass
class Leaving:
    """The last gate of every firing on a user."""

    plan: Plan
    held: list[tuple[int, Record]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.zone = ZoneInfo(self.plan.zone)
        self.rules = {one.name: one for one in self.plan.triggers if one.kind != "metric"}

    def leaves(self, record: Record, at: int) -> bool:
        """Whether it leaves now; one that is held waits."""
        rule = self.rules.get(record.get("trigger", ""))
        if rule is None:
            return True
        if rule.expires_ms and at - record["time"] > rule.expires_ms:
            return False
        if rule.quiet is None or not is_quiet(self.zone, rule.quiet, at):
            return True
        if rule.quiet.then == "hold":
            self.held.append((quiet_end(self.zone, rule.quiet, at), record))
        return False

    def due(self, clock: int) -> list[Record]:
        """What leaves because the clock is strictly past the end of the quiet hours."""
        over = sorted((one for one in self.held if one[0] < clock), key=lambda one: one[0])
        self.held = [one for one in self.held if one[0] >= clock]
        found = []
        for end, record in over:
            left = {**record, "fired_at": end}
            if self.leaves(left, end):
                found.append(left)
        return found
