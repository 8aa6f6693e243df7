"""The names that a plan declares, and the rules that keep them apart."""

from collections.abc import Iterator

from augenblick.plan.document import Path
from augenblick.plan.eventsets import ANY_EVENT, AnyEvents
from augenblick.plan.model.base import event_name_problem
from augenblick.plan.model.events import EventWhere
from augenblick.plan.model.features import Over
from augenblick.plan.model.occasions import Absence
from augenblick.plan.model.plan import Plan
from augenblick.plan.names import NEVER_EVENTS, PROPERTY_TYPES, Names
from augenblick.plan.problems import Problems


def make_names(
    plan: Plan, problems: Problems, broken: frozenset[str], broken_segments: frozenset[str]
) -> Names:
    """The names of a plan, with every clash noted."""
    declared = {
        event: {name: PROPERTY_TYPES[text.split(" ")[0]] for name, text in schema.items()}
        for event, schema in (plan.events or {}).items()
    }
    names = Names(
        declared=declared,
        closed=plan.events is not None,
        features=list(plan.features),
        segments=[*plan.segments, *sorted(broken_segments)],
        metrics=list(plan.metrics),
        broken=broken | broken_segments | _check_name_space(plan, problems),
    )
    for event in declared:
        _check_declared(names, event, problems)
    if plan.events is None and plan.unknown_events == "refuse":
        problems.add(("unknown_events",), "`unknown_events: refuse` needs `events:`")
    if not names.closed:
        for event in _mentioned(plan):
            if _can_be_event(names, event):
                names.mentioned[event] = None
    return names


def _check_name_space(plan: Plan, problems: Problems) -> frozenset[str]:
    """Notes names that are there twice, and gives them: what they mean is not clear."""
    seen: dict[str, str] = {}
    twice: set[str] = set()
    for section in ("features", "segments", "metrics"):
        for name in getattr(plan, section):
            if name in seen:
                twice.add(name)
                problems.add(
                    (section, name),
                    f"{name!r} is already the name of one of the {seen[name]}; features, segments "
                    "and metrics share one name space",
                )
            seen.setdefault(name, section)
    return frozenset(twice)


def _check_declared(names: Names, event: str, problems: Problems) -> None:
    path: Path = ("events", event)
    if event in NEVER_EVENTS:
        problems.add(path, f"an event cannot be named {event!r}; the word has a meaning of its own")
    elif event in names.segments:
        problems.add(path, f"{event!r} is the name of a segment and cannot be that of an event too")
    elif names.is_derived(event):
        problems.add(path, f"{event!r} is an event of the engine's own and is not declared")


def _can_be_event(names: Names, event: str) -> bool:
    return not (
        event in NEVER_EVENTS
        or event in names.segments
        or names.is_derived(event)
        or event_name_problem(event)
    )


def _mentioned(plan: Plan) -> Iterator[str]:
    """Every text of the plan that can only be an event."""
    specs: list[object] = [plan.sessions.ends_on]
    for definition in (*plan.features.values(), *plan.metrics.values()):
        if not isinstance(definition, str):
            specs += [definition.count, definition.of]
            if isinstance(definition.over, Over):
                specs.append(definition.over.since)
    for trigger in plan.triggers.values():
        specs.append(trigger.event)
        specs += [
            step.not_ if isinstance(step, Absence) else step for step in trigger.sequence or []
        ]
    for spec in specs:
        if isinstance(spec, str | list | EventWhere):
            yield from _texts(spec)


def _texts(spec: AnyEvents) -> Iterator[str]:
    if isinstance(spec, str):
        if spec != ANY_EVENT:
            yield spec
    elif isinstance(spec, EventWhere):
        yield from [spec.event] if isinstance(spec.event, str) else spec.event
    else:
        for item in spec:
            yield from _texts(item)
