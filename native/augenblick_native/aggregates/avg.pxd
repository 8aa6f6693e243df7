# avg: a compensated sum and a count; of nothing it is missing.
from libc.stdint cimport int64_t

from augenblick_native.aggregates.sum cimport Sum, sum_add, sum_merge, sum_value
from augenblick_native.msgpack cimport Value, missing
from augenblick_native.values cimport of_float

cdef struct Avg:
    Sum sum
    int64_t events


cdef inline void avg_add(Avg* state, double number) noexcept nogil:
    sum_add(&state.sum, number)
    state.events += 1


cdef inline void avg_merge(Avg* state, const Avg* other) noexcept nogil:
    sum_merge(&state.sum, &other.sum)
    state.events += other.events


cdef inline Value avg_result(const Avg* state) noexcept nogil:
    if state.events == 0:
        return missing()
    return of_float(sum_value(&state.sum) / <double>state.events)
