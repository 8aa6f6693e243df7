"""What an occasion gives: the rule that a trigger's keys mean, with every name looked up."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from augenblick.plan.checking import Checking
from augenblick.plan.document import Path
from augenblick.plan.model.base import Model
from augenblick.plan.model.trigger import Trigger
from augenblick.plan.program import Fire, Timer, TriggerKind
from augenblick.plan.resolved import EventSet, Ref, Resolved, Schedule


@dataclass(frozen=True, slots=True)
class RuleStep:
    """One step of a sequence, which takes from ``times_min`` to ``times_max`` events."""

    events: EventSet
    negated: bool = False
    for_ms: int = 0
    times_min: int = 1
    times_max: int = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """An occasion with its names looked up. ``at_hand``: events that can be the event at hand."""

    kind: TriggerKind
    at_hand: tuple[str, ...] | None = None
    fire: Fire = "each"
    events: EventSet | None = None
    steps: tuple[RuleStep, ...] = ()
    within_ms: int = 0
    match: Ref | None = None
    timer: Timer = "restart"
    event_time: bool = False
    strict: bool = False
    partial_max: int = 0
    actor: str = ""
    time: Resolved | None = None
    past_skipped: bool = False
    schedule: Schedule | None = None
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Occasion:
    """One occasion. ``keys``: its own part of Trigger; ``also``: further parts it takes.

    ``resolve`` gets the trigger and its path, and gives its rule, or None with the mistakes noted.
    """

    keys: type[Model]
    also: tuple[type[Model], ...]
    resolve: Callable[[Checking, Trigger, Path], Rule | None]
