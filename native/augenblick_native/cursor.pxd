# The one place with pointer arithmetic over foreign bytes: check first, then advance.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from augenblick_native.status cimport STATUS_OK, STATUS_TRUNCATED, Status


cdef extern from *:
    """
    #define AB_BSWAP16(x) __builtin_bswap16(x)
    #define AB_BSWAP32(x) __builtin_bswap32(x)
    #define AB_BSWAP64(x) __builtin_bswap64(x)
    #define AB_LIKELY(x) __builtin_expect(!!(x), 1)
    #define AB_UNLIKELY(x) __builtin_expect(!!(x), 0)
    #define AB_PREFETCH(p) __builtin_prefetch((p), 0, 3)
    """
    uint16_t bswap16 "AB_BSWAP16"(uint16_t) noexcept nogil
    uint32_t bswap32 "AB_BSWAP32"(uint32_t) noexcept nogil
    uint64_t bswap64 "AB_BSWAP64"(uint64_t) noexcept nogil
    bint likely "AB_LIKELY"(bint) noexcept nogil
    bint unlikely "AB_UNLIKELY"(bint) noexcept nogil
    void prefetch "AB_PREFETCH"(const void*) noexcept nogil


# Bytes still to be read: [at, end).  Lives on the stack of its reader; the buffer's owner outlives
# it.
cdef struct Cursor:
    const uint8_t* at
    const uint8_t* end


cdef inline Cursor cursor_over(const uint8_t* data, size_t size) noexcept nogil:
    cdef Cursor cursor
    cursor.at = data
    cursor.end = data + size
    return cursor


cdef inline size_t left(const Cursor* cursor) noexcept nogil:
    return <size_t>(cursor.end - cursor.at)


cdef inline Status take(Cursor* cursor, size_t size, const uint8_t** out) noexcept nogil:
    if unlikely(left(cursor) < size):
        return STATUS_TRUNCATED
    out[0] = cursor.at
    cursor.at += size
    return STATUS_OK


cdef inline Status read_u8(Cursor* cursor, uint8_t* out) noexcept nogil:
    if unlikely(cursor.at >= cursor.end):
        return STATUS_TRUNCATED
    out[0] = cursor.at[0]
    cursor.at += 1
    return STATUS_OK


# Big-endian reads (msgpack).
cdef inline Status read_be16(Cursor* cursor, uint16_t* out) noexcept nogil:
    cdef const uint8_t* at
    if take(cursor, 2, &at) != STATUS_OK:
        return STATUS_TRUNCATED
    memcpy(out, at, 2)
    out[0] = bswap16(out[0])
    return STATUS_OK


cdef inline Status read_be32(Cursor* cursor, uint32_t* out) noexcept nogil:
    cdef const uint8_t* at
    if take(cursor, 4, &at) != STATUS_OK:
        return STATUS_TRUNCATED
    memcpy(out, at, 4)
    out[0] = bswap32(out[0])
    return STATUS_OK


cdef inline Status read_be64(Cursor* cursor, uint64_t* out) noexcept nogil:
    cdef const uint8_t* at
    if take(cursor, 8, &at) != STATUS_OK:
        return STATUS_TRUNCATED
    memcpy(out, at, 8)
    out[0] = bswap64(out[0])
    return STATUS_OK


# Little-endian reads (our own stream and snapshot formats; the machine is little endian).
cdef inline Status read_le16(Cursor* cursor, uint16_t* out) noexcept nogil:
    cdef const uint8_t* at
    if take(cursor, 2, &at) != STATUS_OK:
        return STATUS_TRUNCATED
    memcpy(out, at, 2)
    return STATUS_OK


cdef inline Status read_le32(Cursor* cursor, uint32_t* out) noexcept nogil:
    cdef const uint8_t* at
    if take(cursor, 4, &at) != STATUS_OK:
        return STATUS_TRUNCATED
    memcpy(out, at, 4)
    return STATUS_OK


cdef inline Status read_le64(Cursor* cursor, uint64_t* out) noexcept nogil:
    cdef const uint8_t* at
    if take(cursor, 8, &at) != STATUS_OK:
        return STATUS_TRUNCATED
    memcpy(out, at, 8)
    return STATUS_OK


cdef inline Status read_i64(Cursor* cursor, int64_t* out) noexcept nogil:
    return read_le64(cursor, <uint64_t*>out)
