"""Random plans, as the dict of their YAML file, one strategy for each area of the kernel.

Small numbers on purpose: gaps, windows, lateness and the steps between events are of one size, so
that every boundary is met often. Conditions of `when` alone are such that an event can make them
true.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Plan = dict[str, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]

EVENTS = ("a", "b", "c")
WHERE = (
    "v > 1",
    "v <= 2",
    "not (v == 2)",
    "v != 1",
    "exists(g)",
    'g == "x"',
    'g != "x" and v >= 0',
    'g in ["x", "y"] or v == 3',
    'context.app == "web"',
    'user == "u1"',
    "v + 1 > 2",
    "v / 2 >= 1",
)
NUMERIC = ("sum", "min", "max", "avg", "quantile", "decay", "rate")
EVENT_ALONE = ("count", "time_since")  # read no property
DERIVED = ("session.start", "session.end", "s0.enters", "s0.leaves")


def ms(values: tuple[int, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from(values).map(lambda value: f"{value}ms")


@st.composite
def session_settings(draw: Draw) -> Plan:
    """Mostly gap and max alone; now and then events end sessions."""
    found = {"gap": draw(ms((5, 10, 30))), "max": draw(ms((10, 30, 60, 1000)))}
    kind = draw(st.integers(0, 7))
    if kind == 0:
        found["ends_on"] = draw(st.sampled_from(("b", "c", ["b", "c"])))
    elif kind == 1:
        found["ends_on"] = {"event": "b", "where": draw(st.sampled_from(WHERE))}
    return found


@st.composite
def frames(draw: Draw) -> Plan:
    """The parts that every plan has: sessions, time, an action to emit to."""
    return {
        "plan": "random",
        "sessions": draw(session_settings()),
        "time": {
            "lateness": draw(ms((0, 3, 10, 20))),
            "dedup": draw(ms((20, 1000))),
        },
        "actions": {"out": {"log": {}}},
    }


def names(derived: bool = False) -> st.SearchStrategy[Any]:
    one = st.sampled_from(EVENTS + (DERIVED if derived else ()))
    several = st.lists(one, min_size=2, max_size=2, unique=True)
    return st.one_of(one, one, one, several, st.just("*"))


@st.composite
def occasions(draw: Draw, derived: bool = False) -> Any:
    """An event as a rule names it, with or without `where`."""
    event = draw(names(derived))
    if draw(st.integers(0, 3)) == 0 and "." not in str(event):
        return {"event": event, "where": draw(st.sampled_from(WHERE))}
    return event


@st.composite
def overs(draw: Draw, kinds: tuple[str, ...], resets: tuple[str, ...] = EVENTS) -> Any:
    kind = draw(st.sampled_from(kinds))
    if kind == "hopping":
        every = draw(st.sampled_from((5, 10)))
        return {"hopping": f"{every * draw(st.sampled_from((2, 3)))}ms", "every": f"{every}ms"}
    if kind == "since":
        return {
            "since": draw(st.sampled_from((*resets, ["b", "c"]) if len(resets) > 2 else resets))
        }
    return {kind: draw(ms((5, 10, 20)))} if kind in {"sliding", "tumbling"} else kind


SIZED = ("tumbling", "hopping", "sliding")
ALL_OVERS = ("session", "tumbling", "hopping", "sliding", "lifetime", "since")
SKETCHES = ("distinct", "quantile", "top")
TIMED = ("decay", "rate", "time_since")
ALL_AGGREGATES = ("count", "sum", "min", "max", "avg", "first", "last", "list")


@st.composite
def features(
    draw: Draw,
    overs_: tuple[str, ...] = ALL_OVERS,
    aggregates: tuple[str, ...] = ALL_AGGREGATES,
    grouped: bool = False,
    derived: bool = False,
    rises: bool = False,
) -> Plan:
    """A stored feature; with `rises` an event that it counts is not its reset."""
    aggregate = draw(st.sampled_from(aggregates))
    event = draw(st.sampled_from(EVENTS + (DERIVED if derived else ())))
    entry: Plan = {}
    if aggregate in EVENT_ALONE or (aggregate in ("decay", "rate") and draw(st.booleans())):
        entry[aggregate] = draw(names(derived))
    else:
        value = "v" if aggregate in NUMERIC else draw(st.sampled_from(("v", "g")))
        entry[aggregate] = f"{event}.{value}"
    if aggregate in ("list", "top"):
        entry["max"] = draw(st.integers(1, 4))
    if aggregate == "quantile":
        entry["q"] = draw(st.sampled_from((0.1, 0.5, 0.9)))
    if aggregate == "decay":
        entry["half_life"] = draw(ms((5, 10, 40)))
    if aggregate == "rate":
        overs_ = tuple(kind for kind in overs_ if kind in SIZED) or SIZED
    if draw(st.integers(0, 3)) == 0 and "session." not in str(entry) and "s0." not in str(entry):
        entry["where"] = draw(st.sampled_from(WHERE))
    if grouped:
        entry["by"] = "g"
        if draw(st.integers(0, 3)) == 0:
            entry["by_max"] = 2
            overs_ = SIZED if aggregate == "rate" else ("lifetime", "since")
    counted = str(entry[aggregate])
    apart = tuple(name for name in EVENTS if name not in counted.replace(".", " "))
    entry["over"] = draw(overs(overs_, apart or ("b",) if rises else EVENTS))
    return entry


def emitted(plan: Plan, calendars: tuple[str, ...] = ()) -> Plan:
    """Every window, session and metric leaves."""
    windows = [
        name
        for name, entry in plan.get("features", {}).items()
        if isinstance(entry, dict)
        and isinstance(entry["over"], dict)
        and {"tumbling", "hopping"} & set(entry["over"])
    ]
    windows += [name for name in calendars if "calendar" in plan["features"][name]["over"]]
    emit: Plan = {"session": "out"}
    if windows:
        emit["window"] = dict.fromkeys(windows, "out")
    if plan.get("metrics"):
        emit["metric"] = dict.fromkeys(plan["metrics"], "out")
    return {**plan, "emit": emit}


@st.composite
def session_plans(draw: Draw) -> Plan:
    plan = draw(frames())
    plan["features"] = {
        "n": {"count": "*", "over": "session"},
        "l": {"list": "a.v", "max": 3, "over": "session"},
    }
    plan["triggers"] = {"each": {"event": "*", "values": ["n", "l"]}}
    return emitted(plan)


@st.composite
def aggregate_plans(
    draw: Draw,
    grouped: bool = False,
    over: tuple[str, ...] = ALL_OVERS,
    aggregates: tuple[str, ...] = ALL_AGGREGATES,
) -> Plan:
    """Features read at each event."""
    plan = draw(frames())
    some = draw(st.lists(features(over, aggregates, grouped=grouped), min_size=1, max_size=3))
    plan["features"] = {f"f{index}": entry for index, entry in enumerate(some)}
    event = draw(st.one_of(st.just("*"), st.just("*"), occasions()))
    plan["triggers"] = {"look": {"event": event, "values": list(plan["features"])}}
    return emitted(plan)


@st.composite
def risings(draw: Draw, plan: Plan) -> str:
    """A condition over the plan's counts that an event can make true."""
    count = draw(st.sampled_from([name for name in plan["features"] if name in {"n", "m"}]))
    parts = [f"{count} >= {draw(st.integers(1, 3))}"]
    kind = draw(st.integers(0, 4))
    if kind == 0:
        parts.append(f"{draw(st.sampled_from(EVENTS))}.v >= {draw(st.integers(0, 3))}")
    elif kind == 1:
        other = draw(st.sampled_from(list(plan["features"])))
        parts.append(f"exists({other})")
    return draw(st.sampled_from((" and ", " or "))).join(parts)


