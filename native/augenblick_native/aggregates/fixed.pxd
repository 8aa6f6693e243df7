# The aggregates with a fixed state, by name: a state of zeros is the aggregate of nothing.
from libc.stdint cimport uint8_t

from augenblick_native.aggregates.avg cimport Avg, avg_add, avg_merge, avg_result
from augenblick_native.aggregates.count cimport Count, count_add, count_merge, count_result
from augenblick_native.aggregates.extreme cimport (
    Extreme, extreme_add, extreme_merge, extreme_result,
)
from augenblick_native.aggregates.sum cimport Sum, sum_add, sum_merge, sum_result
from augenblick_native.msgpack cimport Value
from augenblick_native.program cimport (
    AGGREGATE_AVG, AGGREGATE_COUNT, AGGREGATE_MAX, AGGREGATE_MIN, AGGREGATE_SUM, Aggregate,
)
from augenblick_native.values cimport as_float

cdef enum:
    FIXED_STATE_BYTES_MAX = 24


# `value` is a number, except for count, which does not read it.
cdef inline void fixed_add(Aggregate aggregate, uint8_t* state, const Value* value) noexcept nogil:
    if aggregate == AGGREGATE_COUNT:
        count_add(<Count*>state)
    elif aggregate == AGGREGATE_SUM:
        sum_add(<Sum*>state, as_float(value))
    elif aggregate == AGGREGATE_AVG:
        avg_add(<Avg*>state, as_float(value))
    else:
        extreme_add(<Extreme*>state, value, 1 if aggregate == AGGREGATE_MAX else -1)


cdef inline void fixed_merge(
    Aggregate aggregate, uint8_t* state, const uint8_t* other
) noexcept nogil:
    if aggregate == AGGREGATE_COUNT:
        count_merge(<Count*>state, <const Count*>other)
    elif aggregate == AGGREGATE_SUM:
        sum_merge(<Sum*>state, <const Sum*>other)
    elif aggregate == AGGREGATE_AVG:
        avg_merge(<Avg*>state, <const Avg*>other)
    else:
        extreme_merge(
            <Extreme*>state, <const Extreme*>other, 1 if aggregate == AGGREGATE_MAX else -1
        )


cdef inline Value fixed_result(Aggregate aggregate, const uint8_t* state) noexcept nogil:
    if aggregate == AGGREGATE_COUNT:
        return count_result(<const Count*>state)
    if aggregate == AGGREGATE_SUM:
        return sum_result(<const Sum*>state)
    if aggregate == AGGREGATE_AVG:
        return avg_result(<const Avg*>state)
    return extreme_result(<const Extreme*>state)
