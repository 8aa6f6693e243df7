"""Where things leave: the actions that triggers and ``emit`` name, and what ``emit`` asks for."""

from augenblick.plan.checking import Checking
from augenblick.plan.document import Path
from augenblick.plan.features import resolve_feature
from augenblick.plan.metrics import resolve_metric
from augenblick.plan.model.actions import Action as ActionModel
from augenblick.plan.model.actions import channel_of
from augenblick.plan.model.base import MILLISECONDS
from augenblick.plan.problems import known_names
from augenblick.plan.program import Action
from augenblick.plan.resolved import StoredFeature, StoredMetric

EMITTED_WINDOWS = ("tumbling", "hopping", "calendar")
ActionNames = str | list[str] | None


def action_names(names: ActionNames) -> tuple[str, ...]:
    """One action or a list of them, each once."""
    return tuple(dict.fromkeys([names] if isinstance(names, str) else names or []))


def check_action_names(
    checking: Checking, names: ActionNames, path: Path, broken: frozenset[str]
) -> None:
    """Notes every action that the plan does not have."""
    known = checking.plan.actions
    for name in action_names(names):
        if name in known or name in broken:
            continue
        if name == "reply":
            checking.problems.not_built(path, "the channel `reply`")
        else:
            checking.problems.add(path, f"unknown action {name!r}; {known_names(name, known)}")


def check_outlets(checking: Checking, broken_actions: frozenset[str]) -> None:
    """The actions of every trigger and of ``emit``, and that ``emit`` names what can be emitted."""
    plan = checking.plan
    for name, trigger in plan.triggers.items():
        check_action_names(checking, trigger.then, ("triggers", name, "then"), broken_actions)
    check_action_names(checking, plan.emit.session, ("emit", "session"), broken_actions)
    for name, actions in plan.emit.window.items():
        path: Path = ("emit", "window", name)
        check_action_names(checking, actions, path, broken_actions)
        _check_window(checking, name, path)
    for name, actions in plan.emit.metric.items():
        path = ("emit", "metric", name)
        check_action_names(checking, actions, path, broken_actions)
        _check_metric(checking, name, path)


def _check_window(checking: Checking, name: str, path: Path) -> None:
    features = checking.plan.features
    if name in checking.names.broken:
        return
    if name not in features:
        checking.problems.add(path, f"unknown feature {name!r}; {known_names(name, features)}")
        return
    feature = resolve_feature(checking, name)
    if feature is None:
        return
    if not isinstance(feature, StoredFeature) or feature.window not in EMITTED_WINDOWS:
        checking.problems.add(
            path, f"{name!r} has no windows that close; emit works for tumbling and hopping ones"
        )


def _check_metric(checking: Checking, name: str, path: Path) -> None:
    metrics = checking.plan.metrics
    if name in checking.names.broken:
        return
    if name not in metrics:
        checking.problems.add(path, f"unknown metric {name!r}; {known_names(name, metrics)}")
        return
    metric = resolve_metric(checking, name)
    if metric is not None and not isinstance(metric, StoredMetric):
        checking.problems.not_built(
            path, f"emitting {name!r}, which is an expression over metrics,"
        )


def program_action(name: str, action: ActionModel) -> Action:
    """The action as channels get it: parameters under the plan's keys, durations in ms."""
    channel = channel_of(action)
    parameters = action.model_dump(by_alias=True, exclude_none=True, context=MILLISECONDS)
    if channel == "log":
        parameters = {}
    return Action(name, channel, parameters)
