"""A whole plan with every name looked up, on its way from the checks to the program."""

from dataclasses import dataclass

from augenblick.plan.checking import Checking
from augenblick.plan.resolved import (
    EventSet,
    ExpressionMetric,
    NamedSegment,
    StoredFeature,
    StoredMetric,
)
from augenblick.plan.triggers import ResolvedTrigger


@dataclass(frozen=True)
class Checked:
    """``segments`` in dependency order, all else in the plan's; complete if nothing was noted."""

    checking: Checking
    features: list[StoredFeature]
    segments: list[NamedSegment]
    metrics: list[StoredMetric]
    expression_metrics: list[ExpressionMetric]
    triggers: list[ResolvedTrigger]
    ends_on: EventSet | None = None
