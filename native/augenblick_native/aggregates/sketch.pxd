# The aggregates whose state grows with what they hold, by name: no bytes are the aggregate of
# nothing; a state is a multiple of 8 bytes.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from augenblick_native.aggregates.distinct cimport (
    distinct_estimate, distinct_grown, distinct_merge, distinct_put,
)
from augenblick_native.aggregates.quantile cimport (
    quantile_bin, quantile_grown, quantile_merge, quantile_number, quantile_put,
)
from augenblick_native.aggregates.top cimport (
    Kept, top_changed, top_counters, top_merge, top_pack, top_put,
)
from augenblick_native.buffer cimport Buffer
from augenblick_native.hash cimport mix64, name_hash
from augenblick_native.msgpack cimport VALUE_LIST, Value, missing
from augenblick_native.program cimport AGGREGATE_DISTINCT, AGGREGATE_QUANTILE, FeatureRule
from augenblick_native.values cimport as_float, of_float, of_int, pack_value

# A value as the aggregate takes it.  The bytes lie in `scratch` past its size, until it is next
# written to.
cdef struct Taking:
    uint64_t hashed
    int32_t bin
    Kept kept


cdef inline bint taking_of(
    const FeatureRule* rule, Buffer* scratch, const Value* value, Taking* taking
) noexcept nogil:
    cdef size_t at = scratch.size
    if rule.aggregate == AGGREGATE_QUANTILE:
        taking.bin = quantile_bin(as_float(value))
        return True
    pack_value(scratch, value)
    if scratch.size == at:
        return False
    taking.kept.data = scratch.data + at
    taking.kept.size = <uint32_t>(scratch.size - at)
    taking.hashed = mix64(name_hash(taking.kept.data, taking.kept.size))
    scratch.size = at
    return True


# Bytes of the state once the value is in it.
cdef inline uint32_t sketch_changed(
    const FeatureRule* rule, const uint8_t* state, uint32_t size, const Taking* taking
) noexcept nogil:
    if rule.aggregate == AGGREGATE_DISTINCT:
        return distinct_grown(state, size, taking.hashed)
    if rule.aggregate == AGGREGATE_QUANTILE:
        return quantile_grown(state, size, taking.bin)
    return top_changed(state, size, top_counters(rule.list_max), &taking.kept)


# Put the value in; the state has room for the larger of `size` and `changed`.
cdef inline void sketch_put(
    const FeatureRule* rule, uint8_t* state, uint32_t size, uint32_t changed, const Taking* taking
) noexcept nogil:
    if rule.aggregate == AGGREGATE_DISTINCT:
        distinct_put(state, size, changed, taking.hashed)
    elif rule.aggregate == AGGREGATE_QUANTILE:
        quantile_put(state, size, changed, taking.bin, 1)
    else:
        top_put(state, size, top_counters(rule.list_max), &taking.kept)


# Join another state into the one that is all of `into`.  False: no memory.
cdef inline bint sketch_merge(
    const FeatureRule* rule, Buffer* into, const uint8_t* other, uint32_t size
) noexcept nogil:
    if rule.aggregate == AGGREGATE_DISTINCT:
        return distinct_merge(into, other, size)
    if rule.aggregate == AGGREGATE_QUANTILE:
        return quantile_merge(into, other, size)
    return top_merge(into, other, size, top_counters(rule.list_max))


# The value of a state; a list is written to `out`.
cdef inline Value sketch_result(
    const FeatureRule* rule, Buffer* out, const uint8_t* state, uint32_t size
) noexcept nogil:
    cdef size_t at = out.size
    cdef Value value
    if rule.aggregate == AGGREGATE_DISTINCT:
        return of_int(<int64_t>(distinct_estimate(state, size) + 0.5))
    if size == 0:
        return missing()
    if rule.aggregate == AGGREGATE_QUANTILE:
        return of_float(quantile_number(state, size, rule.option))
    if not top_pack(out, state, size, rule.list_max):
        return missing()
    value = missing()
    value.kind = VALUE_LIST
    value.data = out.data + at
    value.size = <uint32_t>(out.size - at)
    return value
