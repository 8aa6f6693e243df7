# CRC-32C (Castagnoli; RFC 3720 appendix B.4), continued from a value: by the processor's own
# instruction where it has one (SSE 4.2, or the CRC extension of ARMv8), else by a table.
from libc.stdint cimport uint8_t, uint32_t


cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>

    static uint32_t ab_crc32c_table[256];

    __attribute__((constructor)) static void ab_crc32c_make_table(void) {
        uint32_t index, value;
        int bit;
        for (index = 0; index < 256; index++) {
            value = index;
            for (bit = 0; bit < 8; bit++)
                value = value & 1 ? (value >> 1) ^ 0x82F63B78u : value >> 1;
            ab_crc32c_table[index] = value;
        }
    }

    static uint32_t ab_crc32c_plain(uint32_t crc, const uint8_t *data, size_t size) {
        crc = ~crc;
        while (size--)
            crc = ab_crc32c_table[(crc ^ *data++) & 0xFF] ^ (crc >> 8);
        return ~crc;
    }

    #if defined(__x86_64__)
    #include <nmmintrin.h>
    #define AB_CRC_TARGET __attribute__((target("sse4.2")))
    #define AB_CRC_8(crc, word) ((uint32_t)_mm_crc32_u64((crc), (word)))
    #define AB_CRC_1(crc, byte) _mm_crc32_u8((crc), (byte))
    #define AB_HAS_CRC() __builtin_cpu_supports("sse4.2")
    #elif defined(__aarch64__) && defined(__linux__)
    #include <sys/auxv.h>
    #define AB_CRC_TARGET __attribute__((target("+crc")))
    #define AB_CRC_8(crc, word) __builtin_aarch64_crc32cx((crc), (word))
    #define AB_CRC_1(crc, byte) __builtin_aarch64_crc32cb((crc), (byte))
    #define AB_HAS_CRC() ((getauxval(AT_HWCAP) >> 7) & 1)       /* HWCAP_CRC32 */
    #endif

    #ifdef AB_HAS_CRC
    AB_CRC_TARGET
    static uint32_t ab_crc32c_quick(uint32_t crc, const uint8_t *data, size_t size) {
        uint64_t word;
        crc = ~crc;
        for (; size >= 8; size -= 8, data += 8) {
            memcpy(&word, data, 8);
            crc = AB_CRC_8(crc, word);
        }
        for (; size; size--)
            crc = AB_CRC_1(crc, *data++);
        return ~crc;
    }
    #endif

    static uint32_t ab_crc32c(uint32_t crc, const uint8_t *data, size_t size) {
    #ifdef AB_HAS_CRC
        if (AB_HAS_CRC())
            return ab_crc32c_quick(crc, data, size);
    #endif
        return ab_crc32c_plain(crc, data, size);
    }
    """
    uint32_t crc32c_of "ab_crc32c"(uint32_t crc, const uint8_t* data, size_t size) noexcept nogil
    # without the instruction: for tests
    uint32_t crc32c_plain "ab_crc32c_plain"(
        uint32_t crc, const uint8_t* data, size_t size
    ) noexcept nogil
