# Sliding windows of fixed aggregates: kept events, exact; beyond a bound the older half folds into
# panes of size/64.
from libc.stdint cimport int64_t, uint32_t

from augenblick_native.machine cimport Machine
from augenblick_native.msgpack cimport Value
from augenblick_native.program cimport FeatureRule

cdef bint sliding_add(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t time_ms, const Value* value
) noexcept nogil
cdef Value sliding_result(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t at_ms, bint* approximate
) noexcept nogil
cdef int64_t sliding_next_change_ms(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t after_ms
) noexcept nogil
cdef bint sliding_holds(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t at_ms
) noexcept nogil
