"""The flat program a plan compiles to: the one thing the native kernel and router read.

Made by ``plan.compiler``; read by ``binding``. Frozen dataclasses over tuples of plain values, so
that a program can be compared, hashed and sent without the plan it came from.

Conventions:

- An index of -1 means "none".
- An *operand* (``OPERAND_*`` or a field index) names one value of the event at hand: 0 and above is
  an index into ``Program.fields``, the negative ones are the event's own fields.
- A *code* is a tuple of unsigned 32-bit words: one word per operation, ``word & 0xff`` is the
  ``Op`` and ``word >> 8`` its operand. Jump targets are absolute word indexes inside the code.
  ``FIELD_OF`` and ``OWN_OF`` take a second word, the event id. ``STEP`` (of positive step OPERAND,
  or ``AT_HAND``) takes two: the number in ``Trigger.keeps``, and the event id plus 1 (0: any).
- Durations are whole milliseconds.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal

from augenblick.plan.policy_rules import NO_CAP, NO_POLICIES, Cap, TriggerPolicies

AT_HAND = 255
"""Instead of a step: the event that would be the next."""

NONE = -1
"""No index, no operand."""

OPERAND_EVENT = -2
OPERAND_USER = -3
OPERAND_TIME = -4
OPERAND_SESSION = -5

OWN_FIELDS: dict[str, int] = {"event": 2, "user": 3, "time": 4, "session": 5}
"""The event's own fields and their number after OWN; the operand is the negative of it."""

KEEP_TTL = 0
"""``Feature.keep``: the feature lives as long as its user's time to live says."""

KEEP_ALWAYS = -1
"""``Feature.keep``: the feature keeps its user for good."""

Constant = None | bool | int | float | str
PropertyKind = Literal["str", "int", "float", "bool", "time", "list"]
WindowKind = Literal["session", "tumbling", "hopping", "calendar", "sliding", "lifetime", "since"]
TriggerKind = Literal["when", "event", "sequence", "actor", "at", "every"]
Fire = Literal["rise", "each", "once"]
Timer = Literal["restart", "each", "keep"]
Mode = Literal["live", "shadow"]
ReductionKind = Literal["max", "min", "sum", "any"]
Clock = Literal["wall", "event"]


class Op(IntEnum):
    """Operations of the stack machine; a missing or wrongly typed operand compares false."""

    END = 0
    CONST = 1
    FIELD = 2
    OWN = 3
    FIELD_OF = 4
    OWN_OF = 5
    FEATURE = 6
    SEGMENT = 7
    METRIC = 8
    ADD = 9
    SUB = 10
    MUL = 11
    DIV = 12
    NEG = 13
    ABS = 14
    ROUND = 15
    MIN = 16
    MAX = 17
    EQ = 18
    NE = 19
    LT = 20
    LE = 21
    GT = 22
    GE = 23
    IN = 24
    IN_VALUE = 25
    NOT = 26
    AND_JUMP = 27
    OR_JUMP = 28
    EXISTS = 29
    LOWER = 30
    STARTSWITH = 31
    CONTAINS = 32
    REDUCE = 33
    HOUR = 34
    WEEKDAY = 35
    DAYS_SINCE = 36
    DISTANCE_KM = 37
    STEP = 38


@dataclass(frozen=True, slots=True)
class SchemaProperty:
    """One declared property of an event. ``nullable``: it may be null or absent."""

    name: str
    type: PropertyKind
    nullable: bool


