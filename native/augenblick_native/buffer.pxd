# A growable byte buffer of our own output: one owner, freed by buffer_free, never shared between
# threads.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from augenblick_native.cursor cimport bswap16, bswap32, bswap64, likely, unlikely


cdef struct Buffer:
    uint8_t* data
    size_t size
    size_t capacity
    bint failed          # an allocation failed: the content is not to be used
    bint fixed           # never grows, so that what lies in it never moves


cdef inline void buffer_free(Buffer* buffer) noexcept nogil:
    free(buffer.data)
    buffer.data = NULL
    buffer.size = 0
    buffer.capacity = 0


# Room for `size` more bytes, or NULL (and `failed`, where it may grow).  Does not advance.
cdef inline uint8_t* buffer_room(Buffer* buffer, size_t size) noexcept nogil:
    cdef size_t wanted = buffer.size + size
    cdef size_t capacity
    cdef void* data
    if unlikely(wanted > buffer.capacity):
        if buffer.fixed:
            return NULL
        capacity = buffer.capacity * 2 if buffer.capacity else 4096
        while capacity < wanted:
            capacity *= 2
        data = realloc(buffer.data, capacity)
        if data == NULL:
            buffer.failed = True
            return NULL
        buffer.data = <uint8_t*>data
        buffer.capacity = capacity
    return buffer.data + buffer.size


cdef inline void put_bytes(Buffer* buffer, const void* data, size_t size) noexcept nogil:
    cdef uint8_t* at = buffer_room(buffer, size)
    if likely(at != NULL) and size:
        memcpy(at, data, size)
        buffer.size += size


cdef inline void put_u8(Buffer* buffer, uint8_t value) noexcept nogil:
    cdef uint8_t* at = buffer_room(buffer, 1)
    if likely(at != NULL):
        at[0] = value
        buffer.size += 1


cdef inline void put_le16(Buffer* buffer, uint16_t value) noexcept nogil:
    put_bytes(buffer, &value, 2)


cdef inline void put_le32(Buffer* buffer, uint32_t value) noexcept nogil:
    put_bytes(buffer, &value, 4)


cdef inline void put_le64(Buffer* buffer, uint64_t value) noexcept nogil:
    put_bytes(buffer, &value, 8)


cdef inline void put_i64(Buffer* buffer, int64_t value) noexcept nogil:
    put_bytes(buffer, &value, 8)


# msgpack writing (https://github.com/msgpack/msgpack/blob/master/spec.md): the shortest form of
# each value.
cdef inline void pack_tagged16(Buffer* buffer, uint8_t tag, uint16_t value) noexcept nogil:
    cdef uint16_t big = bswap16(value)
    put_u8(buffer, tag)
    put_bytes(buffer, &big, 2)


cdef inline void pack_tagged32(Buffer* buffer, uint8_t tag, uint32_t value) noexcept nogil:
    cdef uint32_t big = bswap32(value)
    put_u8(buffer, tag)
    put_bytes(buffer, &big, 4)


cdef inline void pack_tagged64(Buffer* buffer, uint8_t tag, uint64_t value) noexcept nogil:
    cdef uint64_t big = bswap64(value)
    put_u8(buffer, tag)
    put_bytes(buffer, &big, 8)


cdef inline void pack_nil(Buffer* buffer) noexcept nogil:
    put_u8(buffer, 0xC0)


cdef inline void pack_bool(Buffer* buffer, bint value) noexcept nogil:
    put_u8(buffer, 0xC3 if value else 0xC2)


cdef inline void pack_uint(Buffer* buffer, uint64_t value) noexcept nogil:
    if value < 0x80:
        put_u8(buffer, <uint8_t>value)
    elif value <= 0xFF:
        put_u8(buffer, 0xCC)
        put_u8(buffer, <uint8_t>value)
    elif value <= 0xFFFF:
        pack_tagged16(buffer, 0xCD, <uint16_t>value)
    elif value <= 0xFFFFFFFFU:
        pack_tagged32(buffer, 0xCE, <uint32_t>value)
    else:
        pack_tagged64(buffer, 0xCF, value)


cdef inline void pack_int(Buffer* buffer, int64_t value) noexcept nogil:
    if value >= 0:
        pack_uint(buffer, <uint64_t>value)
    elif value >= -32:
        put_u8(buffer, <uint8_t>(value & 0xFF))
    elif value >= -0x80:
        put_u8(buffer, 0xD0)
        put_u8(buffer, <uint8_t>(value & 0xFF))
    elif value >= -0x8000:
        pack_tagged16(buffer, 0xD1, <uint16_t>(value & 0xFFFF))
    elif value >= -0x80000000LL:
        pack_tagged32(buffer, 0xD2, <uint32_t>value)
    else:
        pack_tagged64(buffer, 0xD3, <uint64_t>value)


cdef inline void pack_float(Buffer* buffer, double value) noexcept nogil:
    cdef uint64_t bits
    memcpy(&bits, &value, 8)
    pack_tagged64(buffer, 0xCB, bits)


cdef inline void pack_str(Buffer* buffer, const uint8_t* data, size_t size) noexcept nogil:
    if size < 32:
        put_u8(buffer, <uint8_t>(0xA0 | size))
    elif size <= 0xFF:
        put_u8(buffer, 0xD9)
        put_u8(buffer, <uint8_t>size)
    elif size <= 0xFFFF:
        pack_tagged16(buffer, 0xDA, <uint16_t>size)
    else:
        pack_tagged32(buffer, 0xDB, <uint32_t>size)
    put_bytes(buffer, data, size)


cdef inline void pack_array(Buffer* buffer, size_t count) noexcept nogil:
    if count < 16:
        put_u8(buffer, <uint8_t>(0x90 | count))
    elif count <= 0xFFFF:
        pack_tagged16(buffer, 0xDC, <uint16_t>count)
    else:
        pack_tagged32(buffer, 0xDD, <uint32_t>count)


cdef inline void pack_map(Buffer* buffer, size_t count) noexcept nogil:
    if count < 16:
        put_u8(buffer, <uint8_t>(0x80 | count))
    elif count <= 0xFFFF:
        pack_tagged16(buffer, 0xDE, <uint16_t>count)
    else:
        pack_tagged32(buffer, 0xDF, <uint32_t>count)
