# cython: language_level=3
"""msgpack to JSON text (RFC 8259): compact, UTF-8 as it stands, no Python object per value.

Written as Python's json module writes it (ensure_ascii false): numbers in their shortest form that
reads back, control characters escaped.  Keys that are no text become the JSON text of the value.
Refused with ValueError: numbers that are not finite, bytes, extension types, deeper nesting than
FRAME_DEPTH_MAX, text that is no UTF-8, and what is no msgpack.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, strlen

from augenblick_native.buffer cimport Buffer, buffer_free, put_bytes, put_u8
from augenblick_native.cursor cimport (
    Cursor, cursor_over, left, likely, read_be64,
)
from augenblick_native.msgpack cimport (
    FRAME_DEPTH_MAX, VALUE_BOOL, VALUE_FLOAT, VALUE_INT, VALUE_NULL, VALUE_STR, Value, is_utf8,
    read_array_header, read_map_header, read_value,
)
from augenblick_native.status cimport STATUS_OK

cdef extern from "Python.h":
    const int Py_DTSF_ADD_DOT_0
    char* PyOS_double_to_string(
        double value, char form, int precision, int flags, int* kind
    ) except NULL

cdef const char* HEX = b"0123456789abcdef"


# How many of the first bytes stand for themselves in a JSON string.
cdef inline size_t plain_bytes(const uint8_t* data, size_t size) noexcept nogil:
    cdef uint64_t ones = 0x0101010101010101ULL
    cdef uint64_t highs = 0x8080808080808080ULL
    cdef size_t at = 0
    cdef uint64_t word, quotes, slashes
    while size - at >= 8:
        memcpy(&word, data + at, 8)
        quotes = word ^ (ones * 0x22)
        slashes = word ^ (ones * 0x5C)
        if (
            ((word - ones * 0x20) & ~word)
            | ((quotes - ones) & ~quotes)
            | ((slashes - ones) & ~slashes)
        ) & highs:
            break
        at += 8
    while at < size and data[at] >= 0x20 and data[at] != 0x22 and data[at] != 0x5C:
        at += 1
    return at


cdef inline void put_escape(Buffer* out, uint8_t byte) noexcept nogil:
    cdef uint8_t[6] escape
    escape[0] = c"\\"
    if byte == 0x22 or byte == 0x5C:
        escape[1] = byte
    elif byte == 0x08:
        escape[1] = c"b"
    elif byte == 0x09:
        escape[1] = c"t"
    elif byte == 0x0A:
        escape[1] = c"n"
    elif byte == 0x0C:
        escape[1] = c"f"
    elif byte == 0x0D:
        escape[1] = c"r"
    else:
        memcpy(&escape[1], b"u00", 3)
        escape[4] = HEX[byte >> 4]
        escape[5] = HEX[byte & 15]
        put_bytes(out, escape, 6)
        return
    put_bytes(out, escape, 2)


cdef int put_json_string(Buffer* out, const uint8_t* data, size_t size) except -1:
    cdef size_t plain
    put_u8(out, c'"')
    while True:
        plain = plain_bytes(data, size)
        put_bytes(out, data, plain)
        if plain == size:
            break
        put_escape(out, data[plain])
        data += plain + 1
        size -= plain + 1
    put_u8(out, c'"')
    return 0


cdef void put_unsigned(Buffer* out, uint64_t value) noexcept:
    cdef uint8_t[20] digits
    cdef int at = 20
    while True:
        at -= 1
        digits[at] = <uint8_t>(c"0" + value % 10)
        value //= 10
        if value == 0:
            break
    put_bytes(out, &digits[at], 20 - at)


cdef void put_signed(Buffer* out, int64_t value) noexcept:
    if value < 0:
        put_u8(out, c"-")
        put_unsigned(out, <uint64_t>0 - <uint64_t>value)
    else:
        put_unsigned(out, <uint64_t>value)


cdef int put_float(Buffer* out, double value) except -1:
    cdef char* text
    if not isfinite(value):
        raise ValueError("a number is not finite")
    text = PyOS_double_to_string(value, c"r", 0, Py_DTSF_ADD_DOT_0, NULL)
    put_bytes(out, text, strlen(text))
    PyMem_Free(text)
    return 0


cdef int put_array(Buffer* out, Cursor* cursor, int depth) except -1:
    cdef uint32_t count, index
    if read_array_header(cursor, &count) != STATUS_OK:
        raise ValueError("no msgpack")
    put_u8(out, c"[")
    for index in range(count):
        if index:
            put_u8(out, c",")
        put_json(out, cursor, depth)
    put_u8(out, c"]")
    return 0


cdef int put_map(Buffer* out, Cursor* cursor, int depth) except -1:
    cdef uint32_t count, index
    if read_map_header(cursor, &count) != STATUS_OK:
        raise ValueError("no msgpack")
    put_u8(out, c"{")
    for index in range(count):
        if index:
            put_u8(out, c",")
        put_key(out, cursor, depth)
        put_u8(out, c":")
        put_json(out, cursor, depth)
    put_u8(out, c"}")
    return 0


cdef int put_key(Buffer* out, Cursor* cursor, int depth) except -1:
    cdef Buffer text
    cdef bint is_text = left(cursor) > 0 and (
        cursor.at[0] & 0xE0 == 0xA0 or 0xD9 <= cursor.at[0] <= 0xDB
    )
    if likely(is_text):
        return put_json(out, cursor, depth)
    text.data = NULL
    text.size = text.capacity = 0
    text.failed = text.fixed = False
    try:
        put_json(&text, cursor, depth)
        put_json_string(out, text.data, text.size)
    finally:
        buffer_free(&text)
    return 0


cdef int put_json(Buffer* out, Cursor* cursor, int depth) except -1:
    cdef Value value
    cdef uint64_t large
    cdef uint8_t tag
    if left(cursor) == 0:
        raise ValueError("no msgpack")
    tag = cursor.at[0]
    if tag & 0xF0 == 0x80 or tag & 0xF0 == 0x90 or 0xDC <= tag <= 0xDF:
        if depth >= FRAME_DEPTH_MAX:
            raise ValueError("it is nested too deep")
        if tag & 0xF0 == 0x80 or tag >= 0xDE:
            return put_map(out, cursor, depth + 1)
        return put_array(out, cursor, depth + 1)
    if tag == 0xCF:                         # unsigned, perhaps beyond 63 bits
        cursor.at += 1
        if read_be64(cursor, &large) != STATUS_OK:
            raise ValueError("no msgpack")
        put_unsigned(out, large)
        return 0
    if read_value(cursor, &value) != STATUS_OK:
        raise ValueError("no msgpack")
    if value.kind == VALUE_STR:
        if not is_utf8(value.data, value.size):
            raise ValueError("a text is no UTF-8")
        return put_json_string(out, value.data, value.size)
    if value.kind == VALUE_INT:
        put_signed(out, value.integer)
    elif value.kind == VALUE_FLOAT:
        return put_float(out, value.number)
    elif value.kind == VALUE_NULL:
        put_bytes(out, b"null", 4)
    elif value.kind == VALUE_BOOL:
        if value.integer:
            put_bytes(out, b"true", 4)
        else:
            put_bytes(out, b"false", 5)
    else:
        raise ValueError("a value is bytes or of an extension type")
    return 0


def to_json(const uint8_t[::1] packed not None):
    """One msgpack value as JSON text, UTF-8 bytes.

    Raises ValueError where no JSON can hold it, or more than one value is there.
    """
    cdef Buffer out
    cdef Cursor cursor
    out.data = NULL
    out.size = out.capacity = 0
    out.failed = out.fixed = False
    if packed.shape[0] == 0:
        raise ValueError("no msgpack")
    cursor = cursor_over(&packed[0], packed.shape[0])
    try:
        put_json(&out, &cursor, 0)
        if left(&cursor):
            raise ValueError("there is more than one value")
        if out.failed:
            raise MemoryError
        return PyBytes_FromStringAndSize(<char*>out.data, out.size)
    finally:
        buffer_free(&out)
