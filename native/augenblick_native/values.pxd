# Numbers and texts as conditions and aggregates see them: int and float compare by value, bool is
# no number.
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcmp

from augenblick_native.buffer cimport (
    Buffer, pack_bool, pack_float, pack_int, pack_nil, pack_str, put_bytes,
)
from augenblick_native.msgpack cimport (
    VALUE_BOOL, VALUE_FLOAT, VALUE_INT, VALUE_LIST, VALUE_MISSING, VALUE_NULL, VALUE_OTHER,
    VALUE_STR, Value, missing,
)


cdef inline bint is_number(const Value* value) noexcept nogil:
    return value.kind == VALUE_INT or value.kind == VALUE_FLOAT


cdef inline bint is_true(const Value* value) noexcept nogil:
    return value.kind == VALUE_BOOL and value.integer != 0


cdef inline bint has_value(const Value* value) noexcept nogil:
    return value.kind != VALUE_MISSING and value.kind != VALUE_NULL


cdef inline double as_float(const Value* value) noexcept nogil:
    return value.number if value.kind == VALUE_FLOAT else <double>value.integer


cdef inline Value of_bool(bint truth) noexcept nogil:
    cdef Value value = missing()
    value.kind = VALUE_BOOL
    value.integer = truth
    return value


cdef inline Value of_int(int64_t integer) noexcept nogil:
    cdef Value value = missing()
    value.kind = VALUE_INT
    value.integer = integer
    return value


cdef inline Value of_float(double number) noexcept nogil:
    cdef Value value = missing()
    value.kind = VALUE_FLOAT
    value.number = number
    return value


cdef inline Value of_text(const uint8_t* data, size_t size) noexcept nogil:
    cdef Value value = missing()
    value.kind = VALUE_STR
    value.data = data
    value.size = <unsigned int>size
    return value


# -1, 0, 1; 2 where the two do not compare (other kinds, NaN).
cdef inline int order(const Value* one, const Value* other) noexcept nogil:
    cdef double a, b
    cdef int prefix
    if one.kind == VALUE_INT and other.kind == VALUE_INT:
        return (one.integer > other.integer) - (one.integer < other.integer)
    if is_number(one) and is_number(other):
        a = as_float(one)
        b = as_float(other)
        if a != a or b != b:
            return 2
        return (a > b) - (a < b)
    if one.kind == VALUE_STR and other.kind == VALUE_STR:
        prefix = memcmp(one.data, other.data, min(one.size, other.size))
        if prefix:
            return 1 if prefix > 0 else -1
        return (one.size > other.size) - (one.size < other.size)
    if one.kind == VALUE_BOOL and other.kind == VALUE_BOOL:
        return 0 if one.integer == other.integer else 2
    return 2


# Equality for == and in: bools and lists compare equal too, but have no order.
cdef inline bint same_value(const Value* one, const Value* other) noexcept nogil:
    if one.kind == VALUE_LIST and other.kind == VALUE_LIST:
        return one.size == other.size and memcmp(one.data, other.data, one.size) == 0
    return order(one, other) == 0


cdef inline bint comparable(const Value* one, const Value* other) noexcept nogil:
    if is_number(one):
        return is_number(other)
    return one.kind == other.kind and (
        one.kind == VALUE_STR or one.kind == VALUE_BOOL or one.kind == VALUE_LIST
    )


cdef inline void pack_value(Buffer* buffer, const Value* value) noexcept nogil:
    if value.kind == VALUE_BOOL:
        pack_bool(buffer, value.integer != 0)
    elif value.kind == VALUE_INT:
        pack_int(buffer, value.integer)
    elif value.kind == VALUE_FLOAT:
        pack_float(buffer, value.number)
    elif value.kind == VALUE_STR:
        pack_str(buffer, value.data, value.size)
    elif value.kind == VALUE_LIST or value.kind == VALUE_OTHER:
        put_bytes(buffer, value.data, value.size)
    else:
        pack_nil(buffer)