@dataclass(frozen=True, slots=True)
class Schema:
    """The declared properties of one event; undeclared properties pass untyped."""

    event_id: int
    props: tuple[SchemaProperty, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A key of the event's ``props`` or ``context`` map that the plan reads."""

    scope: Literal["props", "context"]
    name: str


@dataclass(frozen=True, slots=True)
class Selector:
    """Which events: ``event_ids`` None is every event not derived; ``code``: a condition or -1."""

    event_ids: tuple[int, ...] | None
    code: int


@dataclass(frozen=True, slots=True)
class Reduction:
    """A code read for each group that any of ``features`` holds. The features have one ``by``."""

    kind: ReductionKind
    code: int
    features: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Feature:
    """A stored per-user aggregate. Expressions over features are inlined where they are read.

    ``size_ms`` and ``every_ms`` are 0 where the window has none; ``every_ms`` divides ``size_ms``
    for hopping. ``by`` -1: not grouped. ``reset_selector`` only for ``since``. ``emitted``: its
    closed windows leave as records. ``option``: the half-life in ms of ``decay``, the ``q`` of
    ``quantile``. ``calendar``: index into ``Program.calendars``. ``value`` -1: the event itself,
    which counts as 1.
    """

    name: str
    aggregate: str
    window: WindowKind
    size_ms: int
    every_ms: int
    selector: int
    value: int
    by: int
    by_name: str
    by_max: int
    list_max: int
    sliding_max: int
    reset_selector: int
    keep: int
    emitted: bool
    version: str
    option: float = 0.0
    calendar: int = NONE


@dataclass(frozen=True, slots=True)
class Segment:
    """A named condition with its two derived events, and all that it reads, transitively.

    ``limits``: (feature, milliseconds) pairs; it may change when so much time has passed since the
    latest event of that ``time_since``.
    """

    name: str
    code: int
    features: tuple[int, ...]
    segments: tuple[int, ...]
    enters_event: int
    leaves_event: int
    version: str
    limits: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a sequence. ``for_ms`` is 0 except for a trailing negated step.

    ``code``: where its condition reads earlier steps, that condition; the selector then tells no
    more than the event's name. ``kept``: later steps read what this one took.
    """

    selector: int
    negated: bool
    for_ms: int
    times_min: int = 1
    times_max: int = 1
    code: int = NONE
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """A value sent along; ``map_feature`` >= 0: that feature's whole {group: value} map.

    ``map_groups`` >= 0: the reduction whose code is read for each group, as such a map.
    """

    name: str
    code: int
    map_feature: int
    map_groups: int = NONE


@dataclass(frozen=True, slots=True)
class Trigger:
    """A per-user rule. ``feeds`` (kind when, at): the selectors whose events have it evaluated.

    ``keeps``: the operands that conditions on earlier steps read, in the order of their numbers in
    STEP. ``group``: the ``by`` of the grouped features that ``when`` reads. ``within_ms`` 0:
    unbounded. ``version``: 16 hex digits over what decides when it fires, see ``plan.version``.
    ``time`` (kind at): the code of its instant; ``calendar`` (kind every): its instants, as windows
    that begin there. ``group_features`` (both): the features whose groups it has, under ``match``;
    ``time_features``: those that ``time`` reads. ``hidden``: values that actions choose by, and
    that are not sent along.
    """

    name: str
    kind: TriggerKind
    fire: Fire
    when: int
    selector: int
    feeds: tuple[int, ...]
    group: int
    group_name: str
    steps: tuple[Step, ...]
    within_ms: int
    match: int
    match_name: str
    timer: Timer
    event_time: bool
    strict: bool
    partial_max: int
    cooldown_ms: int
    values: tuple[Value, ...]
    mode: Mode
    version: str
    actions: tuple[str, ...]
    actor: str
    params: dict[str, Any] = field(default_factory=dict)
    policies: TriggerPolicies = NO_POLICIES
    keeps: tuple[int, ...] = ()
    time: int = NONE
    past_skipped: bool = False
    calendar: int = NONE
    time_features: tuple[int, ...] = ()
    group_features: tuple[int, ...] = ()
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """A tumbling aggregate across users: panes per key group, merged by the coordinator."""

    name: str
    aggregate: Literal["count", "sum"]
    selector: int
    value: int
    by: int
    by_name: str
    size_ms: int


@dataclass(frozen=True, slots=True)
class MetricTrigger:
    """A rule over metrics, evaluated by the coordinator when the shortest of its windows closes."""

    name: str
    metrics: tuple[int, ...]
    when: int
    fire: Fire
    cooldown_ms: int
    values: tuple[Value, ...]
    mode: Mode
    version: str
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Action:
    """What is to be done: the channel's name and its parameters as the plan gives them."""

    name: str
    channel: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Choice:
    """``choose``: the action for each value of a feature, and for all others (empty: none)."""

    name: str
    feature: str
    cases: dict[str, str]
    otherwise: str


@dataclass(frozen=True, slots=True)
class Program:
    """The whole compiled plan.

    ``plan_hash``: 16 bytes of BLAKE2b over the canonical plan. ``clock`` None: the command decides.
    ``event_names``: every declared, named and derived event; the index is the event id.
    ``calendars``: the windows of each, as ``plan.calendars`` has them. ``segments`` are in
    dependency order, everything else in the plan's order. ``quiet_offsets``: what the zone's clocks
    show, (from, offset from UTC), where a trigger has quiet hours; ``offsets``: the same where a
    condition looks at its clocks. ``ends_on``: the selector of the last events of sessions.
    """

    plan_name: str
    plan_hash: bytes
    gap_ms: int
    session_max_ms: int
    dedup_ms: int
    ttl_ms: int
    lateness_ms: int
    future_ms: int
    idle_ms: int
    clock: Clock | None
    event_names: tuple[str, ...]
    event_derived: tuple[bool, ...]
    unknown_events_refused: bool
    schemas: tuple[Schema, ...]
    fields: tuple[Field, ...]
    consts: tuple[Constant, ...]
    codes: tuple[tuple[int, ...], ...]
    selectors: tuple[Selector, ...]
    features: tuple[Feature, ...]
    segments: tuple[Segment, ...]
    triggers: tuple[Trigger, ...]
    metrics: tuple[Metric, ...]
    metric_triggers: tuple[MetricTrigger, ...]
    metric_values: tuple[tuple[str, int], ...]
    actions: dict[str, Action]
    emit_session: tuple[str, ...]
    emit_window: dict[int, tuple[str, ...]]
    emit_metric: dict[int, tuple[str, ...]]
    uses_session_events: bool
    pseudonymise: bool = False
    calendars: tuple[tuple[tuple[int, int], ...], ...] = ()
    contact_cap: Cap = NO_CAP
    quiet_offsets: tuple[tuple[int, int], ...] = ()
    reductions: tuple[Reduction, ...] = ()
    offsets: tuple[tuple[int, int], ...] = ()
    ends_on: int = NONE
    choices: tuple[Choice, ...] = ()
