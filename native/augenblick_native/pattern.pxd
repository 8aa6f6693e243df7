# Sequences: partials, absences and the events that wait for their turn, as cells of the user's
# record.
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint8_t

from augenblick_native.buffer cimport Buffer
from augenblick_native.machine cimport Event, Group, Machine
from augenblick_native.program cimport TriggerRule
from augenblick_native.step cimport Match, Taken

cdef enum:
    WAITING_MAX = 256           # events that wait, per user and trigger, DESIGN section 5
    ABSENCE_VALUES_MAX = 1024   # values of `match` with a timer, per user and trigger

# A timer of an absence; the identity and the cause of the step before it follow.
cdef struct AbsenceHead:
    int64_t deadline_ms
    int64_t step_ms
    uint32_t size
    uint32_t stamp              # the user's, grows with each arming: the order of equal deadlines
    uint32_t cause_bytes
    uint16_t identity_bytes
    uint16_t identity_parts

# An event that waits; its `match` value, identity, cause and row follow.
cdef struct WaitingHead:
    int64_t time_ms
    uint32_t size
    uint32_t mask
    uint32_t cause_bytes
    uint16_t group_bytes
    uint16_t identity_bytes
    uint8_t identity_parts
    uint8_t derived
    uint16_t unused
    uint32_t row_bytes

# Head of the waiting cell: how many wait; where in the payload the first and the last lie, and
# where the last ends.
cdef struct Queue:
    uint32_t count
    uint32_t first_at
    uint32_t last_at
    uint32_t end_at

# What the sequence sees of an event at hand.  False: it is no concern of the sequence.
cdef bint taken_of(
    Machine* machine, const TriggerRule* rule, Event* event, Taken* taken
) noexcept nogil

# Let an event cancel, step and begin.  True: it completed a match.
cdef bint take_event(
    Machine* machine, const TriggerRule* rule, const Taken* taken, Match* match
) noexcept nogil

# Put an event of an event-time sequence where it waits for the watermark.
cdef bint wait(Machine* machine, const TriggerRule* rule, const Taken* taken) noexcept nogil

# The earliest waiting event of the trigger; NEVER_MS none.  Take it out: its views go to the call's
# scratch.
cdef int64_t next_waiting_ms(Machine* machine, const TriggerRule* rule) noexcept nogil
cdef bint take_waiting(Machine* machine, const TriggerRule* rule, Taken* taken) noexcept nogil

# The earliest deadline of the trigger's absences; NEVER_MS none.  Take it out as a match.
cdef int64_t next_deadline_ms(Machine* machine, const TriggerRule* rule) noexcept nogil
cdef bint take_absence(Machine* machine, const TriggerRule* rule, Match* match) noexcept nogil

# A firing's cause and the identity of an event, as msgpack.
cdef void pack_cause(Buffer* buffer, const Event* event) noexcept nogil
cdef void pack_identity(Buffer* buffer, const Event* event, uint8_t* parts) noexcept nogil
