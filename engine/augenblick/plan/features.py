"""What a feature of the plan means; looked up on demand, by its name."""

from typing import cast

from augenblick.plan.aggregates import AGGREGATES
from augenblick.plan.checking import Checking
from augenblick.plan.conditions.scopes import StateScope
from augenblick.plan.document import Path
from augenblick.plan.durations import format_duration
from augenblick.plan.eventsets import (
    AnyEvents,
    names_property,
    resolve_events,
    resolve_valued,
)
from augenblick.plan.grouping import check_one_group, resolve_by
from augenblick.plan.model.features import Feature
from augenblick.plan.names import NameProblem
from augenblick.plan.program import KEEP_ALWAYS, KEEP_TTL
from augenblick.plan.resolved import (
    EventSet,
    ExpressionFeature,
    Ref,
    Schedule,
    StoredFeature,
    Type,
)
from augenblick.plan.windows import Window, resolve_window

BY_MAX_DEFAULT = 64
MAX_DEFAULTS = {"list": 64, "top": 10}
SLIDING_MAX_DEFAULT = 256
OPTION_EXAMPLES = {
    "q": "{quantile: purchase.value, q: 0.9, ...}",
    "half_life": "{decay: view, half_life: 7d, ...}",
}
OPTION_OWNERS = {"q": "quantile", "half_life": "decay"}
AGGREGATE_FIELDS = {name: "list_" if name == "list" else name for name in AGGREGATES}


def resolve_feature(checking: Checking, name: str) -> StoredFeature | ExpressionFeature | None:
    """The feature of that name, resolved once. None: it is wrong, and that has been noted."""
    path: Path = ("features", name)
    spec = checking.plan.features[name]
    if isinstance(spec, str):
        return checking.define(name, path, lambda: _expression(checking, name, spec, path))
    return checking.define(name, path, lambda: _stored(checking, name, spec, path))


def _expression(checking: Checking, name: str, text: str, path: Path) -> ExpressionFeature | None:
    scope = StateScope(
        checking.names,
        checking.look_up,
        no_event="a feature has no event at hand; keep it with {last: EVENT.property, ...}",
    )
    expression = checking.expression(text, path, scope)
    if expression is None or not check_one_group(checking, expression, path):
        return None
    if not expression.features() and not expression.segments():
        checking.problems.add(path, f"{text!r} reads no feature, so it never changes")
        return None
    return ExpressionFeature(name, expression)


def _stored(checking: Checking, name: str, spec: Feature, path: Path) -> StoredFeature | None:
    aggregate = _aggregate(checking, spec, path)
    window = resolve_window(checking, spec.over, path)
    events_ref = _events(checking, spec, aggregate, path) if aggregate else None
    if aggregate is None or window is None or events_ref is None:
        return None
    events, value = events_ref
    kind = _value_type(checking, aggregate, value, events, (*path, aggregate))
    by = resolve_by(checking, spec.by, events, (*path, "by"))
    ok = _check_options(checking, spec, aggregate, window, path)
    if kind is None or (spec.by is not None and by is None) or not ok:
        return None
    grouped = by is not None
    return StoredFeature(
        name=name,
        aggregate=aggregate,
        events=events,
        value=value,
        by=by,
        by_max=(spec.by_max or BY_MAX_DEFAULT) if grouped else 0,
        window=window.kind,
        size_ms=window.size_ms,
        every_ms=window.every_ms,
        reset=window.reset,
        list_max=_items_max(spec, aggregate),
        sliding_max=(spec.sliding_max or SLIDING_MAX_DEFAULT) if window.kind == "sliding" else 0,
        keep_ms=_keep_ms(spec),
        type=kind,
        option=float(spec.q or spec.half_life or 0),
        calendar=Schedule(checking.plan.zone or "UTC", window.unit) if window.unit else None,
    )


def _aggregate(checking: Checking, spec: Feature, path: Path) -> str | None:
    given = [name for name, key in AGGREGATE_FIELDS.items() if getattr(spec, key) is not None]
    if isinstance(spec.max, int) and "max" in given:
        given.remove("max")
        if given not in (["list"], ["top"]):
            checking.problems.add((*path, "max"), "`max: NUMBER` belongs to `list` and `top`")
            return None
    if len(given) != 1:
        known = ", ".join(AGGREGATES)
        found = " and ".join(f"`{name}`" for name in given)
        checking.problems.add(
            path,
            f"a feature has one aggregate, and this one has {found}; take two features"
            if given
            else f"the feature has no aggregate; known: {known}",
        )
        return None
    return given[0]


