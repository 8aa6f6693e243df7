"""`every` against the oracle: hours and days apart, around changes of the clock."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import engine_under_test
from tests.unit.kernel_properties.streams import streams
from tests.unit.kernel_properties.test_against_oracle import BATCHES, QUICK, assert_same
from tests.unit.kernel_properties.test_calendars import HOUR, STARTS
from tests.unit.kernel_properties.timed_plans import schedule_plans


def spread_out(events: list[Any], start: int, step: int) -> list[Any]:
    """The same stream with hours for milliseconds."""
    base = min(event["time"] for event in events)
    return [{**event, "time": start + min(event["time"] - base, 400) * step} for event in events]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("grouped", [False, True], ids=["whole", "groups"])
@pytest.mark.parametrize("zone", STARTS)
def test_schedules_equal_the_oracle(zone: str, grouped: bool) -> None:
    @QUICK
    @given(
        schedule_plans(zone, grouped), streams(20), st.sampled_from(STARTS[zone]),
        st.sampled_from((HOUR, 3 * HOUR)), st.booleans(), BATCHES,
    )  # fmt: skip
    def check(
        plan: dict[str, Any], events: list[Any], start: int, step: int, drain: bool,
        batch: int | None,
    ) -> None:  # fmt: skip
        assert_same(plan, spread_out(events, start, step), drain, batch)

    check()


@pytest.mark.timeout(600)
def test_batches_change_no_byte() -> None:
    @settings(QUICK, max_examples=10)
    @given(schedule_plans("Europe/Berlin", True), streams(20), st.booleans())
    def check(plan: dict[str, Any], events: list[Any], drain: bool) -> None:
        events = spread_out(events, STARTS["Europe/Berlin"][0], HOUR)
        lines = [json.dumps(event).encode() for event in events]
        text = json.dumps(plan, indent=1)
        printed = [
            json.dumps(engine_under_test.run(text, lines, drain=drain, batch_events=n))
            for n in (None, 1, 2, 7)
        ]
        assert printed[1:] == printed[:1] * 3

    check()
