# Keyed BLAKE2b of 16 bytes (RFC 7693) over a user id, as 32 hexadecimal digits: what stands in the
# place of the id where a plan says `pseudonymise`. Equal to hashlib's, by a test.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

# The rounds are C, so that the compiler unrolls them: the words' order is then no longer looked up.
cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    static const uint64_t AB_BLAKE_IV[8] = {
        0x6A09E667F3BCC908ULL, 0xBB67AE8584CAA73BULL, 0x3C6EF372FE94F82BULL, 0xA54FF53A5F1D36F1ULL,
        0x510E527FADE682D1ULL, 0x9B05688C2B3E6C1FULL, 0x1F83D9ABFB41BD6BULL, 0x5BE0CD19137E2179ULL,
    };
    #define AB_ROTR64(x, bits) (((x) >> (bits)) | ((x) << (64 - (bits))))
    #define AB_MIX(a, b, c, d, x, y) \\
        v[a] += v[b] + m[x]; v[d] = AB_ROTR64(v[d] ^ v[a], 32); \\
        v[c] += v[d];        v[b] = AB_ROTR64(v[b] ^ v[c], 24); \\
        v[a] += v[b] + m[y]; v[d] = AB_ROTR64(v[d] ^ v[a], 16); \\
        v[c] += v[d];        v[b] = AB_ROTR64(v[b] ^ v[c], 63);
    #define AB_ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, sa, sb, sc, sd, se, sf) \\
        AB_MIX(0, 4, 8, 12, s0, s1) AB_MIX(1, 5, 9, 13, s2, s3) \\
        AB_MIX(2, 6, 10, 14, s4, s5) AB_MIX(3, 7, 11, 15, s6, s7) \\
        AB_MIX(0, 5, 10, 15, s8, s9) AB_MIX(1, 6, 11, 12, sa, sb) \\
        AB_MIX(2, 7, 8, 13, sc, sd) AB_MIX(3, 4, 9, 14, se, sf)
    static void ab_blake_block(
        uint64_t *state, const uint8_t *block, uint64_t count, int is_last)
    {
        uint64_t v[16], m[16];
        memcpy(m, block, 128);
        memcpy(v, state, 64);
        memcpy(v + 8, AB_BLAKE_IV, 64);
        v[12] ^= count;
        if (is_last)
            v[14] = ~v[14];
        AB_ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
        AB_ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
        AB_ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4)
        AB_ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8)
        AB_ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13)
        AB_ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9)
        AB_ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11)
        AB_ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10)
        AB_ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5)
        AB_ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0)
        AB_ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
        AB_ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
        for (int i = 0; i < 8; i++)
            state[i] ^= v[i] ^ v[i + 8];
    }
    """
    const uint64_t* BLAKE_IV "AB_BLAKE_IV"
    # One block; `count`: bytes so far, this block's too.
    void blake_block "ab_blake_block"(
        uint64_t* state, const uint8_t* block, uint64_t count, bint is_last
    ) noexcept nogil

cdef enum:
    PSEUDONYM_BYTES = 32                        # as text
    PSEUDONYM_KEY_BYTES = 32
    BLAKE_BLOCK_BYTES = 128
    BLAKE_OUT_BYTES = 16


# The state behind the block that holds the key: every id begins with it.
cdef struct PseudonymKey:
    uint64_t[8] state
    bint is_set


# `key`: PSEUDONYM_KEY_BYTES; `person`: 16 bytes that part this use of the key from others.
cdef inline void set_pseudonym_key(
    PseudonymKey* out, const uint8_t* key, const uint8_t* person,
) noexcept nogil:
    cdef uint8_t[128] block
    cdef uint64_t[2] personal
    cdef int index
    for index in range(8):
        out.state[index] = BLAKE_IV[index]
    out.state[0] ^= <uint64_t>0x01010000 ^ (PSEUDONYM_KEY_BYTES << 8) ^ BLAKE_OUT_BYTES
    memcpy(personal, person, 16)
    out.state[6] ^= personal[0]
    out.state[7] ^= personal[1]
    memset(block, 0, BLAKE_BLOCK_BYTES)
    memcpy(block, key, PSEUDONYM_KEY_BYTES)
    blake_block(out.state, block, BLAKE_BLOCK_BYTES, False)
    out.is_set = True


# The pseudonym of an id of at least one byte, PSEUDONYM_BYTES to `out`.
cdef inline void write_pseudonym(
    const PseudonymKey* key, const uint8_t* user, uint32_t size, uint8_t* out,
) noexcept nogil:
    cdef uint64_t[8] state
    cdef uint8_t[128] block
    cdef uint64_t count = BLAKE_BLOCK_BYTES
    cdef uint8_t byte
    cdef int index
    memcpy(state, key.state, sizeof(state))
    while size > BLAKE_BLOCK_BYTES:
        count += BLAKE_BLOCK_BYTES
        blake_block(state, user, count, False)
        user += BLAKE_BLOCK_BYTES
        size -= BLAKE_BLOCK_BYTES
    memset(block, 0, BLAKE_BLOCK_BYTES)
    memcpy(block, user, size)
    blake_block(state, block, count + size, True)
    for index in range(BLAKE_OUT_BYTES):
        byte = (<uint8_t*>state)[index]
        out[2 * index] = <uint8_t>(b"0123456789abcdef"[byte >> 4])
        out[2 * index + 1] = <uint8_t>(b"0123456789abcdef"[byte & 15])
