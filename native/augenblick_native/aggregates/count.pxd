# count: how many events.  Merges exactly.
from libc.stdint cimport int64_t

from augenblick_native.msgpack cimport Value
from augenblick_native.values cimport of_int

cdef struct Count:
    int64_t events


cdef inline void count_add(Count* state) noexcept nogil:
    state.events += 1


cdef inline void count_merge(Count* state, const Count* other) noexcept nogil:
    state.events += other.events


cdef inline Value count_result(const Count* state) noexcept nogil:
    return of_int(state.events)
