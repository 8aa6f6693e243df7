"""``sequence: [...]``: fires at each match, or at the deadline of a last ``{not: EVENTS}``."""

from augenblick.plan.checking import Checking
from augenblick.plan.document import Path
from augenblick.plan.eventsets import resolve_events
from augenblick.plan.grouping import resolve_field
from augenblick.plan.model.occasions import Absence, SequenceKeys
from augenblick.plan.model.trigger import Trigger
from augenblick.plan.occasions._occasion import Occasion, Rule, RuleStep

PARTIAL_MAX_DEFAULT = 64


def _resolve(checking: Checking, trigger: Trigger, path: Path) -> Rule | None:
    before = len(checking.problems.found)
    specs = trigger.sequence or []
    at = (*path, "sequence")
    if not _check_shape(checking, trigger, at):
        return None
    resolved = [_step(checking, trigger, index, at) for index in range(len(specs))]
    steps = tuple(step for step in resolved if step is not None)
    if len(steps) != len(resolved):
        return None
    absence = steps[-1].negated
    match = None
    if trigger.match is not None:
        match = resolve_field(checking, trigger.match, _positive_names(steps), (*path, "match"))
    if trigger.timer is not None and not absence:
        checking.problems.add(
            (*path, "timer"), "`timer` belongs to a sequence whose last step is {not: ...}"
        )
    if len(checking.problems.found) > before:
        return None
    last = steps[-2] if absence else steps[-1]
    return Rule(
        "sequence",
        at_hand=last.events.names,
        steps=steps,
        within_ms=trigger.within or 0,
        match=match,
        timer=trigger.timer or "restart",
        event_time=absence or trigger.strict or trigger.order is not None,
        strict=trigger.strict,
        partial_max=trigger.partial_max or PARTIAL_MAX_DEFAULT,
    )


def _check_shape(checking: Checking, trigger: Trigger, at: Path) -> bool:
    steps, problems = trigger.sequence or [], checking.problems
    before = len(problems.found)
    if len(steps) < 2:
        problems.add(at, "a sequence has at least two steps; for a single event use `event:`")
        return False
    if isinstance(steps[0], Absence):
        problems.add((*at, 0), "a sequence cannot begin with {not: ...}")
    for index, step in enumerate(steps[1:-1], 1):
        if isinstance(step, Absence):
            problems.not_built((*at, index), "a {not: ...} between two steps")
    last = steps[-1]
    if isinstance(last, Absence) and last.for_ is None:
        if len(steps) > 2:
            problems.add(
                (*at, len(steps) - 1),
                "with more than two steps a last {not: ...} needs `for`: {not: EVENTS, for: 30m}",
            )
        elif trigger.within is None:
            problems.add(
                (*at, len(steps) - 1), "a last {not: ...} needs `for`, or the trigger `within`"
            )
    return len(problems.found) == before


def _step(checking: Checking, trigger: Trigger, index: int, at: Path) -> RuleStep | None:
    spec = (trigger.sequence or [])[index]
    path = (*at, index)
    if isinstance(spec, Absence):
        events = resolve_events(checking, spec.not_, (*path, "not"), in_sequence=True)
        for_ms = spec.for_ or trigger.within or 0
        return RuleStep(events, negated=True, for_ms=for_ms) if events is not None else None
    events = resolve_events(checking, spec, path, in_sequence=True)
    return RuleStep(events) if events is not None else None


def _positive_names(steps: tuple[RuleStep, ...]) -> tuple[str, ...] | None:
    """The events of all steps that are not negated; None if one of them is any event."""
    found: dict[str, None] = {}
    for step in steps:
        if step.events.names is None:
            return None
        if not step.negated:
            found |= dict.fromkeys(step.events.names)
    return tuple(found)


OCCASION = Occasion(SequenceKeys, (), _resolve)
