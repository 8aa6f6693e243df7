"""What one event costs the kernel as a plan or its traffic grows: one line for each point.

Each curve is a process of its own and grows one thing; the rest stays. `idle_triggers` are rules
that no event touches: they are to cost nothing.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from augenblick import Plan, UsageError
from augenblick_bench.harness.cost import Workload, measure
from augenblick_bench.harness.events import Traffic
from augenblick_bench.harness.report import Result
from augenblick_bench.harness.scenario import Options, Scenario
from augenblick_bench.plans import REFERENCE, load

BASE_MS = 1_700_000_000_000
EVENTS = 200_000
USERS = 20_000
MAIN_TRAFFIC = Traffic(USERS, BASE_MS, 1_000.0, quick_share=0.005)
SESSIONS = {"sessions": {"gap": "30m"}, "time": {"lateness": "5s"}}
WINDOWS = ({"tumbling": "1m"}, {"hopping": "1h", "every": "5m"}, {"sliding": "1h"}, "session")


def plan_of(**parts: Any) -> Plan:
    """A plan of sessions and these parts."""
    return Plan.model_validate({"plan": "curve", **SESSIONS, **parts})


def with_features(count: int) -> Workload:
    """Every view feeds all of them: counts and sums, in four kinds of window."""
    features = {}
    for index in range(count):
        rule = {"sum": "view.price"} if index // 4 % 2 else {"count": ["view", "purchase"]}
        features[f"f{index}"] = {**rule, "over": WINDOWS[index % 4], "where": f"time > {index}"}
    return Workload(plan_of(features=features), MAIN_TRAFFIC, EVENTS)


def with_triggers(count: int) -> Workload:
    """Every view asks the condition of each of them; none fires."""
    triggers = {
        f"t{index}": {"event": "view", "where": f"price > {2_000 + index}"}
        for index in range(count)
    }
    return Workload(plan_of(triggers=triggers), MAIN_TRAFFIC, EVENTS)


def idle_triggers(count: int) -> Workload:
    """One trigger that views touch beside `count` that wait for events which never come."""
    features, triggers = {}, {"seen": {"event": "view", "where": "price > 2000"}}
    for index in range(count):
        name = f"unseen{index}"
        if index % 4 == 0:
            rule: dict[str, Any] = {"event": name, "where": f"price > {index}"}
        elif index % 4 == 1:
            rule = {"sequence": [name, f"{name}b"], "within": "10m"}
        elif index % 4 == 2:
            rule = {"sequence": [name, {"not": f"{name}b"}], "within": "10m"}
        else:
            features[f"f{index}"] = {"count": name, "over": {"sliding": "1h"}}
            rule = {"when": f"f{index} >= 3"}
        triggers[f"t{index}"] = rule
    return Workload(plan_of(features=features, triggers=triggers), MAIN_TRAFFIC, EVENTS)


def with_groups(count: int) -> Workload:
    """So many articles a user, views counted by article in the session; 64 groups are kept."""
    features = {"seen": {"count": "view", "by": "sku", "by_max": 64, "over": "session"}}
    warm = {"views": min(count, 16), "purchases": 0}
    traffic = replace(MAIN_TRAFFIC, users=2_000, articles=count)
    return Workload(plan_of(features=features), traffic, EVENTS, warm)


def with_users(count: int) -> Workload:
    """So many users with state, under the reference plan."""
    return Workload(load(REFERENCE), replace(MAIN_TRAFFIC, users=count), EVENTS)


def with_behind(percent: int) -> Workload:
    """So many events of a hundred up to 4.5 s out of order, under the reference plan."""
    traffic = replace(MAIN_TRAFFIC, behind_share=percent / 100)
    return Workload(load(REFERENCE), traffic, EVENTS)


@dataclass(frozen=True)
class Curve:
    """What grows (`axis`), how it is set up, and the points."""

    axis: str
    make: Callable[[int], Workload]
    points: tuple[int, ...]


CURVES = {
    "features": Curve("features that an event feeds", with_features, (0, 1, 2, 4, 8, 16, 32, 64)),
    "triggers": Curve("triggers that an event asks", with_triggers, (0, 1, 4, 16, 64, 256, 1_000)),
    "idle_triggers": Curve("triggers nobody touches", idle_triggers, (0, 10, 100, 300, 1_000)),
    "users": Curve("users", with_users, (100, 1_000, 10_000, 100_000, 1_000_000)),
    "groups": Curve("groups a user has", with_groups, (1, 2, 4, 8, 16, 32, 64, 128)),
    "behind": Curve("% of the events out of order", with_behind, (0, 1, 5, 20, 50, 100)),
}


class Curves(Scenario):
    """All curves."""

    description = "kernel cost of an event against features, triggers, users, groups, disorder"
    is_default = False

    def run(self, options: Options) -> Iterator[Result]:
        """A result for each point."""
        if options.users:
            raise UsageError("curves has users of its own")
        context = multiprocessing.get_context("spawn")
        for name, curve in CURVES.items():
            with context.Pool(1) as pool:
                for x in curve.points:
                    yield pool.apply(point, (name, x))


def point(name: str, x: int) -> Result:
    """One point of a curve."""
    curve = CURVES[name]
    work = curve.make(x)
    cost = measure(work)
    facts = {
        "curve": name,
        "axis": curve.axis,
        "x": x,
        "ns_per_event": round(cost.ns_per_event, 1),
        "ns_per_event_best": round(cost.ns_per_event_best, 1),
        "firings": cost.firings,
    }
    variant = f"{name} {x:,}"
    return Result("curves", variant, cost.events, cost.seconds, {"kernel": cost.cpu_s}, facts=facts)


SCENARIO = Curves()
