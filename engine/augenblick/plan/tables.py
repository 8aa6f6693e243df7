"""Gives everything in a program its index: events, fields, constants, codes, selectors, the named.

One ``Tables`` per compilation. The same thing asked twice has the same index.
"""

from augenblick.plan.calendars import Runs, calendar_runs, zone_offsets
from augenblick.plan.conditions import codegen
from augenblick.plan.names import Names
from augenblick.plan.program import (
    NONE,
    OWN_FIELDS,
    Constant,
    Field,
    Reduction,
    ReductionKind,
    Selector,
)
from augenblick.plan.resolved import (
    EventSet,
    NamedSegment,
    Ref,
    Resolved,
    Schedule,
    StoredFeature,
    StoredMetric,
)


class Tables:
    """The growing tables of one program; its named things are given whole."""

    def __init__(
        self,
        names: Names,
        features: list[StoredFeature],
        segments: list[NamedSegment],
        metrics: list[StoredMetric],
    ) -> None:
        self._names = names
        self._features = {feature: index for index, feature in enumerate(features)}
        self._segments = {segment: index for index, segment in enumerate(segments)}
        self._metrics = {metric: index for index, metric in enumerate(metrics)}
        self._events: dict[str, int] = {}
        self._fields: dict[Ref, int] = {}
        self._consts: dict[tuple[type, str], int] = {}
        self._const_values: list[Constant] = []
        self._codes: dict[tuple[int, ...], int] = {}
        self._selectors: dict[Selector, int] = {}
        self._calendars: dict[Schedule, int] = {}
        self._reductions: dict[Reduction, int] = {}
        self._reads_zone = False

    def feature(self, feature: StoredFeature) -> int:
        return self._features[feature]

    def segment(self, segment: NamedSegment) -> int:
        return self._segments[segment]

    def metric(self, metric: StoredMetric) -> int:
        return self._metrics[metric]

    def event(self, name: str) -> int:
        """The event's id; a name not seen before gets the next one."""
        return self._events.setdefault(name, len(self._events))

    def field(self, ref: Ref) -> int:
        """The index of a props or context key."""
        return self._fields.setdefault(ref, len(self._fields))

    def operand(self, ref: Ref | None) -> int:
        """The operand for a value of the event at hand; -1 for None."""
        if ref is None:
            return NONE
        return -OWN_FIELDS[ref.name] if ref.scope == "own" else self.field(ref)

    def const(self, value: object) -> int:
        """The index of a constant; 1, 1.0 and true are three."""
        assert value is None or isinstance(value, bool | int | float | str)
        key = (type(value), repr(value))
        if key not in self._consts:
            self._consts[key] = len(self._const_values)
            self._const_values.append(value)
        return self._consts[key]

    def calendar(self, schedule: Schedule | None) -> int:
        """The index of a zone's days, weeks or months, or of instants in them; -1 for None."""
        if schedule is None:
            return NONE
        return self._calendars.setdefault(schedule, len(self._calendars))

    def reduction(self, kind: ReductionKind, value: Resolved) -> int:
        """The index of a value that is read for each group. Raises ConditionError."""
        features = tuple(self.feature(one) for one in value.features_of_group())
        return self._reductions.setdefault(
            Reduction(kind, self.code(value), features), len(self._reductions)
        )

    def read_zone(self) -> None:
        """A condition looks at the clocks of the plan's zone."""
        self._reads_zone = True

    def offsets(self, zone: str | None) -> Runs:
        """What the clocks of the plan's zone show, if a condition looks at them."""
        return zone_offsets(zone or "UTC") if self._reads_zone else ()

    def code(self, condition: Resolved | None) -> int:
        """The index of a condition's code; -1 for None. Raises ConditionError."""
        if condition is None:
            return NONE
        words = codegen.generate(condition, self)
        return self._codes.setdefault(words, len(self._codes))

    def step_code(self, condition: Resolved | None, keeps: dict[int, int]) -> int:
        """Of a condition that reads earlier steps; ``keeps`` grows by what it reads of events."""
        assert condition is not None
        words = codegen.generate(condition, self, keeps)
        return self._codes.setdefault(words, len(self._codes))

    def selector(self, events: EventSet | None) -> int:
        """The index of a selector; -1 for None. Raises ConditionError."""
        if events is None:
            return NONE
        ids = None
        if events.names is not None:
            ids = tuple(sorted({self.event(name) for name in events.names}))
        selector = Selector(ids, self.code(events.where))
        return self._selectors.setdefault(selector, len(self._selectors))

    @property
    def event_names(self) -> tuple[str, ...]:
        return tuple(self._events)

    @property
    def event_derived(self) -> tuple[bool, ...]:
        return tuple(self._names.is_derived(name) for name in self._events)

    @property
    def fields(self) -> tuple[Field, ...]:
        found = []
        for ref in self._fields:
            assert ref.scope != "own"
            found.append(Field(ref.scope, ref.name))
        return tuple(found)

    @property
    def calendars(self) -> tuple[Runs, ...]:
        return tuple(calendar_runs(one.zone, one.unit, one.offset_ms) for one in self._calendars)

    @property
    def reductions(self) -> tuple[Reduction, ...]:
        return tuple(self._reductions)

    @property
    def consts(self) -> tuple[Constant, ...]:
        return tuple(self._const_values)

    @property
    def codes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(self._codes)

    @property
    def selectors(self) -> tuple[Selector, ...]:
        return tuple(self._selectors)
