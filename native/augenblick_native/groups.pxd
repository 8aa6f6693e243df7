# What a key group holds: its end, and its gateways.
from libc.stdint cimport uint32_t

from augenblick_native.machine cimport Machine
from augenblick_native.state cimport KeyGroup

# Give back every record, table and pane of the group; it is empty and without a clock then.
cdef void free_group(Machine* machine, KeyGroup* group) noexcept nogil

# Room for so many gateways' marks, those known kept.  False: no memory.
cdef bint make_gateways(KeyGroup* group, uint32_t count) noexcept nogil
