"""Quiet hours by the clocks of a zone, and what waits for their end."""

from dataclasses import replace

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracle import leaving as oracle
from tests.oracle import plan as oracle_plan
from tests.unit.core.programs import EMPTY, actor_trigger

from augenblick import limits
from augenblick.binding.releases import Release
from augenblick.core.leaving import LeavingPolicies, quiet_until
from augenblick.plan.calendars import zone_offsets
from augenblick.plan.policy_rules import QuietHours, TriggerPolicies

MINUTE_ms = 60_000
HOUR_ms = 60 * MINUTE_ms
ZONES = ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kathmandu")
TIMES = st.integers(0, 24 * 4 - 1).map(lambda quarter: quarter * 15 * MINUTE_ms)
# around the changes of 2026 in these zones, and anywhere
INSTANTS = st.one_of(
    st.builds(lambda at, more: at + more, st.sampled_from((
        1_774_746_000_000, 1_792_890_000_000, 1_775_314_800_000, 1_791_041_400_000,
        1_772_947_800_000, 1_793_507_400_000,
    )), st.integers(-30 * HOUR_ms, 30 * HOUR_ms)),
    st.integers(0, 2_000_000_000_000),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ZONES), TIMES, TIMES, INSTANTS)
def test_quiet_hours_are_what_the_clocks_show(zone, from_ms, to_ms, at_ms):
    if from_ms == to_ms:
        return
    found = quiet_until(zone_offsets(zone), QuietHours(from_ms, to_ms, True), at_ms)
    clocks = oracle.ZoneInfo(zone)
    hours = oracle_plan.QuietHours(from_ms, to_ms, "hold")
    if not oracle.is_quiet(clocks, hours, at_ms):
        assert found is None
    else:
        assert found == oracle.quiet_end(clocks, hours, at_ms)


@pytest.mark.parametrize(
    ("at", "to_ms", "end"),
    [
        # 2026-03-29, Berlin: 02:00 is 03:00
        ("2026-03-28T23:30+01:00", 8 * HOUR_ms, "2026-03-29T08:00+02:00"),
        ("2026-03-29T01:59+01:00", 2 * HOUR_ms + 30 * MINUTE_ms, "2026-03-29T03:00+02:00"),
        # 2026-10-25, Berlin: 03:00 is 02:00 again
        ("2026-10-24T23:30+02:00", 8 * HOUR_ms, "2026-10-25T08:00+01:00"),
        ("2026-10-25T02:10+02:00", 2 * HOUR_ms + 30 * MINUTE_ms, "2026-10-25T02:30+02:00"),
        ("2026-10-25T02:10+01:00", 2 * HOUR_ms + 30 * MINUTE_ms, "2026-10-25T02:30+01:00"),
    ],
)
def test_the_nights_in_which_clocks_change(at, to_ms, end):
    from datetime import datetime

    def instant_ms(text):
        return int(datetime.fromisoformat(text).timestamp() * 1000)

    hours = QuietHours(22 * HOUR_ms, to_ms, True)
    assert quiet_until(zone_offsets("Europe/Berlin"), hours, instant_ms(at)) == instant_ms(end)


def firing(name: str, time_ms: int, fired_ms: int | None = None) -> Release:
    fired_ms = time_ms if fired_ms is None else fired_ms
    record = {"kind": "firing", "id": f"{name}@{time_ms}", "trigger": name, "time": time_ms}
    return Release.of({**record, "fired_at": fired_ms, "user": "ann"}, ["call"])


def policies(*, is_event_clock: bool = False, **rules: object) -> LeavingPolicies:
    trigger = replace(actor_trigger("t"), policies=TriggerPolicies(**rules))
    plain = actor_trigger("plain")
    program = replace(EMPTY, triggers=(trigger, plain), quiet_offsets=((0, 0),))
    return LeavingPolicies(program, is_event_clock=is_event_clock)


NIGHT = QuietHours(22 * HOUR_ms, 8 * HOUR_ms, True)
EVENING_ms, MORNING_ms = 23 * HOUR_ms, 32 * HOUR_ms


