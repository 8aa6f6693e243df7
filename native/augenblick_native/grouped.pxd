# The groups that a user's features hold, in the order of their bytes.
from libc.stdint cimport uint16_t, uint32_t

from augenblick_native.machine cimport Group, Machine, Moment
from augenblick_native.program cimport Span

# Of these features; with a moment only those for which one holds anything that a read then would
# count; with a slot (0: none) also those that have a cell of it.  Copied to the call's scratch,
# so that the record may move.  How many; some are left out where there is no room.
cdef uint32_t gather_groups(
    Machine* machine, const Span* features, uint16_t slot, Moment* moment, Group** groups
) noexcept nogil