@st.composite
def when_plans(draw: Draw, grouped: bool = False) -> Plan:
    plan = draw(frames())
    plan["features"] = {"n": draw(features(aggregates=("count",), grouped=grouped, rises=True))}
    for index in range(draw(st.integers(0, 2))):
        plan["features"][f"f{index}"] = draw(features(grouped=grouped))
    if draw(st.booleans()) and not grouped:
        plan["features"]["m"] = draw(features(aggregates=("count",), rises=True))
        plan["features"]["twice"] = "2 * n + m"
    entry: Plan = {
        "when": draw(
            risings(
                {
                    "features": {
                        name: e for name, e in plan["features"].items() if isinstance(e, dict)
                    }
                }
            )
        )
    }
    if "twice" in plan["features"] and draw(st.booleans()):
        entry["when"] = f"twice > {draw(st.integers(1, 4))}"
    entry["fire"] = draw(st.sampled_from(("rise", "rise", "each", "once")))
    beside: Plan = {
        "event": draw(occasions()),
        "when": draw(st.sampled_from(("n >= 2", "not (n >= 2)", "n == 1"))),
    }
    for one in (entry, beside):
        if draw(st.integers(0, 3)) == 0:
            one["cooldown"] = draw(ms((5, 10, 20)))
        if draw(st.integers(0, 3)) == 0:
            one["values"] = list(plan["features"])
    plan["triggers"] = {"alone": entry, "beside": beside}
    return emitted(plan)


