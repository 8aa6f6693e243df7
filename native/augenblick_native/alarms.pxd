# `at`: timers at an instant that the user's state tells, one for each group.
from libc.stdint cimport int64_t, uint16_t, uint32_t

from augenblick_native.machine cimport Event, Machine
from augenblick_native.program cimport Span

# The cell of one group; identities and cause of the event that moved it follow while it waits.
cdef struct Alarm:
    int64_t time_ms             # TIME as it stands
    int64_t instant_ms          # the same while it is still to come; else NEVER_MS
    uint32_t cause_bytes
    uint16_t identity_bytes
    uint16_t identity_parts

# After an event: where did it move the instants of these triggers?
cdef void run_alarms(Machine* machine, Event* event, const Span* alarms) noexcept nogil

# The instant of the alarm in this cell; NEVER_MS: it has gone off, or passed before it was set.
cdef int64_t alarm_instant_ms(Machine* machine, uint32_t offset) noexcept nogil

# The instant has come: the first of the trigger's groups that wait for it fires.
cdef void ring(Machine* machine, uint32_t trigger, int64_t instant_ms) noexcept nogil
