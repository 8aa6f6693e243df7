"""Calendar windows against the oracle: hours apart, around changes of the clock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.kernel_properties.plans import ALL_AGGREGATES, SKETCHES, TIMED, emitted, features
from tests.unit.kernel_properties.streams import streams
from tests.unit.kernel_properties.test_against_oracle import BATCHES, QUICK, assert_same

HOUR = 3_600_000
STARTS = {
    "Europe/Berlin": (1_774_569_600_000, 1_792_713_600_000),  # 27 March, 23 October 2026
    "Asia/Beirut": (1_711_700_000_000,),  # 29 March 2024: the clock leaps over midnight
    "America/Sao_Paulo": (1_518_700_000_000,),  # 15 February 2018: back at midnight
    "Pacific/Apia": (1_325_030_400_000,),  # 28 December 2011: no 30 December
    "UTC": (-2_208_988_800_000,),
}
AGGREGATES = tuple(name for name in (*ALL_AGGREGATES, *SKETCHES, *TIMED) if name != "rate")


@st.composite
def calendar_plans(draw: Any, zone: str) -> dict[str, Any]:
    counts = draw(features(("calendar",), ("count",)))
    counts["over"] = {"calendar": draw(st.sampled_from(("day", "week", "month")))}
    plan: dict[str, Any] = {
        "plan": "random", "zone": zone,
        "sessions": {"gap": "5h", "max": "30h"}, "time": {"lateness": "20h", "dedup": "30h"},
        "actions": {"out": {"log": {}}},
        "features": {"n": counts},
        "segments": {"s": "n >= 2"},
    }  # fmt: skip
    for index in range(2):
        one = draw(features(("calendar",), AGGREGATES, grouped=draw(st.booleans())))
        if one["over"] == "calendar":
            one["over"] = {"calendar": draw(st.sampled_from(("day", "week")))}
        if one.get("half_life"):
            one["half_life"] = "7h"
        plan["features"][f"f{index}"] = one
    plan["triggers"] = {
        "look": {"event": "*", "values": list(plan["features"])},
        "second": {"when": "n >= 2"},
        "absent": {"sequence": ["a", {"not": "b"}], "within": "10h", "values": ["n"]},
        "changes": {"event": ["s.enters", "s.leaves"], "values": ["n"]},
    }
    return emitted(plan, ("n", "f0", "f1"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("zone", STARTS)
def test_calendars_equal_the_oracle(zone: str) -> None:
    @QUICK
    @given(calendar_plans(zone), streams(20), st.sampled_from(STARTS[zone]), BATCHES)
    def check(plan: dict[str, Any], events: list[Any], start: int, batch: int | None) -> None:
        base = min(event["time"] for event in events)
        for event in events:
            event["time"] = start + min(event["time"] - base, 900) * HOUR
        assert_same(plan, events, True, batch)

    check()
