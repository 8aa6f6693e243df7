"""What a metric means. Looked up on demand by name, checked as a whole by ``compiler``."""

from augenblick.plan.checking import Checking
from augenblick.plan.conditions.scopes import StateScope
from augenblick.plan.document import Path
from augenblick.plan.features import resolve_aggregated
from augenblick.plan.grouping import resolve_by
from augenblick.plan.model.features import Metric
from augenblick.plan.resolved import (
    ExpressionMetric,
    Ref,
    Resolved,
    StoredMetric,
    Type,
)
from augenblick.plan.windows import resolve_window

NO_EVENT = "a metric is across users and has no event at hand"


def resolve_metric(checking: Checking, name: str) -> StoredMetric | ExpressionMetric | None:
    """The metric of that name, resolved once. None: it is wrong, and that has been noted."""
    path: Path = ("metrics", name)
    spec = checking.plan.metrics[name]
    if isinstance(spec, str):
        return checking.define(name, path, lambda: _expression(checking, name, spec, path))
    return checking.define(name, path, lambda: _stored(checking, name, spec, path))


def metric_scope(checking: Checking) -> StateScope:
    """The scope of conditions and expressions over metrics."""
    return StateScope(checking.names, checking.look_up, no_event=NO_EVENT, metrics=True)


def metric_groups(condition: Resolved) -> dict[Ref | None, str]:
    """The ``by`` of the metrics it reads (None: not grouped), each with one of the metrics."""
    found: dict[Ref | None, str] = {}
    for metric in condition.metrics():
        found.setdefault(metric.by, metric.name)
    return found


def check_metric_groups(checking: Checking, condition: Resolved, path: Path) -> bool:
    """Whether all grouped metrics it reads have the same ``by``; notes the mistake otherwise."""
    groups = [(by, name) for by, name in metric_groups(condition).items() if by is not None]
    if len(groups) < 2:
        return True
    (one, first), (other, second) = groups[:2]
    checking.problems.add(
        path,
        f"{first!r} is grouped by {one.text} and {second!r} by {other.text}: a condition is read "
        "for one group (reducing one with max() min() sum() any() is not built yet)",
    )
    return False


def _expression(checking: Checking, name: str, text: str, path: Path) -> ExpressionMetric | None:
    expression = checking.expression(text, path, metric_scope(checking))
    if expression is None or not check_metric_groups(checking, expression, path):
        return None
    if not expression.metrics():
        checking.problems.add(path, f"{text!r} reads no metric, so it never changes")
        return None
    return ExpressionMetric(name, expression)


def _stored(checking: Checking, name: str, spec: Metric, path: Path) -> StoredMetric | None:
    if (spec.count is None) == (spec.sum is None):
        checking.problems.add(path, "a metric has one aggregate; known: count, sum")
        return None
    aggregate = "count" if spec.count is not None else "sum"
    given = spec.count if spec.count is not None else spec.sum
    assert given is not None
    window = resolve_window(checking, spec.over, path)
    found = resolve_aggregated(checking, aggregate, given, spec.of, spec.where, path)
    if window is not None and window.kind != "tumbling":
        checking.problems.not_built((*path, "over"), f"a metric over a `{window.kind}` window")
        return None
    if window is None or found is None:
        return None
    events, value = found
    by = resolve_by(checking, spec.by, events, (*path, "by"))
    if spec.by is not None and by is None:
        return None
    if value is not None:
        kind = checking.names.type_of(value, events.names)
        if kind not in (Type.NUMBER, Type.ANY):
            checking.problems.add(
                (*path, "sum"), f"sum needs a number, and {value.text!r} is {kind}"
            )
            return None
    return StoredMetric(
        name, "count" if aggregate == "count" else "sum", events, value, by, window.size_ms
    )