def test_what_is_held_leaves_in_the_morning_with_the_instant_at_which_it_left():
    gate = policies(quiet=NIGHT)
    assert gate.sift([firing("t", EVENING_ms), firing("plain", EVENING_ms)])[0].trigger == "plain"
    assert not gate.is_due(0, MORNING_ms - 1)
    assert gate.due(0, MORNING_ms - 1) == []
    assert gate.is_due(0, MORNING_ms + 7)
    (left,) = gate.due(0, MORNING_ms + 7)
    assert (left.key, left.record["fired_at"]) == (f"t@{EVENING_ms}", MORNING_ms + 7)
    assert left.plain["actions"] == ["call"]
    assert (len(gate), gate.due(0, 2**60)) == (0, [])


def test_on_the_event_clock_the_watermark_has_to_be_past_the_end():
    gate = policies(quiet=NIGHT, is_event_clock=True)
    assert gate.sift([firing("t", EVENING_ms)]) == []
    assert gate.due(MORNING_ms, 2**60) == []
    (left,) = gate.due(MORNING_ms + HOUR_ms, 0)
    assert left.record["fired_at"] == MORNING_ms


def test_an_engine_that_comes_back_in_the_next_night_holds_on():
    gate = policies(quiet=NIGHT)
    gate.sift([firing("t", EVENING_ms)])
    assert gate.due(0, EVENING_ms + 24 * HOUR_ms) == []
    assert len(gate) == 1
    assert len(gate.due(0, MORNING_ms + 24 * HOUR_ms)) == 1


def test_expiry_is_looked_at_when_it_leaves_and_again_in_the_morning():
    gate = policies(quiet=NIGHT, expires_ms=HOUR_ms)
    day_ms = 12 * HOUR_ms
    assert gate.lets_go(firing("t", day_ms, day_ms + HOUR_ms))
    assert not gate.lets_go(firing("t", day_ms, day_ms + HOUR_ms + 1))
    assert not gate.lets_go(firing("t", EVENING_ms))
    assert not gate.lets_go(firing("t", MORNING_ms - HOUR_ms))
    (left,) = gate.due(0, MORNING_ms)
    assert left.record["time"] == MORNING_ms - HOUR_ms
    assert gate.suppressed == {"t": {"expires": 2}}


def test_dropping_counts():
    gate = policies(quiet=replace(NIGHT, holds=False))
    assert gate.sift([firing("t", EVENING_ms), firing("t", MORNING_ms)])[0].key == f"t@{MORNING_ms}"
    assert (len(gate), gate.suppressed) == (0, {"t": {"quiet_hours": 1}})


def test_state_goes_over_and_what_has_left_is_forgotten():
    gate, heir = policies(quiet=NIGHT), policies(quiet=NIGHT)
    gate.sift([firing("t", EVENING_ms), firing("t", EVENING_ms + 1)])
    plain = [[ms, msgpack.unpackb(bytes(raw))] for ms, raw in gate.snapshot()]
    heir.restore(plain)
    heir.forget([f"t@{EVENING_ms}", "other"])
    assert [one.key for one in heir.due(0, MORNING_ms)] == [f"t@{EVENING_ms + 1}"]


def test_the_book_is_bounded(monkeypatch):
    monkeypatch.setattr(limits, "quiet_held_max", 1)
    gate = policies(quiet=NIGHT)
    assert gate.sift([firing("t", EVENING_ms), firing("t", EVENING_ms + 1)]) == []
    assert (len(gate), gate.suppressed) == (1, {"t": {"held_full": 1}})


def test_without_rules_nothing_is_unpacked():
    releases = [firing("plain", 0)]
    assert LeavingPolicies(EMPTY, is_event_clock=False).sift(releases) is releases


def test_a_full_night_leaves_in_steps():
    gate = policies(quiet=NIGHT)
    held = [firing("t", EVENING_ms + n) for n in range(5)]
    assert gate.sift(held) == []
    assert [len(gate.due(0, MORNING_ms, 2)) for _ in range(4)] == [2, 2, 1, 0]
    assert (len(gate), gate.is_due(0, MORNING_ms)) == (0, False)
