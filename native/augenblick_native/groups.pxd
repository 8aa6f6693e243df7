# The end of a key group's state.
from augenblick_native.machine cimport Machine
from augenblick_native.state cimport KeyGroup

# Give back every record, table and pane of the group; it is empty and without a clock then.
cdef void free_group(Machine* machine, KeyGroup* group) noexcept nogil
