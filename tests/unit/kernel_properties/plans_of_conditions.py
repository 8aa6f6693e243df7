"""Random plans about conditions: reductions over groups, clocks of a zone, distances."""

from __future__ import annotations

from hypothesis import strategies as st
from tests.unit.kernel_properties.plans import (
    ALL_AGGREGATES,
    Draw,
    Plan,
    emitted,
    features,
    frames,
    ms,
    names,
    overs,
)  # fmt: skip

REDUCED = (
    "max(n) >= 2",
    "min(n) >= 2",
    "sum(n) >= 3",
    "any(n == 2)",
    "any(n >= 2 and not exists(m))",
    "max(both) > 3",
    "sum(n) > 2 * max(n)",
    "any(n > min(n))",
    "max(m) > sum(n)",
)
CLOCKS = (
    "hour(time) >= 12",
    "weekday(time) in [1, 2, 7]",
    "days_since(v) > 100",
    "hour(time + v * 1h) < 6",
    "weekday(v) == 4",
    "distance_km(v, 2, 1, v) < 200",
    "exists(distance_km(90 * v, 0, 0, 0))",
    "round(v) == 2 or abs(v) == 1",
    "exists(hour(v))",
)
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia")


@st.composite
def reduction_plans(draw: Draw) -> Plan:
    """Grouped features reduced in `when`, beside an occasion, in a segment and in an expression."""
    plan = draw(frames())
    windows = ("session", "tumbling", "hopping", "sliding", "lifetime", "since")
    plan["features"] = {
        "n": draw(features(windows, ("count",), grouped=True, rises=True)),
        "m": draw(features(windows, ALL_AGGREGATES[:7], grouped=True)),
        "both": "n + 2 * m",
        "most": "max(n)",
    }
    if draw(st.integers(0, 3)) == 0:
        plan["segments"] = {"s0": draw(st.sampled_from(("max(n) >= 2", "sum(n) == 1", "most > 1")))}
        plan["triggers"] = {"s": {"event": ["s0.enters", "s0.leaves"], "values": ["n", "most"]}}
    else:
        plan["triggers"] = {}
    alone = draw(st.sampled_from(REDUCED))
    plan["triggers"]["alone"] = {
        "when": alone, "fire": draw(st.sampled_from(("rise", "each"))), "values": ["both"],
    }  # fmt: skip
    plan["triggers"]["beside"] = {
        "event": draw(names()), "when": draw(st.sampled_from((*REDUCED, "n == max(n)"))),
        "values": ["n", "m", "most"],
    }  # fmt: skip
    return emitted(plan)


@st.composite
def baseline_plans(draw: Draw) -> Plan:
    """Thresholds that are the user's own attribute or what is usual for the user."""
    plan = draw(frames())
    windows = ("tumbling", "hopping", "sliding", "lifetime")
    plan["features"] = {
        "value": {"last": "a.v", "by": "g", "over": "lifetime"},
        "limit": {"last": "b.v", "by": "g", "over": "lifetime"},
        "now": {"sum": "a.v", "over": draw(overs(windows))},
        "usual": {draw(st.sampled_from(("avg", "max"))): "a.v", "over": draw(overs(windows))},
    }
    fire = st.sampled_from(("rise", "rise", "each", "once"))
    plan["triggers"] = {
        "below": {"when": "value < limit", "fire": draw(fire)},
        "above": {"when": "value > limit and limit > 0", "cooldown": draw(ms((5, 20)))},
        "spike": {"when": f"now > {draw(st.sampled_from((1, 2)))} * usual", "fire": draw(fire)},
        "any": {"when": "any(value < limit)", "fire": draw(fire)},
    }
    return emitted(plan)


@st.composite
def clock_plans(draw: Draw) -> Plan:
    """Clocks and distances in `where`, in `when` and over kept times."""
    plan = draw(frames())
    plan["zone"] = draw(st.sampled_from(ZONES))
    plan["features"] = {
        "n": {"count": "*", "where": draw(st.sampled_from(CLOCKS)), "over": "lifetime"},
        "at": {"last": "a.v", "over": "lifetime"},
        "day": "days_since(at)",
        "h": "hour(at + 7h)",
    }
    plan["triggers"] = {
        "w": {"event": "*", "where": draw(st.sampled_from(CLOCKS)), "values": ["n", "day", "h"]},
        "d": {"event": "b", "when": draw(st.sampled_from(("days_since(at) >= 1", "h < 12")))},
    }
    return emitted(plan)
