"""Random plans about sequences: repeats, negations between steps, conditions on earlier steps."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from tests.unit.kernel_properties.plans import Draw, Plan, emitted, features, frames, ms

NAMES = ("a", "a", "b", "b", "c")
OTHERS = ("==", "!=", "<", ">=")


@st.composite
def positive(draw: Draw, before: list[str], is_last: bool) -> Any:
    """A step: mostly a name, often with repeats, a condition on itself or on an earlier step."""
    name = draw(st.sampled_from(NAMES))
    entry: Plan = {"event": name}
    kind = draw(st.integers(0, 5))
    if kind < 2 and before:
        other, sign = draw(st.sampled_from(before)), draw(st.sampled_from(OTHERS))
        field = draw(st.sampled_from(("v", "v", "g", "time", "user")))
        entry["where"] = f"{field} {sign} {other}.{field}"
        if draw(st.integers(0, 3)) == 0:
            entry["where"] = f"v + 1 > {other}.v and {entry['where']}"
    elif kind == 2:
        entry["where"] = draw(st.sampled_from(("v > 1", "v <= 2", "exists(g)")))
    if draw(st.integers(0, 2)) == 0:
        least = draw(st.integers(1, 3))
        most = least if is_last else least + draw(st.integers(0, 2))
        entry["times"] = least if least == most else {"min": least, "max": most}
    return name if len(entry) == 1 else entry


@st.composite
def negation(draw: Draw, before: list[str]) -> Any:
    name = draw(st.sampled_from(("b", "c", "d", ["c", "d"])))
    if draw(st.integers(0, 2)) == 0 and isinstance(name, str):
        other, sign = draw(st.sampled_from(before)), draw(st.sampled_from(OTHERS))
        return {"not": {"event": name, "where": f"v {sign} {other}.v"}}
    return {"not": name}


@st.composite
def steps(draw: Draw, trailing: bool) -> list[Any]:
    count = draw(st.integers(1 if trailing else 2, 3))
    found: list[Any] = []
    before: list[str] = []
    for index in range(count):
        found.append(draw(positive(before, index == count - 1)))
        before.append(found[-1] if isinstance(found[-1], str) else found[-1]["event"])
        if index < count - 1 and draw(st.integers(0, 2)) == 0:
            found.append(draw(negation(before)))
            if draw(st.integers(0, 4)) == 0:
                found.append(draw(negation(before)))
    if trailing:
        found.append({"not": draw(st.sampled_from(("b", "c", "d"))), "for": draw(ms((5, 10, 20)))})
    return found


@st.composite
def step_plans(draw: Draw) -> Plan:
    plan = draw(frames())
    plan["features"] = {"n": draw(features(aggregates=("count",)))}
    plan["triggers"] = {}
    for index in range(draw(st.integers(2, 4))):
        trailing = draw(st.booleans())
        entry: Plan = {"sequence": draw(steps(trailing)), "within": draw(ms((10, 20, 40, 100)))}
        if draw(st.integers(0, 3)) == 0:
            entry["match"] = "g"
        if trailing:
            entry["timer"] = draw(st.sampled_from(("restart", "each", "keep")))
        kind = draw(st.integers(0, 5))
        if kind == 0:
            entry["strict"] = True
        elif kind == 1 and not trailing:
            entry["order"] = "event_time"
        elif kind == 2:
            entry["partial_max"] = draw(st.integers(1, 3))
        if draw(st.integers(0, 3)) == 0:
            entry["values"] = ["n"]
        plan["triggers"][f"t{index}"] = entry
    return emitted(plan)
