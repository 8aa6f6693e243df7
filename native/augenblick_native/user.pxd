# One user: the order of things within an event, and the order of timers.
from libc.stdint cimport int64_t, uint8_t

from augenblick_native.machine cimport Event, Machine

cdef enum:
    BEFORE_FED = 1              # bits of Machine.when_before
    BEFORE_AT = 2
    BEFORE_LATEST = 4

# Run the whole list for one event of the user at hand (machine.keeper), then for what it caused.
cdef void run_event(Machine* machine, Event* event) noexcept nogil

# True if a late event finds a place: an open session, a window, a rule that takes events out of order.
cdef bint late_fits(Machine* machine, Event* event) noexcept nogil

# Everything of the user whose instant the clock `to_ms` is strictly past, in order.  The user may be gone afterwards
# (machine.keeper.user is NULL).  Sets the user's timer anew.
cdef void run_due(Machine* machine, int64_t to_ms) noexcept nogil