@st.composite
def step_events(draw: Draw, derived: bool) -> Any:
    """Mostly two names and seldom a condition, so that matches are frequent."""
    if draw(st.integers(0, 4)) == 0:
        return draw(occasions(derived))
    return draw(st.sampled_from(("a", "b", "a", "b", "c")))


@st.composite
def steps(draw: Draw, trailing: bool, derived: bool) -> list[Any]:
    found: list[Any] = [draw(step_events(derived))]
    for _ in range(draw(st.integers(0 if trailing else 1, 2))):
        found.append(draw(step_events(derived)))
    if trailing:
        last: Plan = {"not": draw(st.one_of(st.sampled_from(("b", "c", "d")), names(derived)))}
        if len(found) > 1 or draw(st.booleans()):
            last["for"] = draw(ms((5, 10, 20)))
        found.append(last)
    return found


@st.composite
def sequences(draw: Draw, trailing: bool, derived: bool = False) -> Plan:
    entry: Plan = {
        "sequence": draw(steps(trailing, derived)),
        "within": draw(ms((5, 10, 20, 40))),
    }
    if draw(st.integers(0, 3)) == 0 and not derived:
        entry["match"] = "g"
    if trailing:
        entry["timer"] = draw(st.sampled_from(("restart", "each", "keep")))
    else:
        kind = draw(st.integers(0, 3))
        if kind == 0:
            entry["strict"] = True
        elif kind == 1:
            entry["order"] = "event_time"
        elif kind == 2:
            entry["partial_max"] = draw(st.integers(1, 3))
    if draw(st.integers(0, 5)) == 0:
        entry["cooldown"] = draw(ms((5, 10, 20)))
    return entry


@st.composite
def sequence_plans(draw: Draw, trailing: bool) -> Plan:
    plan = draw(frames())
    some = draw(st.lists(sequences(trailing), min_size=3, max_size=5))
    plan["triggers"] = {f"t{index}": entry for index, entry in enumerate(some)}
    plan["features"] = {
        "n": draw(features(aggregates=("count",))),
        "w": draw(features(("tumbling", "hopping"), ("count",))),
    }
    for entry in plan["triggers"].values():
        kind = draw(st.integers(0, 5))
        if kind < 3:
            entry["values"] = ["n", "w"]
        elif kind == 3:
            entry["when"] = draw(st.sampled_from(("n >= 1", "w >= 1", "n <= 1")))
    return emitted(plan)


@st.composite
def segment_plans(draw: Draw, derived: bool = False) -> Plan:
    plan = draw(frames())
    windows = ("session", "tumbling", "hopping", "sliding", "lifetime", "since")
    plan["features"] = {
        "n": draw(features(windows, ("count",), rises=True)),
        "m": draw(features(windows, ("count", "sum", "max"), rises=True)),
    }
    plan["segments"] = {
        "s0": draw(st.sampled_from(("n >= 1", "n >= 2", "n == 1", "n >= 1 and not (m >= 2)"))),
        "s1": draw(st.sampled_from(("m >= 1", "m >= 2 or n >= 2", "s0 and m >= 1", "not s0"))),
    }
    plan["triggers"] = {
        "enters": {"event": ["s0.enters", "s1.enters"], "values": ["n", "m"]},
        "leaves": {"event": ["s0.leaves", "s1.leaves"]},
        "member": {"event": "a", "when": "s0 and not s1"},
        "joins": {"when": "s0", "values": ["s1"]},
    }
    if derived:
        plan["features"]["d"] = draw(features(ALL_OVERS, ("count",), derived=True))
        plan["triggers"]["d"] = {"event": draw(names(derived=True)), "values": ["d"]}
        plan["triggers"]["q"] = draw(sequences(draw(st.booleans()), derived=True))
    return emitted(plan)


@st.composite
def metric_plans(draw: Draw) -> Plan:
    plan = draw(frames())
    plan["metrics"] = {}
    for name in ("m0", "m1"):
        aggregate = draw(st.sampled_from(("count", "sum")))
        entry: Plan = {aggregate: draw(names()) if aggregate == "count" else "a.v"}
        if draw(st.integers(0, 2)) == 0:
            entry["where"] = draw(st.sampled_from(WHERE))
        plan["metrics"][name] = {**entry, "over": {"tumbling": draw(ms((10, 20)))}}
    if draw(st.booleans()):
        plan["metrics"]["m0"]["by"] = "g"
    when = draw(st.sampled_from(("m0 >= 2", "m0 == 0", "m0 < 2")))
    plan["triggers"] = {"t": {"when": when}}
    if draw(st.booleans()):
        plan["triggers"]["u"] = {
            "when": "m1 > m0" if "by" not in plan["metrics"]["m0"] else "m1 >= 1"
        }
    return emitted(plan)


