"""The value of a feature, segment or metric in a condition, by its name."""

from augenblick.plan.checking import Checking
from augenblick.plan.features import resolve_feature
from augenblick.plan.metrics import resolve_metric
from augenblick.plan.resolved import (
    ExpressionFeature,
    ExpressionMetric,
    Resolved,
    Type,
)
from augenblick.plan.segments import resolve_segment


def look_up(checking: Checking, name: str) -> Resolved | None:
    """Expressions are inlined; None: the definition is wrong, and that has been noted."""
    if name in checking.plan.features:
        feature = resolve_feature(checking, name)
        if feature is None or isinstance(feature, ExpressionFeature):
            return feature.expression if feature else None
        return Resolved("feature", feature.type, target=feature)
    if name in checking.plan.segments:
        segment = resolve_segment(checking, name)
        return Resolved("segment", Type.BOOL, target=segment) if segment else None
    if name in checking.plan.metrics:
        metric = resolve_metric(checking, name)
        if metric is None or isinstance(metric, ExpressionMetric):
            return metric.expression if metric else None
        return Resolved("metric", Type.NUMBER, target=metric)
    return None
