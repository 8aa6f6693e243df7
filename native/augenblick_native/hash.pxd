# Hashes: SipHash-1-3 (keyed; user keys and fingerprints) and a quick unkeyed mix for small tables
# of the plan's own names.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy


# 128-bit key of SipHash, as two little-endian words.
cdef struct HashKey:
    uint64_t k0
    uint64_t k1


cdef inline uint64_t rotl64(uint64_t value, int bits) noexcept nogil:
    return (value << bits) | (value >> (64 - bits))


cdef inline void sip_round(uint64_t* v) noexcept nogil:
    v[0] += v[1]
    v[1] = rotl64(v[1], 13)
    v[1] ^= v[0]
    v[0] = rotl64(v[0], 32)
    v[2] += v[3]
    v[3] = rotl64(v[3], 16)
    v[3] ^= v[2]
    v[0] += v[3]
    v[3] = rotl64(v[3], 21)
    v[3] ^= v[0]
    v[2] += v[1]
    v[1] = rotl64(v[1], 17)
    v[1] ^= v[2]
    v[2] = rotl64(v[2], 32)


# The last `rest` (0 to 7) of `size` bytes as a little-endian word.
cdef inline uint64_t tail_word(const uint8_t* end, size_t rest, size_t size) noexcept nogil:
    cdef uint64_t word = 0
    cdef uint32_t high = 0
    cdef uint32_t low = 0
    if rest == 0:
        return 0
    if size >= 8:
        memcpy(&word, end - 8, 8)
        return word >> (64 - 8 * rest)
    if rest >= 4:
        memcpy(&low, end - rest, 4)
        memcpy(&high, end - 4, 4)
        return low | <uint64_t>high << (8 * (rest - 4))
    if rest >= 2:
        memcpy(&low, end - rest, 2)
        memcpy(&high, end - 2, 2)
        return low | high << (8 * (rest - 2))
    return (end - 1)[0]


# Equal?  For short names: word by word, without a call.
cdef inline bint same_bytes(const uint8_t* left, const uint8_t* right, size_t size) noexcept nogil:
    cdef uint64_t one, other
    cdef size_t whole_size = size
    while size >= 8:
        memcpy(&one, left, 8)
        memcpy(&other, right, 8)
        if one != other:
            return False
        left += 8
        right += 8
        size -= 8
    return (
        size == 0
        or tail_word(left + size, size, whole_size) == tail_word(right + size, size, whole_size)
    )


# SipHash-1-3 of `size` bytes (Aumasson and Bernstein, https://131002.net/siphash/; one
# compression round, three final rounds).
cdef inline uint64_t siphash13(const HashKey* key, const uint8_t* data, size_t size) noexcept nogil:
    cdef uint64_t[4] v
    cdef uint64_t word
    cdef size_t whole = size & ~<size_t>7
    cdef size_t index = 0
    v[0] = key.k0 ^ 0x736F6D6570736575ULL
    v[1] = key.k1 ^ 0x646F72616E646F6DULL
    v[2] = key.k0 ^ 0x6C7967656E657261ULL
    v[3] = key.k1 ^ 0x7465646279746573ULL
    while index < whole:
        memcpy(&word, data + index, 8)
        v[3] ^= word
        sip_round(v)
        v[0] ^= word
        index += 8
    word = tail_word(data + size, size - whole, size)
    word |= (<uint64_t>size) << 56
    v[3] ^= word
    sip_round(v)
    v[0] ^= word
    v[2] ^= 0xFF
    sip_round(v)
    sip_round(v)
    sip_round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


cdef inline uint64_t mix64(uint64_t value) noexcept nogil:
    value ^= value >> 32
    value *= 0xD6E8FEB86659FD93ULL
    value ^= value >> 32
    value *= 0xD6E8FEB86659FD93ULL
    value ^= value >> 32
    return value


# Unkeyed hash of a short name; for tables over the plan's own names only (their size is bounded
# by the plan).
cdef inline uint64_t name_hash(const uint8_t* data, size_t size) noexcept nogil:
    cdef uint64_t hashed = 0x9E3779B97F4A7C15ULL ^ size
    cdef uint64_t word
    cdef size_t whole_size = size
    while size >= 8:
        memcpy(&word, data, 8)
        hashed = (hashed ^ word) * 0xD6E8FEB86659FD93ULL
        hashed ^= hashed >> 29
        data += 8
        size -= 8
    if size:
        word = tail_word(data + size, size, whole_size)
        hashed = (hashed ^ word) * 0xD6E8FEB86659FD93ULL
        hashed ^= hashed >> 29
    return hashed ^ (hashed >> 32)
