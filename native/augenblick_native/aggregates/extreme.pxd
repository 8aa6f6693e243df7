# min and max: the winning number with its own type; of equal numbers the first stays.  Merges
# exactly.
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from augenblick_native.msgpack cimport (
    VALUE_FLOAT, VALUE_INT, VALUE_MISSING, Value, ValueKind, missing,
)
from augenblick_native.values cimport of_float, of_int, order

cdef struct Extreme:
    int64_t kind                # VALUE_MISSING: of nothing
    int64_t bits                # the int, or the bits of the float


cdef inline Value extreme_result(const Extreme* state) noexcept nogil:
    cdef double number
    if state.kind == VALUE_INT:
        return of_int(state.bits)
    if state.kind == VALUE_FLOAT:
        memcpy(&number, &state.bits, 8)
        return of_float(number)
    return missing()


# `sign` 1 for max, -1 for min.
cdef inline void extreme_add(Extreme* state, const Value* value, int sign) noexcept nogil:
    cdef Value current = extreme_result(state)
    if state.kind != VALUE_MISSING and order(value, &current) != sign:
        return
    state.kind = value.kind
    if value.kind == VALUE_FLOAT:
        memcpy(&state.bits, &value.number, 8)
    else:
        state.bits = value.integer


cdef inline void extreme_merge(Extreme* state, const Extreme* other, int sign) noexcept nogil:
    cdef Value value = extreme_result(other)
    if other.kind != VALUE_MISSING:
        extreme_add(state, &value, sign)
