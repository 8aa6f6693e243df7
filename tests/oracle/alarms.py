"""`at: TIME` of one user: one alarm for each group of its TIME."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgpack
from tests.oracle.conditions import is_number
from tests.oracle.events import Event, TIME_end_ms, TIME_min_ms
from tests.oracle.plan import Trigger


@dataclass
class Alarm:
    """TIME as it stands, the event that moved it there, and the instant if it is still to come."""

    time: int
    event: Event
    instant: int | None = None


@dataclass
class Alarms:
    """The alarms of one trigger by the JSON text of their group."""

    trigger: Trigger
    held: dict[str | None, Alarm] = field(default_factory=dict)

    def move(self, group: str | None, value: Any, event: Event) -> bool:
        """TIME is this after the event. True: that has passed already, and fires at once."""
        time = instant_of(value)
        before = self.held.pop(group, None)
        if time is None:
            return False
        if before is not None and before.time == time:
            self.held[group] = before
            return False
        has_passed = time < event.time
        self.held[group] = Alarm(time, event, None if has_passed else time)
        return has_passed and not self.trigger.past_skipped

    def take(self, group: str | None) -> Alarm:
        """The alarm goes off."""
        alarm = self.held[group]
        self.held[group] = Alarm(alarm.time, alarm.event)
        return alarm


def instant_of(value: Any) -> int | None:
    """A number as an instant; None for what no event's time could be."""
    if not is_number(value) or not TIME_min_ms <= value < TIME_end_ms:
        return None
    return math.floor(value)


def in_order(groups: Iterable[str | None]) -> list[str | None]:
    """Groups of one instant follow each other by their values as msgpack."""
    return sorted(
        set(groups), key=lambda one: b"" if one is None else msgpack.packb(json.loads(one))
    )