def _events(
    checking: Checking, spec: Feature, aggregate: str, path: Path
) -> tuple[EventSet, Ref | None] | None:
    """The events that feed the feature and the value it reads of them."""
    given = cast(AnyEvents, getattr(spec, AGGREGATE_FIELDS[aggregate]))
    return resolve_aggregated(checking, aggregate, given, spec.of, spec.where, path)


def resolve_aggregated(
    checking: Checking,
    aggregate: str,
    given: AnyEvents,
    of: AnyEvents | None,
    where: str | None,
    path: Path,
) -> tuple[EventSet, Ref | None] | None:
    """``{AGGREGATE: given, of, where}`` of a feature or metric."""
    at = (*path, aggregate)
    rules = AGGREGATES[aggregate]
    if not rules.takes or (
        of is None and not rules.needs_property and not names_property(checking, given)
    ):
        if of is not None:
            checking.problems.add(
                (*path, "of"), f"{aggregate} reads no property; write {{{aggregate}: EVENT}}"
            )
            return None
        events = resolve_events(checking, given, at, where)
        return (events, None) if events is not None else None
    if of is None:
        return resolve_valued(checking, given, at, where)
    events = resolve_events(checking, of, (*path, "of"), where)
    if not isinstance(given, str):
        checking.problems.add(at, f"beside `of`, {aggregate} takes the name of one property")
        return None
    if events is None:
        return None
    try:
        return events, checking.names.property_in_where(tuple(given.split(".")))
    except NameProblem as problem:
        checking.problems.add(at, problem.message, not_built=problem.not_built)
        return None


def _value_type(
    checking: Checking, aggregate: str, value: Ref | None, events: EventSet, path: Path
) -> Type | None:
    """The type of the feature; None with the mistake noted when the property does not fit."""
    rules = AGGREGATES[aggregate]
    if value is None:
        return rules.gives
    kind = checking.names.type_of(value, events.names)
    if kind is not Type.ANY and kind not in rules.takes:
        needs = "does not take lists"
        if kind is not Type.LIST:
            needs = f"needs {' or '.join(rules.takes)}"
        checking.problems.add(path, f"{aggregate} {needs}, and {value.text!r} is {kind}")
        return None
    return rules.gives or kind


def _check_options(
    checking: Checking, spec: Feature, aggregate: str, window: Window, path: Path
) -> bool:
    problems, ttl_ms = checking.problems, checking.plan.time.ttl
    before = len(problems.found)
    if spec.by_max is not None and spec.by is None:
        problems.add((*path, "by_max"), "`by_max` belongs to `by`")
    if spec.sliding_max is not None and window.kind != "sliding":
        problems.add((*path, "sliding_max"), "`sliding_max` belongs to `over: {sliding: D}`")
    if spec.keep is not None and window.kind != "lifetime":
        problems.add((*path, "keep"), "`keep` belongs to `over: lifetime`")
    rules = AGGREGATES[aggregate]
    if window.kind not in rules.windows:
        problems.add((*path, "over"), rules.refusal)
    for option in ("q", "half_life"):
        if (getattr(spec, option) is not None) == (rules.option == option):
            continue
        if rules.option == option:
            problems.add(path, f"`{aggregate}` needs `{option}`, as in {OPTION_EXAMPLES[option]}")
        else:
            problems.add((*path, option), f"`{option}` belongs to `{OPTION_OWNERS[option]}`")
    if window.length_ms_max > ttl_ms:
        problems.add(
            (*path, "over"),
            f"the window of {format_duration(window.length_ms_max)} is longer than `time: ttl` "
            f"({format_duration(ttl_ms)}), after which an idle user is forgotten; raise `ttl`",
        )
    return len(problems.found) == before


def _items_max(spec: Feature, aggregate: str) -> int:
    if aggregate not in MAX_DEFAULTS:
        return 0
    return spec.max if isinstance(spec.max, int) else MAX_DEFAULTS[aggregate]


def _keep_ms(spec: Feature) -> int:
    if spec.keep is None:
        return KEEP_TTL
    return KEEP_ALWAYS if spec.keep == "always" else spec.keep
