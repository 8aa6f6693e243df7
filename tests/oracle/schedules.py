"""`every: UNIT + OFFSET`: its instants, by the clocks of a zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from tests.oracle.features import moved, start_of, zone_of

MS = timedelta(milliseconds=1)


def next_instant(zone: str, unit: str, offset_ms: int, from_ms: int) -> int:
    """The first instant of the schedule at or after another."""
    here = zone_of(zone)
    first = (datetime(1970, 1, 1) + timedelta(milliseconds=from_ms)).date()
    if unit == "week":
        first -= timedelta(days=first.weekday())
    if unit == "month":
        first = first.replace(day=1)
    for _ in range(3):
        first = moved(first, unit, -1)
    for _ in range(8):
        instant = _instant(here, unit, offset_ms, first)
        if instant is not None and instant >= from_ms:
            return instant
        first = moved(first, unit, 1)
    raise AssertionError("a schedule has an instant in each day, week or month")


@cache
def _instant(here: ZoneInfo, unit: str, offset_ms: int, first: date) -> int | None:
    """That of the day, week or month that begins at the date; None where there is no such day."""
    start, end = start_of(first, here), start_of(moved(first, unit, 1), here)
    if start == end:
        return None
    shown = datetime(first.year, first.month, first.day) + offset_ms * MS
    return min(_reached(here, shown), end)


def _reached(here: ZoneInfo, wanted: datetime) -> int:
    """The first instant at which the zone's clocks show the time; at a leap over it, the leap."""
    before, after = (_ms(wanted.replace(tzinfo=here, fold=fold)) for fold in (0, 1))
    if _shown(here, before) == wanted:
        return before
    low, high = after, before
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _shown(here, middle) >= wanted else (middle, high)
    return high


def _ms(time: datetime) -> int:
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // MS


def _shown(here: ZoneInfo, at: int) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + at * MS).astimezone(here).replace(tzinfo=None)
