"""`every`: its form, and its instants against the zones' own clocks."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracle.schedules import next_instant
from tests.unit.plan.plans import STATE, program, trigger, trigger_mistake

from augenblick import limits
from augenblick.plan import check_plan, load_plan
from augenblick.plan.calendars import DAY_MS, UNITS, calendar_runs
from augenblick.plan.occasions.every import parse_schedule

ZONES = (
    "UTC", "Europe/Berlin", "Asia/Beirut", "America/Sao_Paulo", "Pacific/Apia", "Asia/Kathmandu",
    "Africa/Casablanca", "Australia/Lord_Howe", "America/St_Johns",
)  # fmt: skip
OFFSETS_MS = (
    0, 1, 1_800_000, 5_400_000, 9_000_000, 12 * 3_600_000, DAY_MS - 1, DAY_MS,
    27 * DAY_MS, 28 * DAY_MS, 29 * DAY_MS + 9_000_000, 30 * DAY_MS, 31 * DAY_MS,
)  # fmt: skip


def instant_from(runs, from_ms):
    """The first instant of a table at or after another."""
    index = max(0, sum(start <= from_ms - 1 for start, _ in runs) - 1)
    start, step = runs[index]
    return start + (from_ms - 1 - start) // step * step + step


@given(
    st.sampled_from(ZONES),
    st.sampled_from(UNITS),
    st.sampled_from(OFFSETS_MS),
    st.integers(limits.time_ms_min, limits.time_ms_max - 1),
)
@settings(max_examples=300, deadline=None)
def test_instants_are_those_of_the_clocks(zone, unit, offset_ms, from_ms):
    if offset_ms > {"day": 1, "week": 7, "month": 31}[unit] * DAY_MS:
        return
    runs = calendar_runs(zone, unit, offset_ms)
    found = instant_from(runs, from_ms)
    assert found == next_instant(zone, unit, offset_ms, from_ms)
    assert instant_from(runs, found) == found


def shown(zone, text, at):
    unit, offset_ms = parse_schedule(text)
    from_ms = int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() * 1000)
    found = instant_from(calendar_runs(zone, unit, offset_ms), from_ms)
    return datetime.fromtimestamp(found / 1000, UTC).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("zone", "text", "at", "instant"),
    [
        ("UTC", "month + 30d", "2026-01-02", "2026-01-31 00:00"),
        ("UTC", "month + 30d", "2026-02-02", "2026-03-01 00:00"),
        ("UTC", "month + 30d", "2026-04-02", "2026-05-01 00:00"),
        ("UTC", "month + 27d + 9h", "2026-02-02", "2026-02-28 09:00"),
        ("UTC", "week", "2026-01-01", "2026-01-05 00:00"),
        ("UTC", "week + 1d + 9h", "2026-01-01", "2026-01-06 09:00"),
        ("Europe/Berlin", "day + 9h", "2026-03-28T12:00", "2026-03-29 07:00"),  # summer begins
        ("Europe/Berlin", "day + 9h", "2026-03-27T12:00", "2026-03-28 08:00"),
        ("Europe/Berlin", "day + 150m", "2026-03-28T12:00", "2026-03-29 01:00"),  # leapt over
        ("Europe/Berlin", "day + 150m", "2026-10-24T12:00", "2026-10-25 00:30"),  # the first of two
        ("Asia/Beirut", "day", "2024-03-30T12:00", "2024-03-30 22:00"),  # no midnight
        ("Pacific/Apia", "day + 9h", "2011-12-29T20:00", "2011-12-30 19:00"),  # no 30 December
    ],
)
def test_instants(zone, text, at, instant):
    assert shown(zone, text, at) == instant


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("year", "'year' is no schedule; write day, week or month, and how long after it begins"),
        ("month - 1d", "'month - 1d' is no schedule"),
        ("month + 5", "'5' is no duration"),
        ("month +", "'' is no duration"),
        ("day + 25h", "25h is longer than any day (1d)"),
        ("week + 7d + 1ms", "604800001ms is longer than any week (7d)"),
        ("month + 32d", "32d is longer than any month (31d)"),
    ],
)
def test_wrong_schedules(text, sentence):
    assert trigger_mistake(f"{{every: {text}}}").startswith(sentence)


def test_no_event_is_at_hand():
    message = trigger_mistake("{every: day, when: view.new}")
    assert message.startswith("'view' is never the event at hand here")


def test_one_group():
    message = trigger_mistake("{every: day, when: by_sku > 1 and by_category > 1}")
    assert "'by_sku' is grouped by sku and 'by_category' by category" in message


def test_the_groups_are_those_of_its_condition():
    found = trigger("{every: day, when: by_sku > 1, values: [by_sku, by_category]}")
    assert (found.group, found.match_name) == (-1, "sku")
    assert [value.map_feature >= 0 for value in found.values] == [False, True]
    assert trigger("{every: day, values: [by_sku]}").match == -1


def test_the_zone_and_the_offset_are_part_of_the_version():
    text = f"{STATE}triggers: {{t: {{every: day + 9h}}}}\n"
    there = text.replace("plan: test", "plan: test\nzone: Europe/Berlin")
    later = text.replace("9h", "10h")
    versions = {program(one).triggers[0].version for one in (text, there, later)}
    assert len(versions) == 3


def test_check_shows_it():
    report = check_plan(load_plan(f"{STATE}triggers: {{t: {{every: month + 30d}}}}\n"))
    assert "trigger t looks at every user each month + 30d" in report.timers
    assert "schedules" in [line.name for line in report.memory]
