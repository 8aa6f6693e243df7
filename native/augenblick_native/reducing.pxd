# Reading a condition for each group of a user: reductions, and values sent as maps.
from libc.stdint cimport int32_t

from augenblick_native.machine cimport Machine, Moment
from augenblick_native.msgpack cimport Value
from augenblick_native.predicate cimport Readers

# One value out of those of all groups.  `readers` is a Readers.
cdef Value reduce_groups(
    Machine* machine, Moment* moment, int32_t index, const void* readers
) noexcept nogil

# Write {group: value} of every group as msgpack into Machine.bodies.
cdef void pack_groups(
    Machine* machine, Moment* moment, int32_t index, const Readers* readers
) noexcept nogil