@st.composite
def mixed_plans(draw: Draw) -> Plan:
    """One of each, in one plan."""
    plan = draw(when_plans())
    other = draw(segment_plans())
    plan["features"] |= {f"s_{name}": entry for name, entry in other["features"].items()}
    plan["segments"] = {"s0": "s_n >= 2"}
    plan["metrics"] = {"count_all": {"count": "*", "over": {"tumbling": "20ms"}}}
    plan["triggers"] |= {
        "order": draw(sequences(False)),
        "absence": draw(sequences(True)),
        "enters": {"event": "s0.enters"},
        "leaves": {"event": "s0.leaves", "cooldown": "10ms"},
    }
    return emitted(plan)


@st.composite
def silence_plans(draw: Draw) -> Plan:
    """Segments that time since an event decides."""
    plan = draw(frames())
    plan["features"] = {
        "idle": draw(features(("lifetime", "since"), ("time_since",))),
        "n": draw(features(ALL_OVERS, ("count",), rises=True)),
    }
    limit = draw(ms((0, 5, 10, 20)))
    sign = draw(st.sampled_from((">", ">=", "<", "<=", "==", "!=")))
    plan["segments"] = {
        "s0": f"idle {sign} {limit}",
        "s1": draw(st.sampled_from((f"{limit} < idle and n >= 1", "not s0", "s0 or n >= 2"))),
    }
    plan["triggers"] = {
        "enters": {"event": ["s0.enters", "s1.enters"], "values": ["idle", "n"]},
        "leaves": {"event": ["s0.leaves", "s1.leaves"], "values": ["idle"]},
        "member": {"event": "a", "when": "s0 and not s1"},
    }
    return emitted(plan)


CAPS = st.builds(lambda n, per: {"n": n, "per": per}, st.integers(1, 3), ms((5, 10, 20, 40)))
QUIET = st.builds(
    lambda times, then: {"from": times[0], "to": times[1], "then": then},
    st.sampled_from((("10ms", "30ms"), ("86399990ms", "25ms"), ("40ms", "45ms"), ("30ms", "0ms"))),
    st.sampled_from(("hold", "hold", "drop")),
)
PRIORITIES = st.sampled_from((0, 0, 1, 2, -1))
VARIANTS = st.sampled_from(
    ({"a": "100%"}, {"a": "50%", "b": "50%"}, {"a": "0.5%", "b": "49.5%", "c": "50%"})
)


@st.composite
def policies_of(draw: Draw) -> Plan:
    """Some policies, as a trigger or the defaults have them."""
    entry: Plan = {}
    for name, strategy in (
        ("cooldown", ms((5, 10, 20))),
        ("cap", CAPS),
        ("priority", PRIORITIES),
        ("control", st.sampled_from(("0%", "30%", "60%", "100%"))),
        ("variants", VARIANTS),
        ("expires", ms((1, 5, 15))),
        ("quiet_hours", QUIET),
    ):
        if draw(st.integers(0, 2)) == 0:
            entry[name] = draw(strategy)
    return entry


@st.composite
def policy_plans(draw: Draw) -> Plan:
    """Triggers of every kind that hold each other back."""
    plan = draw(mixed_plans())
    plan["policies"] = {**draw(policies_of()), "cooldown": draw(st.sampled_from(("off", "3ms")))}
    if draw(st.integers(0, 3)):
        plan["policies"]["contact_cap"] = draw(CAPS)
    plan["triggers"] |= {
        "all": {"event": "*"},
        "a": {"event": "a"},
        "open": {"event": "session.start"},
        "closed": {"event": "session.end"},
        "waits": draw(sequences(True)),
    }
    for entry in plan["triggers"].values():
        entry |= draw(policies_of())
        if draw(st.booleans()):
            entry["then"] = "out"
        if draw(st.integers(0, 2)) == 0:
            entry["slot"] = draw(st.sampled_from(("s", "s", "t")))
        if draw(st.integers(0, 5)) == 0:
            entry["mode"] = "shadow"
        if draw(st.integers(0, 3)) == 0:
            entry["cap"] = "off"
            entry["quiet_hours"] = "off"
    return plan
