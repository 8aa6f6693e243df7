# The plan's program as C tables.  Made once by Program, read-only afterwards, shared by every
# kernel call.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from augenblick_native.hash cimport HashKey, same_bytes
from augenblick_native.msgpack cimport Value

cdef enum:
    STACK_VALUES_MAX = 32       # operand stack of one condition
    CODE_WORDS_MAX = 4096
    OPERAND_NONE = -1
    OPERAND_EVENT = -2
    OPERAND_USER = -3
    OPERAND_TIME = -4
    OPERAND_SESSION = -5

cdef enum Aggregate:
    AGGREGATE_COUNT
    AGGREGATE_SUM
    AGGREGATE_MIN
    AGGREGATE_MAX
    AGGREGATE_AVG
    AGGREGATE_RATE
    AGGREGATE_DECAY
    AGGREGATE_TIME_SINCE
    AGGREGATE_FIRST             # from here on: entries, not a fixed state
    AGGREGATE_LAST
    AGGREGATE_LIST
    AGGREGATE_DISTINCT          # from here on: sketches
    AGGREGATE_QUANTILE
    AGGREGATE_TOP

cdef enum Window:
    WINDOW_SESSION
    WINDOW_TUMBLING
    WINDOW_HOPPING
    WINDOW_CALENDAR
    WINDOW_SLIDING
    WINDOW_LIFETIME
    WINDOW_SINCE

cdef enum TriggerKind:
    TRIGGER_WHEN
    TRIGGER_EVENT
    TRIGGER_SEQUENCE
    TRIGGER_ACTOR
    TRIGGER_AT
    TRIGGER_EVERY

cdef enum Fire:
    FIRE_RISE
    FIRE_EACH
    FIRE_ONCE

cdef enum TimerMode:
    TIMER_RESTART
    TIMER_EACH
    TIMER_KEEP


cdef enum Op:                           # a word's low byte; engine/augenblick/plan/program.py: Op
    OP_END
    OP_CONST
    OP_FIELD
    OP_OWN
    OP_FIELD_OF
    OP_OWN_OF
    OP_FEATURE
    OP_SEGMENT
    OP_METRIC
    OP_ADD
    OP_SUB
    OP_MUL
    OP_DIV
    OP_NEG
    OP_ABS
    OP_ROUND
    OP_MIN
    OP_MAX
    OP_EQ
    OP_NE
    OP_LT
    OP_LE
    OP_GT
    OP_GE
    OP_IN
    OP_IN_VALUE
    OP_NOT
    OP_AND_JUMP
    OP_OR_JUMP
    OP_EXISTS
    OP_LOWER
    OP_STARTSWITH
    OP_CONTAINS
    OP_REDUCE                           # from here on: functions.pyx
    OP_HOUR
    OP_WEEKDAY
    OP_DAYS_SINCE
    OP_DISTANCE_KM
    OP_STEP


# A run of indexes inside Plan.lists.
cdef struct Span:
    uint32_t at
    uint32_t count

cdef struct Text:
    const uint8_t* data
    uint32_t size

cdef struct Code:
    const uint32_t* words
    uint32_t size
    # the comparison, where the code is just FEATURE, CONST and that; else 0
    uint32_t compares

cdef struct FieldRule:
    bint in_context             # else in props
    Text name

cdef struct SelectorRule:
    int32_t code                # where-condition or -1

# Windows of a calendar: from start_ms on one every step_ms, until the next run begins.  The first
# and the last run go on without end.
cdef struct CalendarRun:
    int64_t start_ms
    int64_t step_ms

cdef struct Calendar:
    const CalendarRun* runs
    uint32_t count

cdef enum ReductionKind:
    REDUCTION_MAX
    REDUCTION_MIN
    REDUCTION_SUM
    REDUCTION_ANY

# A code read for each group that any of the features holds.
cdef struct ReductionRule:
    ReductionKind kind
    int32_t code
    Span features

