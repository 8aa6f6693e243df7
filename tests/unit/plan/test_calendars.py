"""Days, weeks and months of a time zone."""

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracle.clocks import zone_of
from tests.unit.plan.plans import mistakes, program

from augenblick import limits
from augenblick.plan.calendars import (
    LENGTH_MS_MAX,
    UNITS,
    calendar_runs,
    zone_names,
    zone_offsets,
)

HOUR = 3_600_000
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu",
    "Pacific/Apia", "America/Sao_Paulo", "Africa/Casablanca", "Asia/Beirut",
)  # fmt: skip


def window(zone, unit, at_ms):
    """(start, end) of the window that holds an instant, from the runs."""
    runs = calendar_runs(zone, unit)
    start, step = runs[max(bisect_right(runs, (at_ms, 2**62)) - 1, 0)]
    begin = start + (at_ms - start) // step * step
    return begin, begin + step


def ms(*parts, zone="UTC"):
    at = datetime(*parts, tzinfo=zone_of(zone))
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("day", "hours"),
    [((2026, 3, 28), 24), ((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 10, 26), 24)],
)
def test_a_day_has_23_24_or_25_hours(day, hours):
    start = ms(*day, zone="Europe/Berlin")
    assert window("Europe/Berlin", "day", start) == (start, start + hours * HOUR)
    assert window("Europe/Berlin", "day", start + hours * HOUR - 1)[0] == start
    assert window("Europe/Berlin", "day", start - 1)[1] == start


def test_weeks_begin_on_monday_and_follow_the_clock():
    monday = ms(2026, 3, 23, zone="Europe/Berlin")
    assert window("Europe/Berlin", "week", ms(2026, 3, 29, 12)) == (monday, monday + 167 * HOUR)
    assert window("UTC", "week", ms(2026, 1, 1)) == (ms(2025, 12, 29), ms(2026, 1, 5))


@pytest.mark.parametrize(("year", "month", "days"), [(2026, 2, 28), (2028, 2, 29), (1900, 2, 28)])
def test_months_have_their_lengths(year, month, days):
    start = ms(year, month, 1)
    assert window("UTC", "month", start + 5 * HOUR) == (start, start + days * 24 * HOUR)


def test_where_the_clock_leaps_over_midnight_the_day_begins_at_the_leap():
    """Beirut, 31 March 2024: 00:00 became 01:00."""
    leap = ms(2024, 3, 30, 22)
    assert window("Asia/Beirut", "day", leap) == (leap, leap + 23 * HOUR)


def test_a_date_that_a_zone_left_out_has_no_day():
    """Samoa went from 29 to 31 December 2011."""
    before, after = ms(2011, 12, 29, zone="Pacific/Apia"), ms(2011, 12, 31, zone="Pacific/Apia")
    assert after - before == 24 * HOUR
    assert window("Pacific/Apia", "day", before) == (before, after)
    assert window("Pacific/Apia", "day", after) == (after, after + 24 * HOUR)


@given(
    st.sampled_from(ZONES),
    st.sampled_from(UNITS),
    st.integers(limits.time_ms_min, limits.time_ms_max - 1),
)
@settings(max_examples=300, deadline=None)
def test_every_instant_lies_in_the_window_of_its_date(zone, unit, at_ms):
    start, end = window(zone, unit, at_ms)
    assert start <= at_ms < end <= start + LENGTH_MS_MAX[unit]
    assert window(zone, unit, start - 1)[1] == start
    assert window(zone, unit, end)[0] == end
    first = datetime.fromtimestamp(start // 1000, zone_of(zone))
    if unit == "week":
        assert first.weekday() == 0
    if unit == "month":
        assert first.day == 1
    if unit == "day" and first.utcoffset() == _offset(zone, at_ms) == _offset(zone, start - 1):
        assert first.date() == _date(zone, at_ms)


def _offset(zone, at_ms):
    return datetime.fromtimestamp(at_ms // 1000, zone_of(zone)).utcoffset()


def _date(zone, at_ms) -> date:
    return datetime.fromtimestamp(at_ms // 1000, zone_of(zone)).date()


@pytest.mark.parametrize("zone", ZONES)
def test_offsets_are_those_of_the_zone(zone):
    offsets = zone_offsets(zone)
    for (from_ms, offset_ms), (_, before_ms) in zip(offsets[1:], offsets, strict=False):
        assert _offset(zone, from_ms) == timedelta(milliseconds=offset_ms)
        assert _offset(zone, from_ms - 1000) == timedelta(milliseconds=before_ms)


def test_the_tables_are_bounded():
    for zone in ("Europe/Berlin", "Africa/Casablanca"):
        assert max(len(calendar_runs(zone, unit)) for unit in UNITS) < 4_000
    assert {"UTC", "Europe/Berlin"} < zone_names()


def test_a_plan_names_its_zone():
    features = "features:\n  f: {count: a, over: {calendar: week}}\n"
    found = program(f"plan: x\nzone: Europe/Berlin\n{features}")
    assert found.calendars == (calendar_runs("Europe/Berlin", "week"),)
    assert found.features[0].calendar == 0
    other = program(f"plan: x\n{features}")
    assert other.calendars == (calendar_runs("UTC", "week"),)
    assert other.features[0].version != found.features[0].version


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("zone: Europe/Berlyn", "'Europe/Berlyn' is no time zone; did you mean Europe/Berlin?"),
        ("zone: ../../etc/passwd", "'../../etc/passwd' is no time zone"),
        (
            "features: {f: {count: a, over: {calendar: year}}}",
            "`calendar` must be 'day', 'week' or 'month'",
        ),
        (
            "time: {ttl: 20d}\nfeatures: {f: {count: a, over: {calendar: month}}}",
            "the window of 747h is longer than `time: ttl`",
        ),
        (
            "features: {f: {rate: a, over: {calendar: day}}}",
            "`rate` is per second of its window, and this one has no fixed length",
        ),
    ],
)
def test_wrong(text, sentence):
    assert mistakes(f"plan: x\n{text}\n")[0][1].startswith(sentence)
