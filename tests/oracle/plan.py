"""The plan's dict as plain dataclasses.

It is taken as right: refusing mistakes is the plan reader's own subject.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.oracle import conditions
from tests.oracle.conditions import parse_duration

AGGREGATES = (
    "count", "sum", "min", "max", "avg", "first", "last", "list",
    "distinct", "quantile", "top", "decay", "rate", "time_since",
)  # fmt: skip
WINDOWS = ("tumbling", "hopping", "calendar", "sliding", "since")
DAY_ms = 86_400_000


@dataclass(frozen=True)
class Selector:
    """Which events: names (None: all that are not derived) and a condition on their fields."""

    names: tuple[str, ...] | None
    where: str | None = None


@dataclass(frozen=True)
class Feature:
    name: str
    aggregate: str
    selector: Selector
    value: str | None  # a name in the sense of `where`, or None: the event itself
    window: str  # session, lifetime, since, sliding, tumbling, hopping, calendar
    size_ms: int = 0
    every_ms: int = 0
    reset: Selector | None = None
    by: str | None = None
    by_max: int = 64
    list_max: int = 0
    q: float = 0.0
    half_life_ms: int = 0
    calendar: tuple[str, str] | None = None  # zone and unit


@dataclass(frozen=True)
class Cap:
    """At most so many firings in any stretch of this length."""

    firings: int
    per_ms: int


@dataclass(frozen=True)
class QuietHours:
    """Times of day since midnight."""

    from_ms: int
    to_ms: int
    then: str


@dataclass(frozen=True)
class Step:
    selector: Selector
    negated: bool = False
    for_ms: int | None = None
    times: tuple[int, int] = (1, 1)  # how many events, at least and at most


@dataclass(frozen=True)
class Trigger:
    name: str
    kind: str  # when, event, sequence, at, every, metric
    when: str | None
    selector: Selector | None = None
    fire: str = "rise"
    steps: tuple[Step, ...] = ()
    within_ms: int | None = None
    match: str | None = None
    timer: str = "restart"
    strict: bool = False
    order: str = "arrival"
    partial_max: int = 64
    cooldown_ms: int = 0
    values: tuple[str, ...] = ()
    mode: str = "live"
    has_action: bool = False
    cap: Cap | None = None
    priority: int = 0
    slot: str | None = None
    expires_ms: int = 0
    quiet: QuietHours | None = None
    control: int = 0  # hundredths of a percent, as the sizes of the variants
    variants: dict[str, int] = field(default_factory=dict)
    at: str = ""  # TIME
    past_skipped: bool = False
    every: tuple[str, int] | None = None  # unit and offset

    @property
    def ends_in_not(self) -> bool:
        return bool(self.steps) and self.steps[-1].negated

    @property
    def event_time(self) -> bool:
        """Whether its events wait for the clock and are taken in the order of their times."""
        return self.ends_in_not or self.strict or self.order == "event_time"


@dataclass
class Plan:
    gap_ms: int
    max_ms: int
    lateness_ms: int
    dedup_ms: int
    events: dict[str, dict[str, str]] | None
    unknown_events: str
    zone: str = "UTC"
    ends_on: Selector | None = None
    features: dict[str, Feature] = field(default_factory=dict)
    expressions: dict[str, str] = field(default_factory=dict)
    segments: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Feature] = field(default_factory=dict)
    metric_expressions: dict[str, str] = field(default_factory=dict)
    triggers: list[Trigger] = field(default_factory=list)
    policies: dict[str, Any] = field(default_factory=dict)
    contact_cap: Cap | None = None


def read_plan(document: dict[str, Any]) -> Plan:
    """The whole plan; triggers with `mode: off` are left out."""
    sessions, time = document.get("sessions", {}), document.get("time", {})
    plan = Plan(
        gap_ms=parse_duration(sessions.get("gap", "30m")),
        max_ms=parse_duration(sessions.get("max", "12h")),
        lateness_ms=parse_duration(time.get("lateness", "5s")),
        dedup_ms=parse_duration(time.get("dedup", "10m")),
        events=document.get("events"),
        unknown_events=document.get("unknown_events", "accept"),
        zone=document.get("zone", "UTC"),
        ends_on=_selector(sessions["ends_on"]) if "ends_on" in sessions else None,
        segments=dict(document.get("segments", {})),
        policies=document.get("policies", {}),
    )
    plan.contact_cap = _cap(plan.policies.get("contact_cap"))
    derived = {"session.start", "session.end"}
    derived |= {f"{name}.{change}" for name in plan.segments for change in ("enters", "leaves")}
    declared = derived | set(plan.events or {})
    for name, entry in document.get("features", {}).items():
        if isinstance(entry, dict):
            plan.features[name] = _feature(name, entry, declared, plan.zone)
        else:
            plan.expressions[name] = str(entry)
    for name, entry in document.get("metrics", {}).items():
        if isinstance(entry, dict):
            plan.metrics[name] = _feature(name, entry, declared, plan.zone)
        else:
            plan.metric_expressions[name] = str(entry)
    for name, entry in document.get("triggers", {}).items():
        if entry.get("mode") != "off":
            plan.triggers.append(_trigger(name, entry, plan))
    return plan


def _selector(entry: Any, where: str | None = None) -> Selector:
    if isinstance(entry, dict):
        return _selector(entry["event"], entry.get("where"))
    if entry == "*":
        return Selector(None, where)
    return Selector((entry,) if isinstance(entry, str) else tuple(entry), where)


def _event_and_value(text: Any, declared: set[str]) -> tuple[Any, str | None]:
    """`EVENT.property` split into both; a text that names an event is the event."""
    if not isinstance(text, str) or text in declared or "." not in text:
        return text, None
    event, name = text.rsplit(".", 1)
    for scope in ("props", "context"):
        if event.endswith("." + scope):
            return event.removesuffix("." + scope), f"{scope}.{name}"
    own = name in {"user", "time", "session", "event"}
    return event, name if own else f"props.{name}"


def _feature(name: str, entry: dict[str, Any], declared: set[str], zone: str) -> Feature:
    others = [key for key in AGGREGATES if key in entry and key != "max"]
    aggregate = others[0] if others else "max"  # beside `list` and `top`, `max` is an option
    if "of" in entry:
        event: Any = entry["of"]
        value: str | None = f"props.{entry[aggregate]}"
    else:
        event, value = _event_and_value(entry[aggregate], declared)
    over = entry.get("over", "lifetime")
    window, size_ms, every_ms = str(over), 0, 0
    reset: Selector | None = None
    calendar: tuple[str, str] | None = None
    if isinstance(over, dict):
        window = next(key for key in WINDOWS if key in over)
        if window == "calendar":
            calendar = (zone, over[window])
        elif window == "since":
            reset = _selector(over["since"])
        else:
            size_ms = parse_duration(over[window])
            every_ms = parse_duration(over.get("every", size_ms))
    return Feature(
        name=name, aggregate=aggregate, selector=_selector(event, entry.get("where")), value=value,
        window=window, size_ms=size_ms, every_ms=every_ms, reset=reset, by=entry.get("by"),
        by_max=entry.get("by_max", 64),
        list_max=entry.get("max", {"top": 10}.get(aggregate, 0)) if others else 0,
        q=entry.get("q", 0.0), half_life_ms=parse_duration(entry.get("half_life", 0)),
        calendar=calendar,
    )  # fmt: skip


def _step(entry: Any) -> Step:
    if isinstance(entry, dict) and "not" in entry:
        for_ms = parse_duration(entry["for"]) if "for" in entry else None
        return Step(_selector(entry["not"], entry.get("where")), True, for_ms)
    times = entry.get("times", 1) if isinstance(entry, dict) else 1
    if isinstance(times, dict):
        return Step(_selector(entry), times=(times["min"], times["max"]))
    return Step(_selector(entry), times=(times, times))


def _cap(entry: Any) -> Cap | None:
    if entry is None or entry == "off":
        return None
    return Cap(entry["n"], parse_duration(entry["per"]))


def _quiet(entry: Any) -> QuietHours | None:
    if entry is None or entry == "off":
        return None
    from_ms, to_ms = parse_duration(entry["from"]), parse_duration(entry["to"])
    return QuietHours(from_ms, to_ms % DAY_ms, entry.get("then", "hold"))


def _share(text: str) -> int:
    return round(float(text.removesuffix("%")) * 100)


def _trigger(name: str, entry: dict[str, Any], plan: Plan) -> Trigger:
    when = str(entry["when"]) if "when" in entry else None
    if any(key in entry for key in ("sequence", "at", "every")):
        kind = next(key for key in ("sequence", "at", "every") if key in entry)
    elif "event" in entry:
        kind = "event"
    else:
        metrics = {*plan.metrics, *plan.metric_expressions}
        kind = "metric" if metrics & set(conditions.names(str(when))) else "when"
    within = entry.get("within")
    per_user = {} if kind == "metric" else {**plan.policies, **entry}
    cooldown = {**plan.policies, **entry}.get("cooldown", 0)
    variants = per_user.get("variants", {})
    expires = per_user.get("expires", "off")
    return Trigger(
        name=name, kind=kind, when=when,
        selector=_selector(entry["event"], entry.get("where")) if kind == "event" else None,
        fire=entry.get("fire", "rise"),
        steps=tuple(_step(step) for step in entry.get("sequence", [])),
        within_ms=None if within is None else parse_duration(within),
        match=entry.get("match"), timer=entry.get("timer", "restart"),
        strict=entry.get("strict", False), order=entry.get("order", "arrival"),
        partial_max=entry.get("partial_max", 64),
        cooldown_ms=0 if cooldown == "off" else parse_duration(cooldown),
        values=tuple(entry.get("values", ())), mode=entry.get("mode", "live"),
        has_action=bool(entry.get("then")), cap=_cap(per_user.get("cap")),
        priority=per_user.get("priority", 0), slot=entry.get("slot"),
        expires_ms=0 if expires == "off" else parse_duration(expires),
        quiet=_quiet(per_user.get("quiet_hours")),
        control=_share(per_user.get("control", "0%")),
        variants={} if variants == "off" else {one: _share(variants[one]) for one in variants},
        at=str(entry.get("at", "")), past_skipped=entry.get("past") == "skip",
        every=_every(entry["every"]) if "every" in entry else None,
    )  # fmt: skip


def _every(text: str) -> tuple[str, int]:
    unit, *offsets = (part.strip() for part in text.split("+"))
    return unit, sum(parse_duration(offset) for offset in offsets)
