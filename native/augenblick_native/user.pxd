# One user: the order of things within an event.
from libc.stdint cimport int32_t, int64_t
from augenblick_native.machine cimport Event, Machine
from augenblick_native.state cimport Session

# Run the whole list for one event of the user at hand (machine.keeper), then for what it caused.
cdef void run_event(Machine* machine, Event* event) noexcept nogil

# Run a derived event: session.end if `closing` is given, else session.start, an enter or a leave.
cdef void run_derived(
    Machine* machine, int32_t event_id, int64_t time_ms, bint warm, const Session* closing
) noexcept nogil

# True if a late event finds a place: an open session, a window, a rule that takes events out of
# order.
cdef bint late_fits(Machine* machine, Event* event) noexcept nogil
