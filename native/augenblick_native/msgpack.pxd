# msgpack reading in place (https://github.com/msgpack/msgpack/blob/master/spec.md).  Nothing is
# copied; values point into the buffer.
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from augenblick_native.cursor cimport (
    Cursor, left, likely, read_be16, read_be32, read_be64, read_u8, take, unlikely,
)
from augenblick_native.status cimport (
    STATUS_BAD_MSGPACK, STATUS_BAD_NUMBER, STATUS_BAD_UTF8, STATUS_OK, STATUS_TOO_DEEP,
    STATUS_TRUNCATED, Status,
)

cdef enum:
    NESTING_DEPTH_MAX = 32          # engine/augenblick/limits.py: nesting_depth_max
    FRAME_DEPTH_MAX = 40            # a client's message around events: a few levels more


cdef enum ValueKind:
    VALUE_MISSING = 0               # absent, or the result of an operation without an answer
    VALUE_NULL
    VALUE_BOOL
    VALUE_INT
    VALUE_FLOAT
    VALUE_STR
    VALUE_LIST                      # data, size: the whole msgpack array
    VALUE_OTHER                     # bin, map, ext, unsigned beyond 63 bits: data, size, likewise


# One scalar or a view of a compound.  `data` stays valid as long as the buffer it was read from.
cdef struct Value:
    ValueKind kind
    uint32_t size
    int64_t integer                 # int and bool
    double number                   # float
    const uint8_t* data             # str, list, other


cdef inline Value missing() noexcept nogil:
    cdef Value value
    value.kind = VALUE_MISSING
    value.size = 0
    value.integer = 0
    value.number = 0.0
    value.data = NULL
    return value


# A text with its head, both where read_value found them; NULL: not the shortest form, or long.
cdef inline const uint8_t* packed_text(const Value* text) noexcept nogil:
    if text.kind == VALUE_STR and text.size < 32 and (text.data - 1)[0] == (0xA0 | text.size):
        return text.data - 1
    return NULL


# True if [data, data + size) is well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at
# most U+10FFFF).
cdef bint is_utf8(const uint8_t* data, size_t size) noexcept nogil

# Advance past one value of any kind; depth, lengths and reserved bytes are checked.
cdef Status skip_value(Cursor* cursor) noexcept nogil

# As skip_value, for a message that holds events: up to FRAME_DEPTH_MAX levels.
cdef Status skip_frame(Cursor* cursor) noexcept nogil

# Advance past one value however deep it is nested: finds the end of a refused one.
cdef Status skip_nested(Cursor* cursor) noexcept nogil

# As skip_value; text must be UTF-8 and floats finite too.
cdef Status check_value(Cursor* cursor) noexcept nogil

# Read one value; compounds are skipped over and returned as views.
cdef Status read_value(Cursor* cursor, Value* out) noexcept nogil


cdef inline Status read_map_header(Cursor* cursor, uint32_t* count) noexcept nogil:
    cdef uint8_t tag
    cdef uint16_t short_count
    if read_u8(cursor, &tag) != STATUS_OK:
        return STATUS_TRUNCATED
    if likely(tag & 0xF0 == 0x80):
        count[0] = tag & 0x0F
        return STATUS_OK
    if tag == 0xDE:
        if read_be16(cursor, &short_count) != STATUS_OK:
            return STATUS_TRUNCATED
        count[0] = short_count
        return STATUS_OK
    if tag == 0xDF:
        return read_be32(cursor, count)
    return STATUS_BAD_MSGPACK


cdef inline Status read_array_header(Cursor* cursor, uint32_t* count) noexcept nogil:
    cdef uint8_t tag
    cdef uint16_t short_count
    if read_u8(cursor, &tag) != STATUS_OK:
        return STATUS_TRUNCATED
    if likely(tag & 0xF0 == 0x90):
        count[0] = tag & 0x0F
        return STATUS_OK
    if tag == 0xDC:
        if read_be16(cursor, &short_count) != STATUS_OK:
            return STATUS_TRUNCATED
        count[0] = short_count
        return STATUS_OK
    if tag == 0xDD:
        return read_be32(cursor, count)
    return STATUS_BAD_MSGPACK


# A text (str; the old raw and bin forms too, since msgpack clients of the first version send
# names so).
cdef inline Status read_text(Cursor* cursor, const uint8_t** data, uint32_t* size) noexcept nogil:
    cdef uint8_t tag
    cdef uint8_t short_size
    cdef uint16_t middle_size
    if read_u8(cursor, &tag) != STATUS_OK:
        return STATUS_TRUNCATED
    if likely(tag & 0xE0 == 0xA0):
        size[0] = tag & 0x1F
    elif tag == 0xD9 or tag == 0xC4:
        if read_u8(cursor, &short_size) != STATUS_OK:
            return STATUS_TRUNCATED
        size[0] = short_size
    elif tag == 0xDA or tag == 0xC5:
        if read_be16(cursor, &middle_size) != STATUS_OK:
            return STATUS_TRUNCATED
        size[0] = middle_size
    elif tag == 0xDB or tag == 0xC6:
        if read_be32(cursor, size) != STATUS_OK:
            return STATUS_TRUNCATED
    else:
        return STATUS_BAD_MSGPACK
    return take(cursor, size[0], data)