cdef struct FeatureRule:
    Text name
    Text version
    Aggregate aggregate
    Window window
    int64_t size_ms
    # granularity of its panes: the size of a tumbling window, the step of a hopping one
    int64_t pane_ms
    int32_t selector
    int32_t value               # operand
    int32_t by                  # operand
    Text by_name
    uint32_t by_max
    uint32_t list_max
    uint32_t sliding_max
    int32_t reset_selector
    int64_t keep_ms             # 0: the plan's ttl; INT64_MAX: always
    bint emitted
    uint16_t slot
    uint16_t stride             # bytes of a fixed aggregate's state; 0 for entries and sketches
    bint is_sketch              # its panes hold sketches; a sliding one keeps entries
    double option               # half-life in ms, or q
    const Calendar* calendar    # of calendar windows

cdef struct SegmentRule:
    Text name
    Text version
    int32_t code
    Span features               # stored features it reads, transitively
    bint reads_sessions         # one of them is over sessions
    Span limits                 # in Plan.limits
    int32_t enters_event
    int32_t leaves_event
    uint16_t slot

# A segment may change when so much time has passed since the feature's latest event.
cdef struct LimitRule:
    uint32_t feature
    int64_t limit_ms

cdef struct StepRule:
    int32_t selector
    int64_t for_ms
    int32_t code                # of a condition that reads earlier steps, or -1
    uint8_t times_min           # events it takes
    uint8_t times_max
    bint kept                   # later steps read what it took

# What may not come between two steps.
cdef struct NegationRule:
    int32_t selector
    int32_t code                # as in StepRule
    uint32_t after              # positive steps before it

# Where a partial stands: at the so many-th event of a step.  Numbered from 1, as steps are.
cdef struct PositionRule:
    uint8_t step
    uint8_t following           # position of the next step's first event
    bint is_enough              # the next step may come
    bint repeats                # one more event of this step may come

cdef struct ValueRule:
    Text name
    int32_t code
    int32_t map_feature
    int32_t map_groups          # a reduction, whose code is read for each group

# What holds a trigger's firings back, its cooldown aside; see policies.pyx.
cdef struct Policies:
    uint32_t cap_firings        # 0: no cap
    uint16_t cap_slot           # times of the firings that left
    bint is_contact             # the contact cap counts it
    int64_t cap_ms
    int32_t priority
    int32_t contest             # the slot of the plan that it is in; -1: none
    bint contends               # decided with the others of its event or instant
    uint32_t control            # shares of SHARES
    uint32_t variants_at        # in Plan.shares
    uint32_t variants_count
    HashKey control_key
    HashKey variant_key

cdef struct TriggerRule:
    Text name
    Text version
    # of name and version: the same in every plan that holds this very trigger
    uint64_t identity
    TriggerKind kind
    Fire fire
    int32_t when
    int32_t selector
    Span feeds
    int32_t group               # operand
    Text group_name
    uint32_t steps_at           # in Plan.steps: the positive ones
    uint32_t steps_count
    uint32_t positions_at       # in Plan.positions
    uint32_t positions_count    # up to the one that completes a match
    uint32_t negations_at       # in Plan.negations: those between steps
    uint32_t negations_count
    uint32_t keeps_at           # in Plan.keeps: operands of events that conditions read later
    uint32_t keeps_count
    # no repeats, no negation between steps, no condition on earlier ones: position and step are one
    bint is_plain
    bint ends_in_not
    StepRule negation
    int64_t within_ms           # INT64_MAX: unbounded
    int32_t match               # operand
    Text match_name
    TimerMode timer
    bint event_time
    bint strict
    uint32_t partial_max
    int64_t cooldown_ms
    uint32_t values_at
    uint32_t values_count
    bint shadow
    Policies policies
    uint16_t slot               # firings so far: once, cooldown, k
    uint16_t partial_slot
    uint16_t absence_slot       # of `at`: its alarms
    uint16_t waiting_slot
    int32_t time                # of `at`: code of its instant
    bint past_skipped
    Span time_features          # that it reads
    Span group_features         # of `at` and `every`: those whose groups it has
    const Calendar* calendar    # of `every`: its instants begin the windows

cdef struct MetricRule:
    Text name
    Aggregate aggregate
    int32_t selector
    int32_t value
    int32_t by
    int64_t size_ms

