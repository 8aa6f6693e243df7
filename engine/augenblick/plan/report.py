"""What ``check`` tells of a plan that is right: slips, memory per user, timers, what nothing uses.

Pure data; the command line prints it.
"""

from dataclasses import dataclass

from augenblick.errors import PlanError
from augenblick.plan.assembly import assemble
from augenblick.plan.checked import Checked
from augenblick.plan.compiler import check_whole
from augenblick.plan.durations import format_duration
from augenblick.plan.memory import MemoryLine, estimate_memory
from augenblick.plan.model.actions import ChooseAction
from augenblick.plan.model.plan import Plan
from augenblick.plan.outlets import action_names
from augenblick.plan.problems import Problems
from augenblick.plan.program import NONE, Program
from augenblick.plan.resolved import Resolved, StoredFeature, features_read

TIMED_WINDOWS = ("session", "tumbling", "hopping", "calendar", "sliding")


@dataclass(frozen=True)
class Report:
    """A plan that is right, as ``check`` shows it.

    warnings         what is allowed and most often a slip, with file and line
    memory           bytes per user, one line for each thing that takes some
    timers           what fires, closes or changes by time alone, one sentence each
    unused_events    declared, and named by no rule
    unused_features  read by no condition, value or emit; they still take memory
    unused_actions   named by no trigger and no emit
    """

    plan_name: str
    counts: dict[str, int]
    warnings: tuple[PlanError, ...]
    memory: tuple[MemoryLine, ...]
    timers: tuple[str, ...]
    unused_events: tuple[str, ...]
    unused_features: tuple[str, ...]
    unused_actions: tuple[str, ...]

    @property
    def typical_bytes(self) -> int:
        """Bytes of a user with two groups and four kept events where a feature has them."""
        return sum(line.typical_bytes for line in self.memory)

    @property
    def bytes_max(self) -> int:
        """Bytes of a user that fills every bound of the plan."""
        return sum(line.bytes_max for line in self.memory)


def check_plan(plan: Plan) -> Report:
    """What there is to say of a plan. Raises PlanErrors when it is wrong."""
    problems = Problems(plan.document)
    checked = check_whole(plan, problems)
    problems.raise_if_any()
    program = assemble(checked)
    problems.raise_if_any()
    assert program is not None
    return Report(
        plan_name=plan.plan,
        counts={
            "events": len(plan.events or {}),
            "features": len(plan.features),
            "segments": len(plan.segments),
            "metrics": len(plan.metrics),
            "triggers": len(plan.triggers),
            "actions": len(plan.actions),
        },
        warnings=tuple(sorted(problems.warnings, key=lambda warning: warning.line or 0)),
        memory=estimate_memory(program),
        timers=tuple(_timers(checked, program)),
        unused_events=tuple(_unused_events(plan, program)),
        unused_features=tuple(_unused_features(checked)),
        unused_actions=tuple(_unused_actions(plan)),
    )


def _timers(checked: Checked, program: Program) -> list[str]:
    gap = format_duration(program.gap_ms)
    found = []
    if program.emit_session or program.uses_session_events:
        found.append(f"each session closes {gap} after its last event")
    for feature in program.features:
        if feature.emitted:
            size = f" of {format_duration(feature.size_ms)}" if feature.size_ms else ""
            found.append(f"feature {feature.name}: each window{size} closes at its end")
    for segment in checked.segments:
        windows = [one for one in features_read(segment.condition) if one.window in TIMED_WINDOWS]
        if windows:
            names = ", ".join(one.name for one in windows)
            found.append(f"segment {segment.name} changes by time as {names} change")
    for trigger in program.triggers:
        if trigger.steps and trigger.steps[-1].negated:
            wait = format_duration(trigger.steps[-1].for_ms)
            found.append(f"trigger {trigger.name} waits {wait} ({trigger.timer})")
        if trigger.kind == "at":
            each = f" for each {trigger.match_name}" if trigger.match != NONE else ""
            found.append(f"trigger {trigger.name} has one timer{each}")
    found += [
        f"trigger {one.name} looks at every user each {one.spec.every}"
        for one in checked.triggers
        if one.rule.schedule is not None and one.spec.mode != "off"
    ]
    for metric in program.metrics:
        size = format_duration(metric.size_ms)
        found.append(f"metric {metric.name}: each window of {size} closes at its end")
    return found


def _unused_events(plan: Plan, program: Program) -> list[str]:
    used = {
        program.event_names[event]
        for selector in program.selectors
        for event in selector.event_ids or ()
    }
    return [event for event in plan.events or {} if event not in used]


def _unused_features(checked: Checked) -> list[str]:
    plan = checked.checking.plan
    conditions: list[Resolved] = [segment.condition for segment in checked.segments]
    used: set[StoredFeature] = set()
    for trigger in checked.triggers:
        if trigger.when is not None:
            conditions.append(trigger.when)
        if trigger.rule.time is not None:
            conditions.append(trigger.rule.time)
        for value in (*trigger.values, *trigger.chosen_by):
            if value.expression is not None:
                conditions.append(value.expression)
            if value.map_of is not None:
                used.update(features_read(value.map_of))
    for condition in conditions:
        used |= set(features_read(condition))
    return [
        feature.name
        for feature in checked.features
        if feature not in used and feature.name not in plan.emit.window
    ]


def _unused_actions(plan: Plan) -> list[str]:
    used = set(action_names(plan.emit.session))
    for names in (*plan.emit.window.values(), *plan.emit.metric.values()):
        used |= set(action_names(names))
    for trigger in plan.triggers.values():
        used |= set(action_names(trigger.then))
    for name, action in plan.actions.items():
        if name in used and isinstance(action, ChooseAction):
            used |= {*action.cases.values(), action.else_ or ""}
    return [name for name in plan.actions if name not in used]
