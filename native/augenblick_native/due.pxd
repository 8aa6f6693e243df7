# One user: what time makes happen, in order.
from libc.stdint cimport int64_t
from augenblick_native.machine cimport Machine
from augenblick_native.state cimport KeyGroup, User

# Everything of the user at hand whose instant the clock `to_ms` is strictly past, in order.  The
# user
# may be gone afterwards (machine.keeper.user is NULL).  Sets the user's timer anew.
cdef void run_due(Machine* machine, int64_t to_ms) noexcept nogil

# Take a user out of the key group, with all timers, and give the record back.
cdef void forget_user(Machine* machine, KeyGroup* group, User* user) noexcept nogil
