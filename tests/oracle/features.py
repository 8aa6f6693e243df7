"""Features: which applied events one counts, and its value at an instant."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import msgpack
from tests.oracle.clocks import zone_of
from tests.oracle.conditions import is_number
from tests.oracle.events import Event, group_text
from tests.oracle.plan import DAY_ms, Feature
from tests.oracle.sessions import Rules, Session, session_at

OF_NOTHING: dict[str, Any] = {"count": 0, "sum": 0.0, "distinct": 0, "decay": 0.0, "rate": 0.0}
WINDOWED = {"tumbling", "hopping", "calendar"}
NUMERIC = {"sum", "min", "max", "avg", "quantile", "decay", "rate"}
GAMMA = 1.01 / 0.99  # DDSketch with relative accuracy 1 %


def is_usable(feature: Feature, event: Event) -> bool:
    """Whether a selected event has the value and the group that the feature needs."""
    if feature.by is not None and group_text(event.value(feature.by)) is None:
        return False
    if feature.value is None:
        return True
    value = event.value(feature.value)
    if feature.aggregate in NUMERIC:
        return is_number(value)
    if feature.aggregate == "last":
        return value is not None or event.has(feature.value)
    return value is not None


def windows_of(feature: Feature, time: int) -> list[tuple[int, int]]:
    """Every tumbling, hopping or calendar window [start, end) that holds the time, by end."""
    if feature.calendar is not None:
        return [calendar_window(*feature.calendar, time)]
    first = (time - feature.size_ms) // feature.every_ms + 1
    starts = range(first * feature.every_ms, time + 1, feature.every_ms)
    return [(start, start + feature.size_ms) for start in starts]


@cache
def calendar_window(zone: str, unit: str, time: int) -> tuple[int, int]:
    """The day, week or month of the zone that holds the time."""
    here = zone_of(zone)
    day = (datetime(1970, 1, 1, tzinfo=here) + timedelta(days=time // DAY_ms)).date()
    if unit == "week":
        day -= timedelta(days=day.weekday())
    if unit == "month":
        day = day.replace(day=1)
    firsts = [day]
    for _ in range(3):
        firsts = [moved(firsts[0], unit, -1), *firsts, moved(firsts[-1], unit, 1)]
    starts = sorted({start_of(first, here) for first in firsts})
    start = max(start for start in starts if start <= time)
    return start, min(start for start in starts if start > time)


def moved(day: date, unit: str, by: int) -> date:
    if unit == "month":
        return (day + timedelta(days=31 if by > 0 else -1)).replace(day=1)
    return day + by * timedelta(days=7 if unit == "week" else 1)


def start_of(day: date, here: ZoneInfo) -> int:
    """The first instant of a date, in ms."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=here)
    return (midnight - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def last_reset(feature: Feature, history: Sequence[Event]) -> Event | None:
    """The last applied reset; one older than the last reset before it is none."""
    found: Event | None = None
    for event in history:
        resets = feature.reset is not None and event.is_selected(feature.reset)
        if resets and (found is None or event.time >= found.time):
            found = event
    return found


def counted(feature: Feature, history: Sequence[Event]) -> list[Event]:
    """The applied events that the feature counts, in order of arrival, whatever instant is read.

    For sessions: those selected (the session decides further). For windows: those that some window
    could still take when they were applied. For since: those after the last reset.
    """
    reset = last_reset(feature, history)
    since = history if reset is None else history[history.index(reset) + 1 :]
    kept = [
        event
        for event in since
        if event.is_selected(feature.selector)
        and is_usable(feature, event)
        and (reset is None or event.time >= reset.time)
    ]
    if feature.window == "sliding":
        return [event for event in kept if event.time > event.mark - feature.size_ms]
    if feature.window in WINDOWED:
        return [event for event in kept if panes(feature, event)]
    if feature.window != "session" and feature.by is not None:
        return _within_by_max(feature, kept)
    return kept


def panes(feature: Feature, event: Event) -> list[tuple[int, int]]:
    """The tumbling or hopping windows that count the event: not closed when it was applied."""
    mark = event.mark + event.closing
    return [window for window in windows_of(feature, event.time) if mark <= window[1]]


def _within_by_max(feature: Feature, events: list[Event]) -> list[Event]:
    held: dict[str | None, list[Event]] = {}
    for event in events:
        group = group_text(event.value(str(feature.by)))
        before = held.pop(group, [])
        if not before and len(held) == feature.by_max:
            del held[next(iter(held))]
        held[group] = [*before, event]
    return sorted((event for part in held.values() for event in part), key=lambda e: e.arrival)


def content(
    feature: Feature, history: Sequence[Event], sessions: list[Session], instant: int, clock: int,
    rules: Rules, closing: bool = False,
) -> list[Event]:  # fmt: skip
    """The events that the feature holds when read at `instant` with the user's clock at `clock`.

    `sessions` are the open ones.
    """
    events = counted(feature, history)
    if feature.window == "sliding":
        oldest = max(instant, clock) - feature.size_ms
        return [event for event in events if oldest < event.time <= instant]
    if feature.window in WINDOWED:
        window = windows_of(feature, instant)[0]
        if clock + closing > window[1]:
            return []
        return [event for event in events if window in panes(feature, event)]
    if feature.window == "session":
        session = session_at(sessions, instant, rules)
        members = set() if session is None else {event.arrival for event in session.events}
        return [event for event in events if event.arrival in members]
    return events


def aggregate(feature: Feature, events: Sequence[Event], instant: int) -> Any:
    """The value of the events when read at an instant; of none, 0 or missing."""
    if not events:
        return OF_NOTHING.get(feature.aggregate)
    in_time = sorted(events, key=lambda event: event.position)
    values: list[Any] = [event.value(feature.value or "event") for event in in_time]
    match feature.aggregate:
        case "count":
            return len(values)
        case "sum":
            return float(sum(values))
        case "avg":
            return float(sum(values)) / len(values)
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "first":
            return values[0]
        case "last":
            return values[-1]
        case "list":
            return values[-feature.list_max :] if feature.list_max else values
        case "distinct":
            return len({group_text(value) for value in values})
        case "quantile":
            return quantile(feature.q, values)
        case "top":
            return top(feature.list_max, values)
        case "rate":
            return float(sum(weights(feature, in_time))) / (feature.size_ms / 1000)
        case "decay":
            return decay(feature, in_time, instant)
        case "time_since":
            return max(instant - in_time[-1].time, 0)
    raise ValueError(feature.aggregate)


def weights(feature: Feature, events: Sequence[Event]) -> list[Any]:
    """What each event counts for: its number, or 1 where the feature reads none."""
    return [1 if feature.value is None else event.value(feature.value) for event in events]


def decay(feature: Feature, events: Sequence[Event], instant: int) -> float:
    """Half of each weight is left after a half-life; never read before the latest event."""
    at = max(instant, *(event.time for event in events))
    ages = [(at - event.time) / feature.half_life_ms for event in events]
    found = zip(weights(feature, events), ages, strict=True)
    return float(sum(weight * 2.0**-age for weight, age in found))


def quantile(q: float, values: Sequence[Any]) -> float:
    """The number of rank floor(q * (n - 1)), as the middle of its DDSketch bin."""
    number = sorted(values)[math.floor(q * (len(values) - 1))]
    if number == 0:
        return 0.0
    bin_ = math.ceil(math.log(abs(number)) / math.log(GAMMA))
    middle = 2.0 * math.exp(bin_ * math.log(GAMMA)) / (GAMMA + 1.0)
    return middle if number > 0 else -middle


def top(most: int, values: Sequence[Any]) -> list[Any]:
    """The most frequent values; of equal counts by their msgpack bytes."""
    counts = Counter(msgpack.packb(value) for value in values)
    first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [msgpack.unpackb(packed) for packed, _ in first[:most]]


def by_group(feature: Feature, events: Sequence[Event]) -> dict[str, list[Event]]:
    """The events by the JSON text of their group, in text order."""
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(str(group_text(event.value(str(feature.by)))), []).append(event)
    return dict(sorted(groups.items()))
