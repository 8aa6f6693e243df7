"""The steps of a sequence as the kernel reads them.

A condition that reads earlier steps cannot be looked at when the event comes: it is a code of its
own, read for each unfinished match. What such codes read of events, those at hand too, is kept with
the match: ``keeps`` names it, in the order of its numbers.
"""

from augenblick.plan.occasions import Rule, RuleStep
from augenblick.plan.program import NONE, Step
from augenblick.plan.resolved import EventSet, steps_read
from augenblick.plan.tables import Tables


def program_steps(rule: Rule, tables: Tables) -> tuple[tuple[Step, ...], tuple[int, ...]]:
    """The steps, and what is kept of their events. Raises ConditionError."""
    keeps: dict[int, int] = {}
    read = {number for step in rule.steps for number in steps_read(step.events.where)}
    found: list[Step] = []
    for step in rule.steps:
        number = sum(not one.negated for one in found)
        found.append(_step(step, tables, keeps, not step.negated and number in read))
    return tuple(found), tuple(keeps)


def _step(step: RuleStep, tables: Tables, keeps: dict[int, int], kept: bool) -> Step:
    events, code = step.events, NONE
    if steps_read(events.where):
        code = tables.step_code(events.where, keeps)
        events = EventSet(events.names, None)
    selector = tables.selector(events)
    return Step(selector, step.negated, step.for_ms, step.times_min, step.times_max, code, kept)
