# What one kernel call works with: the plan, the state, the event or instant at hand, the results.
from libc.stdint cimport (
    INT64_MAX, INT64_MIN, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t,
)

from augenblick_native.arena cimport Arena
from augenblick_native.buffer cimport Buffer
from augenblick_native.msgpack cimport Value
from augenblick_native.program cimport Plan, Text
from augenblick_native.record cimport Keeper
from augenblick_native.state cimport KeyGroup

cdef enum:
    # derived events of derived events; segments form no cycle, so a plan bounds it too
    # decimal text of an integer user id
    ID_TEXT_BYTES = 24
    EVENT_DEPTH_MAX = 8
    EVENTS_AHEAD = 16               # events whose memory is fetched before the first is applied
    # a group's value as msgpack; engine/augenblick/limits.py: group_bytes_max
    GROUP_BYTES_MAX = 264
    # engine/augenblick/limits.py: schedule_spread_ms
    SCHEDULE_SPREAD_MS = 60000
    # a kept property value; engine/augenblick/limits.py: value_bytes_max
    VALUE_BYTES_MAX = 1024

cdef extern from *:
    """
    #define AB_INSTANT_MS_MIN (-2208988800000LL)    /* 1900-01-01, as of events */
    #define AB_INSTANT_MS_END 7258118400000LL       /* 2200-01-01, exclusive */
    """
    const int64_t INSTANT_MS_MIN "AB_INSTANT_MS_MIN"
    const int64_t INSTANT_MS_END "AB_INSTANT_MS_END"

cdef enum:                          # Machine.counters
    COUNT_EVENTS                    # applied
    COUNT_DUPLICATES                # same (user, id) within dedup
    COUNT_RESENT                    # numbered events seen before
    COUNT_REFUSED                   # not applied, for whatever reason
    COUNT_LATE                      # older than the watermark, applied in part or whole
    COUNT_LATE_DROPPED              # fitted nowhere
    COUNT_LATE_PARTLY               # a feature's window was closed already
    COUNT_SESSIONS_STARTED
    COUNT_SESSIONS_CLOSED
    COUNT_FIRINGS
    COUNT_FIRINGS_COOLDOWN
    COUNT_FIRINGS_WARM
    COUNT_GROUPS_EVICTED
    COUNT_SLIDING_FOLDED
    COUNT_SINCE_IGNORED
    COUNT_PARTIALS_DROPPED
    COUNT_WAITING_FORCED
    COUNT_VALUES_TOO_LONG
    COUNT_USERS_EXPIRED
    COUNT_PRINTS_DROPPED
    COUNT_METRIC_GROUPS_OTHER
    # a user's record could not grow: a part of an event was not kept
    COUNT_STATE_FULL
    COUNT_DEPTH_EXCEEDED
    COUNTERS

cdef enum:                          # Row.kind
    ROW_FIRING
    ROW_ACTOR
    ROW_SESSION
    ROW_WINDOW
    ROW_REFUSED
    ROW_SUPPRESSED                  # on its way out of the rows

cdef enum:                          # Row.flags
    ROW_APPROXIMATE = 1
    ROW_SHADOW = 2

# One result; binding.blocks reads the same bytes.  `body` is a msgpack value in
# Machine.bodies.
cdef struct Row:
    uint8_t kind
    uint8_t flags
    uint16_t variant                # of a firing: 0 none, 1 control, then the trigger's variants
    uint32_t rule                   # trigger or feature index; status of a refused record
    # index of the event in the call that released it; -1: the clock alone did
    int32_t record
    uint32_t k
    int64_t fired_ms                # the engine's clock when it was released
    int64_t time_ms
    int64_t start_ms                # start of session or window; NO_TIME_MS none
    int64_t end_ms
    int64_t count
    uint64_t body_at
    uint64_t body_bytes

# One metric pane whose window closed; binding.blocks reads the same bytes.
cdef struct PaneRow:
    uint16_t key_group
    uint16_t metric
    uint32_t group_bytes            # msgpack value in Machine.bodies; 0: no group
    uint64_t group_at
    int64_t start_ms
    int64_t count
    int64_t sum_high
    uint64_t sum_low

# A group's value as msgpack.
cdef struct Group:
    const uint8_t* data             # NULL: no group
    uint16_t size
    uint32_t hashed

# The group that one field of the event names, once it was asked for.
cdef struct FieldGroup:
    Group group
    uint32_t generation
    bint is_group

# The event at hand, client's or derived.  Views point into the batch, or into Machine.scratch for
# derived ones.
cdef struct Event:
    int32_t event_id                # -1: a name that no rule names
    bint derived
    bint warm
    bint late
    int64_t time_ms
    int64_t ingest_ms
    Text name
    Value id
    Value session                   # the client's own session property
    Text user                       # no data: user_number is its id
    int64_t user_number
    const uint8_t* props            # msgpack map; NULL: none
    uint32_t props_bytes
    Value* fields                   # [field]
    FieldGroup* groups              # [field]
    uint32_t* selected              # [selector]: 2 * generation + truth, see predicate.selects
    uint32_t generation
    uint32_t session_serial         # 0: none

