"""Random plans with occasions by time: `at` and `every`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from tests.unit.kernel_properties.plans import (
    ALL_OVERS,
    EVENTS,
    Plan,
    emitted,
    features,
    frames,
    ms,
    sequences,
)

Draw = Callable[[st.SearchStrategy[Any]], Any]
ZONES = ("UTC", "Europe/Berlin", "Asia/Beirut", "America/Sao_Paulo", "Pacific/Apia")
SCHEDULES = (
    "day", "day + 9h", "day + 24h", "day + 150m", "day + 30m", "week", "week + 1d + 12h",
    "month", "month + 30d", "month + 28d + 9h", "month + 31d",
)  # fmt: skip


@st.composite
def times(draw: Draw, grouped: bool) -> Plan:
    """A feature that is a time; an event's own, so that it lies near the stream's."""
    aggregate = draw(st.sampled_from(("last", "last", "first", "max", "min")))
    entry: Plan = {aggregate: f"{draw(st.sampled_from(EVENTS))}.time"}
    if draw(st.integers(0, 3)) == 0:
        entry["where"] = draw(st.sampled_from(("v > 1", "exists(g)")))
    entry["over"] = draw(st.sampled_from(("lifetime", {"since": "c"}, {"since": ["b", "c"]})))
    if grouped:
        entry["by"] = "g"
        if draw(st.integers(0, 2)) == 0:
            entry["by_max"] = 2
    return entry


@st.composite
def at_plans(draw: Draw, grouped: bool = False) -> Plan:
    plan = draw(frames())
    plan["features"] = {
        "t": draw(times(grouped)),
        "s": draw(times(grouped and draw(st.booleans()))),
        "lag": {"last": "b.v", "over": "lifetime"},
        "n": draw(features(ALL_OVERS, ("count",), grouped=grouped)),
    }
    plan["segments"] = {"s0": "lag >= 1"}
    moments = ("t", "t + 5ms", "t + 10ms", "t - 5ms", "t + 20ms", "t + lag * 5", "min(t, s) + 5ms")
    plan["triggers"] = {}
    for index in range(draw(st.integers(1, 3))):
        entry: Plan = {"at": draw(st.sampled_from(moments))}
        if draw(st.integers(0, 3)) == 0:
            entry["past"] = "skip"
        kind = draw(st.integers(0, 5))
        if kind < 3:
            entry["when"] = draw(st.sampled_from(("n >= 1", "n == 0", "s0", "not s0 or n >= 2")))
        if kind % 2:
            entry["values"] = ["n", "t"]
        if draw(st.integers(0, 4)) == 0:
            entry["cooldown"] = draw(ms((5, 10, 20)))
        plan["triggers"][f"at{index}"] = entry
    plan["triggers"]["absence"] = draw(sequences(True))
    return emitted(plan)


@st.composite
def schedule_plans(draw: Draw, zone: str, grouped: bool = False) -> Plan:
    """Hours apart, as `every` is; what the features are over is hours too."""
    plan: Plan = {
        "plan": "random", "zone": zone,
        "sessions": {"gap": draw(st.sampled_from(("5h", "30h"))), "max": "90h"},
        "time": {"lateness": draw(st.sampled_from(("0ms", "3h", "20h"))), "dedup": "30h"},
        "actions": {"out": {"log": {}}},
        "features": {},
    }  # fmt: skip
    overs = ("lifetime", "session", {"sliding": "24h"}, {"sliding": "7h"}, {"tumbling": "12h"},
             {"calendar": "day"}, {"calendar": "month"}, {"since": "c"})  # fmt: skip
    for name in ("n", "m"):
        entry: Plan = {"count": draw(st.sampled_from(("a", "b", ["a", "b"], "*")))}
        if name == "m" and draw(st.booleans()):
            entry = {"sum": "a.v"}
        entry["over"] = draw(st.sampled_from(overs))
        if grouped and (name == "n" or draw(st.booleans())):
            entry["by"] = "g"
        plan["features"][name] = entry
    plan["triggers"] = {}
    conditions = ("n >= 1", "n == 0", "n >= 1 and m >= 2", "m > n", "not (n >= 2)")
    for index in range(draw(st.integers(1, 3))):
        entry = {"every": draw(st.sampled_from(SCHEDULES))}
        if draw(st.integers(0, 4)):
            entry["when"] = draw(st.sampled_from(conditions))
        if draw(st.booleans()):
            entry["values"] = ["n", "m"]
        if draw(st.integers(0, 4)) == 0:
            entry["cooldown"] = draw(st.sampled_from(("20h", "40h")))
        plan["triggers"][f"every{index}"] = entry
    plan["triggers"]["absence"] = {"sequence": ["a", {"not": "b"}], "within": "12h"}
    return emitted(plan)