# What an event of one name may touch, as spans of indexes in the plan's order.
cdef struct Dispatch:
    Span features
    Span resets
    Span segments
    Span whens
    Span sequences
    Span occasions              # event and actor triggers
    Span metrics
    Span alarms                 # `at` triggers

cdef struct NameEntry:
    uint64_t hashed
    Text name
    int32_t index               # -1: free

cdef struct NameTable:
    NameEntry* entries
    uint32_t mask

cdef struct Plan:
    int64_t gap_ms
    int64_t session_max_ms
    int32_t ends_on             # selector of the events that are the last of their session, or -1
    int64_t dedup_ms
    int64_t ttl_ms
    uint32_t event_count
    const uint8_t* event_derived
    Text* event_names
    NameTable events            # name -> event id
    NameTable props             # key -> field id
    NameTable context
    uint32_t field_count
    FieldRule* fields
    uint32_t const_count
    Value* consts
    uint32_t code_count
    Code* codes
    uint32_t selector_count
    SelectorRule* selectors
    const uint8_t* selector_names   # [selector][event id + the unknown row]: named there
    uint32_t feature_count
    FeatureRule* features
    Calendar* calendars
    ReductionRule* reductions
    Calendar offsets            # of the plan's zone: from start_ms on its clocks are step_ms ahead
    uint32_t segment_count
    SegmentRule* segments
    LimitRule* limits
    uint32_t trigger_count
    TriggerRule* triggers
    StepRule* steps
    PositionRule* positions
    NegationRule* negations
    int32_t* keeps
    ValueRule* values
    uint32_t metric_count
    MetricRule* metrics
    Dispatch* dispatch          # [event id]; the last row is for names that no rule names
    const uint32_t* lists
    uint32_t slot_count
    int32_t session_start_event
    int32_t session_end_event
    int32_t starts_field        # fields of the derived events, -1 where no rule reads them
    int32_t ends_field
    int32_t events_field
    int32_t segment_field
    bint emits_sessions
    uint32_t contact_firings    # the contact cap; 0: none
    uint16_t contact_slot
    int64_t contact_ms
    const uint32_t* shares      # of variants: the first share that is no longer the variant's
    bint session_segments       # a segment reads a feature over sessions
    Span schedules              # `every` triggers
    uint16_t schedule_slot      # 0: none


cdef class Program:
    cdef Plan plan
    cdef list _kept             # Python objects whose bytes the tables point into
    cdef list _blocks           # owners of the tables

    cdef void* _table(self, size_t count, size_t item_bytes) except NULL
    cdef Text _text(self, text)
    cdef NameTable _name_table(self, list names) except *
    cdef int _load_names(self, source) except -1
    cdef int _load_codes(self, source) except -1
    cdef int _load_calendars(self, source) except -1
    cdef int _load_reductions(self, source) except -1
    cdef int _load_features(self, source) except -1
    cdef uint16_t _slot(self) except? 0xFFFF
    cdef int _load_segments(self, source) except -1
    cdef int _make_step_tables(self, list steps) except -1
    cdef int _load_triggers(self, source) except -1
    cdef int _load_policies(self, source) except -1
    cdef int _load_metrics(self, source) except -1
    cdef int _load_dispatch(self, source) except -1


cdef inline int32_t find_name(
    const NameTable* table, uint64_t hashed, const uint8_t* data, uint32_t size
) noexcept nogil:
    cdef uint32_t at = <uint32_t>hashed & table.mask
    cdef NameEntry* entry
    while True:
        entry = &table.entries[at]
        if entry.index < 0:
            return -1
        if (
            entry.hashed == hashed
            and entry.name.size == size
            and same_bytes(entry.name.data, data, size)
        ):
            return entry.index
        at = (at + 1) & table.mask


# True if an event of this id (-1: a name that no rule names) is named by the selector.
cdef inline bint names(const Plan* plan, int32_t selector, int32_t event_id) noexcept nogil:
    cdef uint32_t row = plan.event_count if event_id < 0 else <uint32_t>event_id
    return plan.selector_names[<size_t>selector * (plan.event_count + 1) + row] != 0
