# From an occasion to a result row: `when` beside it, k, cooldown, values.
from libc.stdint cimport int64_t, uint32_t

from augenblick_native.machine cimport Event, Group, Machine, Moment, Row
from augenblick_native.predicate cimport Readers
from augenblick_native.program cimport TriggerRule
from augenblick_native.step cimport Match

# Readers of features and segments for conditions over one user.
cdef const Readers* user_readers() noexcept nogil

# Membership of a segment: a cell of the user's record.
cdef struct Membership:
    int64_t evaluated_ms        # instant of the last evaluation
    int64_t timed_ms            # last instant at which time decided; NO_TIME_MS
    # no later than the next instant at which time alone may change it; NEVER_MS
    int64_t next_ms
    uint32_t is_member
    uint32_t unused

# The group of a trigger's grouped features that the event names.  False: none.
cdef bint group_for(
    Machine* machine, const TriggerRule* rule, const Event* event, Group* group
) noexcept nogil

cdef void set_group(Moment* moment, const Group* group) noexcept nogil

# An `event`, `actor` or `when` occasion: the event at hand is the cause.
cdef void fire_event(Machine* machine, uint32_t trigger, Event* event) noexcept nogil

# A sequence's match or absence.
cdef void fire_match(
    Machine* machine, uint32_t trigger, const Match* match, bint is_absence
) noexcept nogil

# A schedule's instant, for a group of the user at hand (one without bytes: none).
cdef void fire_scheduled(
    Machine* machine, uint32_t trigger, int64_t instant_ms, const Group* group
) noexcept nogil

# `fire: once`: True the first time.
cdef bint rises_first(Machine* machine, const TriggerRule* rule) noexcept nogil

# A row with the stamps of what is at hand; the caller fills the rest and puts it.
cdef Row new_row(Machine* machine) noexcept nogil
cdef void put_row(Machine* machine, Row* row) noexcept nogil
