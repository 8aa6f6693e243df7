"""Days, weeks and months of a time zone, as the kernel reads them.

A calendar is a table of runs (start, step): from ``start`` on a window begins every ``step``
milliseconds, until the next run begins. Days between two changes of the clock are one run, so that
three centuries of days take some 1,200 runs and of months 3,600. The kernel finds a window by
binary search.

A day begins at the first instant of its date: where the clock leaps over midnight, at the leap; a
date that a zone leaves out has no day. Weeks begin on Monday (ISO 8601). The zones are those of the
`tzdata` package and never the system's, so that all machines of one version agree.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Literal
from zoneinfo import ZoneInfo

from augenblick import limits

Unit = Literal["day", "week", "month"]
Runs = tuple[tuple[int, int], ...]

UNITS: tuple[Unit, ...] = ("day", "week", "month")
DAY_MS = 86_400_000
LENGTH_MS_MAX: dict[Unit, int] = {
    "day": DAY_MS + 3 * 3_600_000,
    "week": 7 * DAY_MS + 3 * 3_600_000,
    "month": 31 * DAY_MS + 3 * 3_600_000,
}
"""The longest window: clocks have been put back by up to three hours."""

_MS = timedelta(milliseconds=1)
_DAY_S = 86_400
_MARGIN_S = 40 * _DAY_S  # a month that begins before 1900 or ends after 2200
_EPOCH = date(1970, 1, 1)
_FIRST = date(1899, 12, 1)  # times before 1900 are refused
_LAST = date(2200, 3, 2)  # the last instants of 2199 have one after them


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every zone there is."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="ascii").split())


@lru_cache(maxsize=32)
def zone_offsets(zone: str) -> Runs:
    """(from, offset from UTC), both in ms: what a zone's clocks show, for all times there are.

    Looks at every day: no zone has changed its clocks and back within one.
    """
    read = _load(zone)
    at = limits.time_ms_min // 1_000 - _MARGIN_S
    offset = _offset(read, at)
    found = [(at * 1_000, offset // _MS)]
    while at < limits.time_ms_max // 1_000 + _MARGIN_S:
        following = _offset(read, at + _DAY_S)
        if following != offset:
            found.append((_change_s(read, at, at + _DAY_S) * 1_000, following // _MS))
            offset = following
        at += _DAY_S
    return tuple(found)


@lru_cache(maxsize=32)
def calendar_runs(zone: str, unit: Unit, offset_ms: int = 0) -> Runs:
    """The windows of a unit, as runs; with an offset those from its instants to the next ones."""
    instants = _instants(zone_offsets(zone), unit, offset_ms)
    runs: list[tuple[int, int]] = []
    before = next(instants)
    for start in instants:
        step = start - before
        if not runs or runs[-1][1] != step:
            runs.append((before, step))
        before = start
    return tuple(runs)


def _load(zone: str) -> ZoneInfo:
    folder = files("tzdata").joinpath("zoneinfo")
    with folder.joinpath(*zone.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=zone)


def _offset(zone: ZoneInfo, at_s: int) -> timedelta:
    offset = datetime.fromtimestamp(at_s, zone).utcoffset()
    assert offset is not None
    return offset


def _change_s(zone: ZoneInfo, from_s: int, to_s: int) -> int:
    """The second at which the offset changes, between two that differ in it."""
    before = _offset(zone, from_s)
    while to_s - from_s > 1:
        middle = (from_s + to_s) // 2
        if _offset(zone, middle) == before:
            from_s = middle
        else:
            to_s = middle
    return to_s


def _instants(offsets: Runs, unit: Unit, offset_ms: int) -> Iterator[int]:
    """Of every day, week or month, when clocks show its first midnight + the offset; at the latest
    its end.
    """
    midnights = list(_first_midnights(unit))
    starts = list(_reached(offsets, midnights))
    reached = _reached(offsets, [local_ms + offset_ms for local_ms in midnights])
    for start_ms, end_ms, reached_ms in zip(starts, starts[1:], reached, strict=False):
        if start_ms < end_ms:
            yield min(reached_ms, end_ms)


def _reached(offsets: Runs, shown: Iterable[int]) -> Iterator[int]:
    """The first instant at which the clocks show each of these times (in order), or leap over."""
    run = 0
    for local_ms in shown:
        while run + 1 < len(offsets) and offsets[run + 1][0] <= local_ms - offsets[run][1]:
            run += 1
        from_ms, offset_ms = offsets[run]
        yield max(from_ms, local_ms - offset_ms)


def _first_midnights(unit: Unit) -> Iterator[int]:
    """Midnight of the first date of every window, as a clock shows it, in ms since 1970."""
    day = _FIRST
    if unit == "week":
        day -= timedelta(days=day.weekday())
    if unit != "month":
        step = DAY_MS * (7 if unit == "week" else 1)
        yield from range((day - _EPOCH).days * DAY_MS, (_LAST - _EPOCH).days * DAY_MS, step)
        return
    while day < _LAST:
        yield (day - _EPOCH).days * DAY_MS
        day = (day + timedelta(days=31)).replace(day=1)
