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
