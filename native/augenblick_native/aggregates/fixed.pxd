# The aggregates with a fixed state, by name: a state of zeros is the aggregate of nothing.
from libc.stdint cimport int64_t, uint8_t

from augenblick_native.aggregates.avg cimport Avg, avg_add, avg_merge, avg_result
from augenblick_native.aggregates.count cimport Count, count_add, count_merge, count_result
from augenblick_native.aggregates.decay cimport Decay, decay_add, decay_merge, decay_result
from augenblick_native.aggregates.extreme cimport (
    Extreme, extreme_add, extreme_merge, extreme_result,
)
from augenblick_native.aggregates.rate cimport rate_result
from augenblick_native.aggregates.sum cimport Sum, sum_add, sum_merge, sum_result
from augenblick_native.aggregates.time_since cimport (
    TimeSince, time_since_add, time_since_merge, time_since_result,
)
from augenblick_native.msgpack cimport Value
from augenblick_native.program cimport (
    AGGREGATE_AVG, AGGREGATE_COUNT, AGGREGATE_DECAY, AGGREGATE_MAX, AGGREGATE_MIN, AGGREGATE_RATE,
    AGGREGATE_SUM, AGGREGATE_TIME_SINCE, FeatureRule,
)
from augenblick_native.values cimport as_float

cdef enum:
    FIXED_STATE_BYTES_MAX = 24


# `value` is a number, except for count and time_since, which do not read it.
cdef inline void fixed_add(
    const FeatureRule* rule, uint8_t* state, int64_t time_ms, const Value* value
) noexcept nogil:
    if rule.aggregate == AGGREGATE_COUNT:
        count_add(<Count*>state)
    elif rule.aggregate == AGGREGATE_SUM or rule.aggregate == AGGREGATE_RATE:
        sum_add(<Sum*>state, as_float(value))
    elif rule.aggregate == AGGREGATE_AVG:
        avg_add(<Avg*>state, as_float(value))
    elif rule.aggregate == AGGREGATE_DECAY:
        decay_add(<Decay*>state, rule.option, time_ms, as_float(value), 1)
    elif rule.aggregate == AGGREGATE_TIME_SINCE:
        time_since_add(<TimeSince*>state, time_ms)
    else:
        extreme_add(<Extreme*>state, value, 1 if rule.aggregate == AGGREGATE_MAX else -1)


cdef inline void fixed_merge(
    const FeatureRule* rule, uint8_t* state, const uint8_t* other
) noexcept nogil:
    if rule.aggregate == AGGREGATE_COUNT:
        count_merge(<Count*>state, <const Count*>other)
    elif rule.aggregate == AGGREGATE_SUM or rule.aggregate == AGGREGATE_RATE:
        sum_merge(<Sum*>state, <const Sum*>other)
    elif rule.aggregate == AGGREGATE_AVG:
        avg_merge(<Avg*>state, <const Avg*>other)
    elif rule.aggregate == AGGREGATE_DECAY:
        decay_merge(<Decay*>state, rule.option, <const Decay*>other)
    elif rule.aggregate == AGGREGATE_TIME_SINCE:
        time_since_merge(<TimeSince*>state, <const TimeSince*>other)
    else:
        extreme_merge(
            <Extreme*>state, <const Extreme*>other, 1 if rule.aggregate == AGGREGATE_MAX else -1
        )


# The value when read at an instant.
cdef inline Value fixed_result(
    const FeatureRule* rule, const uint8_t* state, int64_t at_ms
) noexcept nogil:
    if rule.aggregate == AGGREGATE_COUNT:
        return count_result(<const Count*>state)
    if rule.aggregate == AGGREGATE_SUM:
        return sum_result(<const Sum*>state)
    if rule.aggregate == AGGREGATE_AVG:
        return avg_result(<const Avg*>state)
    if rule.aggregate == AGGREGATE_RATE:
        return rate_result(<const Sum*>state, rule.size_ms)
    if rule.aggregate == AGGREGATE_DECAY:
        return decay_result(<const Decay*>state, rule.option, at_ms)
    if rule.aggregate == AGGREGATE_TIME_SINCE:
        return time_since_result(<const TimeSince*>state, at_ms)
    return extreme_result(<const Extreme*>state)
