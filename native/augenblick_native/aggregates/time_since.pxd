# time_since: milliseconds since the latest event; of nothing it is missing.  16 bytes; merges
# exactly.
from libc.stdint cimport int64_t

from augenblick_native.msgpack cimport Value, missing
from augenblick_native.values cimport of_int

cdef struct TimeSince:
    int64_t events
    int64_t latest_ms


cdef inline void time_since_add(TimeSince* state, int64_t time_ms) noexcept nogil:
    if state.events == 0 or time_ms > state.latest_ms:
        state.latest_ms = time_ms
    state.events += 1


cdef inline void time_since_merge(TimeSince* state, const TimeSince* other) noexcept nogil:
    if other.events:
        time_since_add(state, other.latest_ms)


# Never below 0: an event out of order may be read before the latest one.
cdef inline Value time_since_result(const TimeSince* state, int64_t at_ms) noexcept nogil:
    if state.events == 0:
        return missing()
    return of_int(max(at_ms - state.latest_ms, 0))
