# BLAKE2b with a digest of 128 bits, without a key (RFC 7693).
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memset

cdef extern from *:
    """
    static const uint64_t ab_blake2_iv[8] = {
        0x6A09E667F3BCC908ULL, 0xBB67AE8584CAA73BULL, 0x3C6EF372FE94F82BULL, 0xA54FF53A5F1D36F1ULL,
        0x510E527FADE682D1ULL, 0x9B05688C2B3E6C1FULL, 0x1F83D9ABFB41BD6BULL, 0x5BE0CD19137E2179ULL,
    };
    static const uint8_t ab_blake2_sigma[10][16] = {
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
        {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
        {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
        {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
        {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
        {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
        {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
        {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
        {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
        {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
    };
    """
    const uint64_t* BLAKE2_IV "ab_blake2_iv"
    const uint8_t BLAKE2_SIGMA "ab_blake2_sigma"[10][16]


cdef inline uint64_t rotr64(uint64_t value, int bits) noexcept nogil:
    return (value >> bits) | (value << (64 - bits))


cdef inline void blake2_mix(
    uint64_t* v, int a, int b, int c, int d, uint64_t x, uint64_t y
) noexcept nogil:
    v[a] = v[a] + v[b] + x
    v[d] = rotr64(v[d] ^ v[a], 32)
    v[c] = v[c] + v[d]
    v[b] = rotr64(v[b] ^ v[c], 24)
    v[a] = v[a] + v[b] + y
    v[d] = rotr64(v[d] ^ v[a], 16)
    v[c] = v[c] + v[d]
    v[b] = rotr64(v[b] ^ v[c], 63)


# One block of 128 bytes; `total`: bytes so far, this block's included.
cdef inline void blake2_block(
    uint64_t* h, const uint8_t* block, uint64_t total, bint is_last
) noexcept nogil:
    cdef uint64_t[16] v
    cdef uint64_t[16] m
    cdef const uint8_t* s
    cdef int index
    memcpy(m, block, 128)
    for index in range(8):
        v[index] = h[index]
        v[index + 8] = BLAKE2_IV[index]
    v[12] ^= total
    if is_last:
        v[14] = ~v[14]
    for index in range(12):
        s = BLAKE2_SIGMA[index % 10]
        blake2_mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]])
        blake2_mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]])
        blake2_mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]])
        blake2_mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]])
        blake2_mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]])
        blake2_mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]])
        blake2_mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]])
        blake2_mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]])
    for index in range(8):
        h[index] ^= v[index] ^ v[index + 8]


# The digest of `size` bytes, to 16 bytes at `digest`.
cdef inline void blake2b_128(const uint8_t* data, size_t size, uint8_t* digest) noexcept nogil:
    cdef uint64_t[8] h
    cdef uint8_t[128] last
    cdef size_t at = 0
    memcpy(h, BLAKE2_IV, 64)
    h[0] ^= 0x01010010                  # depth 1, fanout 1, no key, 16 bytes
    while size - at > 128:
        blake2_block(h, data + at, at + 128, False)
        at += 128
    memset(last, 0, 128)
    memcpy(last, data + at, size - at)
    blake2_block(h, last, size, True)
    memcpy(digest, h, 16)
