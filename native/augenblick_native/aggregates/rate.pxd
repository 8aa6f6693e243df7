# rate: a compensated sum over the seconds of the window, of events (1 each) or of their numbers.
# 16 bytes.
from augenblick_native.aggregates.sum cimport Sum, sum_value
from augenblick_native.msgpack cimport Value
from augenblick_native.values cimport of_float
from libc.stdint cimport int64_t


cdef inline Value rate_result(const Sum* state, int64_t size_ms) noexcept nogil:
    return of_float(sum_value(state) / (<double>size_ms / 1000.0))
