"""What the parts of a plan mean once every name is looked up, before anything has an index.

Made by ``features``, ``segments``, ``metrics`` and ``conditions.resolution``; read by the code
generator, the version hash and the checks. Objects of a name (StoredFeature, ...) are compared by
identity: there is one of each per checked plan.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from augenblick.plan.calendars import Unit
from augenblick.plan.program import Constant, WindowKind


class Type(StrEnum):
    """What is known of a value when the plan is checked; the words are those of messages."""

    ANY = "of any type"
    BOOL = "a yes or no"
    NUMBER = "a number"
    TEXT = "text"
    TIME = "a time"
    LIST = "a list"


@dataclass(frozen=True, slots=True)
class Ref:
    """One value of an event: a key of its props or context, or an own field."""

    scope: Literal["own", "props", "context"]
    name: str

    @property
    def text(self) -> str:
        """As a record's ``by`` names it."""
        if self.scope == "context" or (self.scope == "props" and self.name in OWN_NAMES):
            return f"{self.scope}.{self.name}"
        return self.name


OWN_NAMES = ("event", "user", "time", "session")


@dataclass(frozen=True, slots=True)
class EventRef:
    """A Ref of the event at hand; ``event`` set: only if that is its name, else missing."""

    ref: Ref
    event: str | None


@dataclass(frozen=True, slots=True)
class StepRef:
    """A Ref of the latest event that an earlier positive step (from 0) took; it has that name."""

    ref: Ref
    event: str
    step: int


@dataclass(frozen=True, slots=True)
class EventSet:
    """Which events: names in the plan's order (None: every event not derived) and a condition."""

    names: tuple[str, ...] | None
    where: "Resolved | None"


@dataclass(frozen=True, slots=True)
class Schedule:
    """The instants of ``every``: so long after each day, week or month of a zone begins."""

    zone: str
    unit: Unit
    offset_ms: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class StoredFeature:
    """A per-user aggregate that the kernel keeps."""

    name: str
    aggregate: str
    events: EventSet
    value: Ref | None
    by: Ref | None
    by_max: int
    window: WindowKind
    size_ms: int
    every_ms: int
    reset: EventSet | None
    list_max: int
    sliding_max: int
    keep_ms: int
    type: Type
    option: float = 0.0
    calendar: Schedule | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ExpressionFeature:
    """A feature that is an expression over others; inlined wherever it is read."""

    name: str
    expression: "Resolved"

    @property
    def type(self) -> Type:
        return self.expression.type


@dataclass(frozen=True, slots=True, eq=False)
class NamedSegment:
    """A named condition on one user.

    ``limits``: the ``time_since`` features that it compares, each with a number of milliseconds.
    """

    name: str
    condition: "Resolved"
    limits: tuple[tuple[StoredFeature, int], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class StoredMetric:
    """A tumbling aggregate across users."""

    name: str
    aggregate: Literal["count", "sum"]
    events: EventSet
    value: Ref | None
    by: Ref | None
    size_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class ExpressionMetric:
    """A metric that is an expression over others."""

    name: str
    expression: "Resolved"


REDUCTIONS = frozenset(("max_of", "min_of", "sum_of", "any_of"))
"""Operations that read their one argument for each group of the features in it."""

ZONED = frozenset(("hour", "weekday", "days_since"))
"""Operations that look at the clocks of the plan's zone."""

Target = Constant | EventRef | StepRef | StoredFeature | NamedSegment | StoredMetric
Operation = Literal[
    "const", "field", "feature", "segment", "metric",
    "add", "sub", "mul", "div", "neg", "abs", "round", "min", "max",
    "eq", "ne", "lt", "le", "gt", "ge", "in", "in_value",
    "not", "and", "or", "exists", "lower", "startswith", "contains",
    "max_of", "min_of", "sum_of", "any_of", "hour", "weekday", "days_since", "distance_km",
]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Resolved:
    """One node of a condition whose names are looked up; ``target`` for the first five operations.

    ``size`` and ``depth`` count nodes with every expression inlined: they bound all that walks it.
    """

    operation: Operation
    type: Type
    arguments: "tuple[Resolved, ...]" = ()
    target: Target = None
    size: int = field(init=False, repr=False)
    depth: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        size = 1 + sum(argument.size for argument in self.arguments)
        depth = 1 + max((argument.depth for argument in self.arguments), default=0)
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "depth", depth)

    def walk(self) -> "Iterator[Resolved]":
        """This node and all below it, left to right; segments are not entered."""
        yield self
        for argument in self.arguments:
            yield from argument.walk()

    def features(self) -> list[StoredFeature]:
        """The stored features it reads itself, each once, in order of appearance."""
        found = [node.target for node in self.walk() if isinstance(node.target, StoredFeature)]
        return list(dict.fromkeys(found))

    def features_of_group(self) -> list[StoredFeature]:
        """The grouped features that it reads for one group, those of reductions left out."""
        if self.operation in REDUCTIONS:
            return []
        if isinstance(self.target, StoredFeature):
            return [self.target] if self.target.by is not None else []
        found = (feature for one in self.arguments for feature in one.features_of_group())
        return list(dict.fromkeys(found))

    def segments(self) -> list[NamedSegment]:
        """The segments it reads itself, each once."""
        found = [node.target for node in self.walk() if isinstance(node.target, NamedSegment)]
        return list(dict.fromkeys(found))

    def metrics(self) -> list[StoredMetric]:
        """The stored metrics it reads, each once."""
        found = [node.target for node in self.walk() if isinstance(node.target, StoredMetric)]
        return list(dict.fromkeys(found))

    def event_refs(self) -> list[EventRef]:
        """The values of events that it reads itself, each once."""
        found = [node.target for node in self.walk() if isinstance(node.target, EventRef)]
        return list(dict.fromkeys(found))


def steps_read(condition: Resolved | None) -> set[int]:
    """The earlier steps of a sequence that a step's ``where`` reads."""
    nodes = condition.walk() if condition is not None else ()
    return {node.target.step for node in nodes if isinstance(node.target, StepRef)}


def segments_read(condition: Resolved) -> list[NamedSegment]:
    """The segments it reads itself or through others, each once."""
    found: dict[NamedSegment, None] = {}
    waiting = condition.segments()
    while waiting:
        segment = waiting.pop(0)
        if segment not in found:
            found[segment] = None
            waiting.extend(segment.condition.segments())
    return list(found)


def feeding(condition: Resolved) -> list[EventSet]:
    """The events that feed or reset a feature that it reads, itself or through segments."""
    found: list[EventSet] = []
    for feature in features_read(condition):
        found += [events for events in (feature.events, feature.reset) if events is not None]
    return found


def features_read(condition: Resolved) -> list[StoredFeature]:
    """The stored features it reads itself or through segments, each once."""
    found = dict.fromkeys(condition.features())
    for segment in segments_read(condition):
        found |= dict.fromkeys(segment.condition.features())
    return list(found)