# What a condition sees: an instant, the event if one is at hand, a group.
cdef struct Moment:
    const Event* event              # NULL: time decides
    int64_t at_ms
    bint ends_at                    # time decides at at_ms: read the windows that end there
    const uint8_t* group            # msgpack bytes; NULL: no group
    uint16_t group_bytes
    uint32_t group_hash
    bint approximate                # set when a value read was

# A slot of the user's cells: whose state it is.
cdef enum SlotKind:
    SLOT_KIND_SESSIONS
    SLOT_KIND_FEATURE
    SLOT_KIND_SEGMENT
    SLOT_KIND_FIRED
    SLOT_KIND_PARTIALS
    SLOT_KIND_ABSENCES
    SLOT_KIND_WAITING
    SLOT_KIND_CAP
    SLOT_KIND_CONTACTS
    SLOT_KIND_ALARMS
    SLOT_KIND_SCHEDULES             # of all triggers together

# Why a firing did not leave; counted for each trigger.
cdef enum Suppression:
    SUPPRESSED_COOLDOWN
    SUPPRESSED_CAP
    SUPPRESSED_SLOT
    SUPPRESSED_CONTACT_CAP
    SUPPRESSIONS

cdef struct SlotRule:
    SlotKind kind
    uint32_t index                  # of the feature, segment or trigger

# The clock rose to watermark_ms before this event of the call.
cdef struct Rise:
    int64_t watermark_ms
    int64_t ingest_ms
    int32_t record

# A derived event to run after its cause.
cdef struct Caused:
    int32_t event_id
    int64_t time_ms

# What a condition on earlier steps reads; steps.pyx says how rows lie.
cdef struct Rows:
    const uint8_t* at_hand          # the row of the event that would be the next
    uint32_t at_hand_bytes
    const uint8_t* kept             # those of earlier steps
    uint32_t kept_bytes

cdef struct Machine:
    const Plan* plan
    Arena arena                     # of the records
    Arena tables                    # of what key groups hold beside them
    KeyGroup* groups                # [KEY_GROUPS]
    int64_t* earliest               # [KEY_GROUPS]: the next instant of each
    int64_t shard_clock_ms          # every key group's clock is at least this
    uint8_t[ID_TEXT_BYTES] id_text  # decimal text of an integer user id
    KeyGroup* group                 # of the user at hand
    uint16_t key_group
    Keeper keeper                   # the user's record
    Keeper annex                    # and annex, while partials are dealt with
    # the clock that reads see: the watermark, or the instant of a timer
    int64_t clock_ms
    int64_t due_ms                  # instant of the timer at hand; NO_TIME_MS while an event is
    int32_t record                  # of the event at hand; -1: the clock
    int64_t fired_ms                # for the results of the event at hand
    bint ingest_is_now              # the event clock: results are stamped with ingest time
    int64_t now_ms                  # given with the call; else for the stamps
    Buffer rises                    # of Rise: where the clock rose in this call, in order
    int64_t memory_bytes_max        # 0: no bound
    uint64_t users
    bint emits_sessions
    const SlotRule* slots           # [slot]
    int32_t depth                   # of the event at hand; -1: none
    bint after_event                # timers run that the event at hand has made due
    bint closing                    # a session closes: windows that end at clock_ms have closed
    bint is_warm                    # what happens now comes of an event that only builds state
    Event[EVENT_DEPTH_MAX] events
    Event[EVENTS_AHEAD] ahead       # read before they are applied
    uint32_t generation             # of the latest event that was put into one of these
    uint8_t* when_before            # [depth][trigger]: bits BEFORE_*
    Caused* caused                  # [depth][segment + 1]
    Buffer rows
    Buffer bodies
    Buffer panes
    Buffer scratch                  # derived props, list values; reset per event
    uint64_t[COUNTERS] counters
    Buffer sketch                   # a sketch in the making
    Buffer rivals                   # of policies.Rival: firings that are yet to be decided
    uint64_t* suppressed            # [trigger][Suppression]
    Rows step_rows                  # for conditions on earlier steps
    int64_t scheduled_ms            # two instants of schedules that follow each other, see
    int64_t next_scheduled_ms       # schedules.may_be_put_off


# The event was filled anew: what was worked out of it before holds no more.
cdef inline void renew(Machine* machine, Event* event) noexcept nogil:
    machine.generation += 1
    event.generation = machine.generation


cdef inline int64_t floor_to(int64_t value, int64_t step) noexcept nogil:
    cdef int64_t rest = value % step
    if rest < 0:
        rest += step
    return value - rest


# Addition that stops at the ends of time instead of wrapping.
cdef inline int64_t plus(int64_t one, int64_t other) noexcept nogil:
    if other > 0 and one > INT64_MAX - other:
        return INT64_MAX
    if other < 0 and one < INT64_MIN - other:
        return INT64_MIN
    return one + other
