# `every`: instants by the calendar, for each user.
from libc.stdint cimport int64_t

from augenblick_native.machine cimport Machine

# The next instant of any schedule for the user at hand; NEVER_MS: the plan has none.  A user who is
# new to schedules begins where the clock of their key group stands.
cdef int64_t next_schedule_ms(Machine* machine) noexcept nogil

# The instant has come: every schedule of it, in the plan's order.
cdef void run_schedules(Machine* machine, int64_t instant_ms) noexcept nogil

# How long after an instant the clock alone comes to the user at hand, so that not everybody's turn
# is at once.  Nothing where time is that of the events.
cdef int64_t put_off_ms(Machine* machine) noexcept nogil

# May there be users whose turn has not come, with a key group's clock there?  An event's own user
# has to have theirs before it is applied.
cdef bint may_be_put_off(Machine* machine, int64_t clock_ms) noexcept nogil
