"""Checks a plan as a whole and compiles it to the kernel's program.

``check_whole`` looks up every name and notes every mistake; ``compile_plan`` also gives each thing
its index. Called by ``load`` and by whoever made a Plan in Python.
"""

from dataclasses import dataclass

from augenblick import limits
from augenblick.plan.assembly import assemble
from augenblick.plan.checked import Checked
from augenblick.plan.checking import Checking
from augenblick.plan.choices import check_choices, note_no_choice
from augenblick.plan.declared import make_names
from augenblick.plan.eventsets import resolve_events
from augenblick.plan.features import resolve_feature
from augenblick.plan.lookup import look_up
from augenblick.plan.metrics import resolve_metric
from augenblick.plan.model.plan import Plan
from augenblick.plan.outlets import action_names, check_outlets
from augenblick.plan.policies import check_policies
from augenblick.plan.problems import Problems
from augenblick.plan.program import Program
from augenblick.plan.resolved import EventSet, ExpressionMetric, StoredFeature, StoredMetric
from augenblick.plan.segments import order_segments, resolve_segment
from augenblick.plan.triggers import resolve_trigger


@dataclass(frozen=True)
class Broken:
    """Names whose definition failed to validate: known, and silent."""

    state: frozenset[str] = frozenset()  # features and metrics
    segments: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()


NOTHING_BROKEN = Broken()


def compile_plan(plan: Plan, *, emit_all: bool = False) -> Program:
    """The program of a plan. Raises PlanErrors with every mistake.

    ``emit_all``: every tumbling and hopping window leaves as a record, whatever ``emit`` says.
    """
    problems = Problems(plan.document)
    checked = check_whole(plan, problems)
    problems.raise_if_any()
    program = assemble(checked, emit_all=emit_all)
    problems.raise_if_any()
    assert program is not None
    return program


def check_whole(plan: Plan, problems: Problems, broken: Broken = NOTHING_BROKEN) -> Checked:
    """Looks up everything in the plan; mistakes and warnings go to ``problems``."""
    names = make_names(plan, problems, broken.state, broken.segments)
    checking = Checking(plan, problems, names, look_up)
    _check_counts(plan, problems)
    features = [resolve_feature(checking, name) for name in plan.features]
    segments = [resolve_segment(checking, name) for name in plan.segments]
    metrics = [resolve_metric(checking, name) for name in plan.metrics]
    triggers = [resolve_trigger(checking, name) for name in plan.triggers]
    check_outlets(checking, broken.actions)
    check_policies(checking, [trigger for trigger in triggers if trigger is not None])
    check_choices(checking, broken.actions)
    _check_emitted(checking)
    return Checked(
        checking,
        [feature for feature in features if isinstance(feature, StoredFeature)],
        order_segments(checking, [segment for segment in segments if segment is not None]) or [],
        [metric for metric in metrics if isinstance(metric, StoredMetric)],
        [metric for metric in metrics if isinstance(metric, ExpressionMetric)],
        [trigger for trigger in triggers if trigger is not None],
        _ends_on(checking),
    )


def _ends_on(checking: Checking) -> EventSet | None:
    """The events that end sessions. Derived ones belong to none."""
    spec, path = checking.plan.sessions.ends_on, ("sessions", "ends_on")
    events = resolve_events(checking, spec, path) if spec is not None else None
    for name in (events.names or ()) if events is not None else ():
        if checking.names.is_derived(name):
            checking.problems.add(
                path, f"{name!r} belongs to no session and ends none; name an event that is sent"
            )
            return None
    return events


def _check_emitted(checking: Checking) -> None:
    emit = checking.plan.emit
    for section, entries in (
        ("session", {"": emit.session}), ("window", emit.window), ("metric", emit.metric)
    ):  # fmt: skip
        for name, actions in entries.items():
            path = ("emit", section, name) if name else ("emit", section)
            what = "what `emit` sends is no firing"
            note_no_choice(checking, action_names(actions), path, what)


def _check_counts(plan: Plan, problems: Problems) -> None:
    for section, count, count_max in (
        ("events", len(plan.events or {}), limits.events_declared_max),
        ("features", len(plan.features), limits.features_max),
        ("segments", len(plan.segments), limits.segments_max),
        ("metrics", len(plan.metrics), limits.metrics_max),
        ("triggers", len(plan.triggers), limits.triggers_max),
        ("actions", len(plan.actions), limits.actions_max),
    ):
        if count > count_max:
            problems.add((section,), f"{count} {section} are more than {count_max}")
