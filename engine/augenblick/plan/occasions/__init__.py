"""Occasions of triggers, one per file under ``OCCASION``; the file's name is its key."""

from augenblick.plan.occasions._occasion import Occasion, Rule, RuleStep
from augenblick.registry import Registry

OCCASIONS: Registry[Occasion] = Registry(
    kind="occasion",
    package="augenblick.plan.occasions",
    constant="OCCASION",
    base=Occasion,
    group="augenblick.occasions",
)

__all__ = ["OCCASIONS", "Occasion", "Rule", "RuleStep"]
