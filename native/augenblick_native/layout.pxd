# How a feature's cell is laid out; see window.pyx for the table.
from libc.stdint cimport int64_t, uint32_t, uint8_t

from augenblick_native.machine cimport Machine
from augenblick_native.msgpack cimport Value
from augenblick_native.program cimport OPERAND_NONE, WINDOW_HOPPING, WINDOW_SINCE, FeatureRule
from augenblick_native.record cimport payload


cdef inline uint32_t header_bytes(const FeatureRule* rule) noexcept nogil:
    if rule.window == WINDOW_HOPPING or (rule.window == WINDOW_SINCE and rule.by == OPERAND_NONE):
        return 8
    return 0


cdef inline int64_t* header_of(Machine* machine, uint32_t offset) noexcept nogil:
    return <int64_t*>payload(machine.keeper.user, offset)


cdef inline bint is_closed(Machine* machine, int64_t end_ms) noexcept nogil:
    return end_ms < machine.clock_ms + machine.closing


# The state of the pane with this key, made in order if need be.  NULL: full.
cdef uint8_t* pane_for(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t key
) noexcept nogil

# The panes with key in [first, last], merged and read at an instant; is there any?
cdef Value read_panes(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t first, int64_t last,
    int64_t at_ms
) noexcept nogil
cdef bint has_pane(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t first, int64_t last
) noexcept nogil
