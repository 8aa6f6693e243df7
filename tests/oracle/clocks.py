"""What the clocks of a zone show, by the standard library's own rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

LARGEST_ms = 2**53


@cache
def zone_of(name: str) -> ZoneInfo:
    """The zone as the package `tzdata` has it; a system's own data may be of another year."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def shown(zone: str, time: Any) -> datetime | None:
    """The date and time of day of an instant; None for what names none."""
    if isinstance(time, bool) or not isinstance(time, int | float) or abs(time) >= LARGEST_ms:
        return None
    try:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time // 1)
        return at.astimezone(zone_of(zone))
    except OverflowError:
        return None


def hour(zone: str, time: Any) -> int | None:
    found = shown(zone, time)
    return None if found is None else found.hour


def weekday(zone: str, time: Any) -> int | None:
    """ISO 8601: Monday 1 to Sunday 7."""
    found = shown(zone, time)
    return None if found is None else found.isoweekday()


def days_since(zone: str, time: Any, instant: int) -> int | None:
    """Midnights between the two, fewer than none when the time is to come."""
    found, now = shown(zone, time), shown(zone, instant)
    return None if found is None or now is None else (now.date() - found.date()).days
