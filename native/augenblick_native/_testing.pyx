# cython: language_level=3
"""What the native modules keep to themselves, for tests only."""
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

from augenblick_native.check cimport write_decimal
from augenblick_native.cursor cimport Cursor, cursor_over
from augenblick_native.hash cimport HashKey, name_hash, siphash13
from augenblick_native.msgpack cimport (
    VALUE_BOOL, VALUE_FLOAT, VALUE_INT, VALUE_NULL, VALUE_STR, Value, check_value, is_utf8,
    read_value, skip_frame, skip_nested, skip_value,
)
from augenblick_native.status cimport STATUS_OK, Status

from augenblick_native.status import STATUS_NAMES


cdef const uint8_t* pointer(const uint8_t[::1] data) noexcept:
    return &data[0] if data.shape[0] else NULL


def siphash(const uint8_t[::1] key not None, const uint8_t[::1] data not None):
    """SipHash-1-3 under a key of 16 bytes."""
    cdef HashKey hash_key
    if key.shape[0] != 16:
        raise ValueError("the hash key has 16 bytes")
    memcpy(&hash_key.k0, &key[0], 8)
    memcpy(&hash_key.k1, &key[8], 8)
    return siphash13(&hash_key, pointer(data), <size_t>data.shape[0])


def hash_name(const uint8_t[::1] data not None):
    """The unkeyed hash of the plan's own names."""
    return name_hash(pointer(data), <size_t>data.shape[0])


def is_text(const uint8_t[::1] data not None):
    """Is it well-formed UTF-8?"""
    return is_utf8(pointer(data), <size_t>data.shape[0])


def decimal(value):
    """The text of a 64-bit integer."""
    cdef uint8_t[20] digits
    cdef uint64_t bits = value & 0xFFFFFFFFFFFFFFFF
    return bytes(digits[:write_decimal(bits, value < 0, digits)])


def walk(const uint8_t[::1] data not None, str how):
    """(status name, offset after the value) of the first value; how: skip, check, frame, nested."""
    cdef Cursor cursor = cursor_over(pointer(data), <size_t>data.shape[0])
    cdef Status status
    if how == "skip":
        status = skip_value(&cursor)
    elif how == "check":
        status = check_value(&cursor)
    elif how == "frame":
        status = skip_frame(&cursor)
    elif how == "nested":
        status = skip_nested(&cursor)
    else:
        raise ValueError(how)
    return STATUS_NAMES[status], data.shape[0] - (cursor.end - cursor.at)


def value(const uint8_t[::1] data not None):
    """(status name, value, offset after it); a list or another compound is its bytes."""
    cdef Cursor cursor = cursor_over(pointer(data), <size_t>data.shape[0])
    cdef Value read
    cdef Status status = read_value(&cursor, &read)
    offset = data.shape[0] - (cursor.end - cursor.at)
    if status != STATUS_OK:
        return STATUS_NAMES[status], None, offset
    if read.kind == VALUE_NULL:
        out = None
    elif read.kind == VALUE_BOOL:
        out = bool(read.integer)
    elif read.kind == VALUE_INT:
        out = read.integer
    elif read.kind == VALUE_FLOAT:
        out = read.number
    elif read.kind == VALUE_STR:
        out = read.data[:read.size].decode()
    else:
        out = read.data[:read.size]
    return "ok", out, offset
