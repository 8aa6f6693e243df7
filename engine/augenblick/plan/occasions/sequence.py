"""``sequence: [...]``: fires at each match, or at the deadline of a last ``{not: EVENTS}``."""

from augenblick import limits
from augenblick.plan.checking import Checking
from augenblick.plan.conditions.scopes import Earlier
from augenblick.plan.document import Path
from augenblick.plan.eventsets import resolve_events
from augenblick.plan.grouping import resolve_field
from augenblick.plan.model.occasions import Absence, SequenceKeys, SequenceStep, Step
from augenblick.plan.model.trigger import Trigger
from augenblick.plan.occasions._occasion import Occasion, Rule, RuleStep
from augenblick.plan.resolved import steps_read

PARTIAL_MAX_DEFAULT = 64


def _resolve(checking: Checking, trigger: Trigger, path: Path) -> Rule | None:
    before = len(checking.problems.found)
    specs = trigger.sequence or []
    at = (*path, "sequence")
    if not _check_shape(checking, trigger, at):
        return None
    steps = _steps(checking, trigger, at)
    if len(steps) != len(specs):
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
    if len(steps) == 0 or (len(steps) == 1 and _times(steps[0])[0] < 2):
        problems.add(
            at,
            "a sequence has at least two steps, or one that repeats ({event: NAME, times: 3}); "
            "for a single event use `event:`",
        )
        return False
    if isinstance(steps[0], Absence):
        problems.add((*at, 0), "a sequence cannot begin with {not: ...}")
    for index, step in enumerate(steps[1:-1], 1):
        if isinstance(step, Absence) and step.for_ is not None:
            problems.add(
                (*at, index, "for"),
                "`for` belongs to a last {not: ...}; between two steps it lasts until the next one",
            )
    _check_times(checking, trigger, at)
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


def _check_times(checking: Checking, trigger: Trigger, at: Path) -> None:
    steps, problems = trigger.sequence or [], checking.problems
    times = [_times(step) for step in steps]
    for index, (least, most) in enumerate(times):
        if most < least:
            problems.add((*at, index, "times"), f"`max` ({most}) is less than `min` ({least})")
    last = max(index for index, step in enumerate(steps) if not isinstance(step, Absence))
    if times[last][1] > times[last][0]:
        problems.add(
            (*at, last, "times"),
            f"the last step is complete with its first {times[last][0]}, so `max` has no meaning "
            f"there; write times: {times[last][0]}",
        )
    whole = sum(most for _, most in times)
    if whole > limits.sequence_events_max:
        problems.add(
            at, f"a match of {whole} events is more than {limits.sequence_events_max}, the most"
        )


def _times(step: Step) -> tuple[int, int]:
    """How many events a step takes, at least and at most; of a negation none."""
    if isinstance(step, Absence):
        return 0, 0
    if not isinstance(step, SequenceStep) or step.times is None:
        return 1, 1
    return (step.times,) * 2 if isinstance(step.times, int) else (step.times.min, step.times.max)


def _steps(checking: Checking, trigger: Trigger, at: Path) -> tuple[RuleStep, ...]:
    """The steps that are right; the mistakes of the others are noted."""
    specs = trigger.sequence or []
    earlier: Earlier = ()
    found = []
    for index, spec in enumerate(specs):
        path = (*at, index)
        if not isinstance(spec, Absence):
            events = resolve_events(checking, spec, path, earlier=earlier)
            earlier += (events.names if events is not None else None,)
            if events is not None:
                found.append(RuleStep(events, False, 0, *_times(spec)))
            continue
        events = resolve_events(checking, spec.not_, (*path, "not"), earlier=earlier)
        is_last = index == len(specs) - 1
        if events is not None and is_last and steps_read(events.where):
            checking.problems.add(
                (*path, "not"),
                "reading an earlier step in a last {not: ...} is not built yet (take `match`)",
                not_built=True,
            )
        elif events is not None:
            for_ms = (spec.for_ or trigger.within or 0) if is_last else 0
            found.append(RuleStep(events, negated=True, for_ms=for_ms))
    return tuple(found)


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
