# What has left of a trigger's firings for a user, and what may still leave; see policies.pyx.
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from augenblick_native.machine cimport Machine, Row
from augenblick_native.program cimport TriggerRule

cdef enum:
    SHARES = 10000
    VARIANT_CONTROL = 1

cdef struct FiredHead:              # a cell: then Counted items for the latest time
    int64_t left_ms                 # the latest time of those that left; NO_TIME_MS
    int64_t latest_ms
    uint32_t has_risen
    uint32_t unused

# The cell of what a trigger has fired for the user, made if need be.  0: no room.
cdef uint32_t fired_cell(Machine* machine, const TriggerRule* rule) noexcept nogil

# k of a firing, of the cell: how many with equal parts came before it at this time.
cdef uint32_t count_firing(
    Machine* machine, uint32_t offset, int64_t time_ms, uint64_t hashed
) noexcept nogil

# Which variant of the trigger the user has: 0 none, VARIANT_CONTROL, then those of the plan.
cdef uint16_t variant_of(Machine* machine, const TriggerRule* rule) noexcept nogil

# True if the firing of this row, filled but for its body, is to be put now as the next row.
cdef bint may_leave(Machine* machine, const Row* row) noexcept nogil

# Decide the firings of one event or instant that compete.  Cells may move: offsets are stale.
cdef void settle(Machine* machine) noexcept nogil
