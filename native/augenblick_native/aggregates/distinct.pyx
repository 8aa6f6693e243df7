# cython: language_level=3
"""distinct: sorted hashes while they are few, then HyperLogLog.

HyperLogLog is Flajolet, Fusy, Gandouet, Meunier 2007; the estimator is the one of Ertl 2017, "New
cardinality estimation algorithms for HyperLogLog sketches", algorithm 6, which needs no correction
by range.
"""
from libc.math cimport INFINITY, log, sqrt
from libc.string cimport memcpy, memmove, memset

from augenblick_native.buffer cimport buffer_room

cdef enum:
    INDEX_BITS = 10                     # REGISTERS = 2 ^ INDEX_BITS
    RANKS = 64 - INDEX_BITS

cdef extern from *:
    int leading_zeros "__builtin_clzll"(unsigned long long) noexcept nogil


# Place of the first hash that is not smaller.
cdef inline uint32_t place_of(
    const uint64_t* hashes, uint32_t count, uint64_t hashed
) noexcept nogil:
    cdef uint32_t low = 0
    cdef uint32_t high = count
    cdef uint32_t middle
    while low < high:
        middle = (low + high) // 2
        if hashes[middle] < hashed:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline void put_register(uint8_t* registers, uint64_t hashed) noexcept nogil:
    cdef uint32_t index = <uint32_t>(hashed >> RANKS)
    cdef uint64_t rest = hashed << INDEX_BITS
    cdef uint8_t rank = <uint8_t>(leading_zeros(rest) + 1 if rest else RANKS + 1)
    if rank > registers[index]:
        registers[index] = rank


cdef uint32_t distinct_grown(const uint8_t* state, uint32_t size, uint64_t hashed) noexcept nogil:
    cdef const uint64_t* hashes = <const uint64_t*>state
    cdef uint32_t count = size // 8
    cdef uint32_t at
    if size == REGISTERS:
        return size
    at = place_of(hashes, count, hashed)
    if at < count and hashes[at] == hashed:
        return size
    return size + 8 if count < EXACT_VALUES_MAX else REGISTERS


cdef void distinct_put(
    uint8_t* state, uint32_t size, uint32_t grown, uint64_t hashed
) noexcept nogil:
    cdef uint64_t* hashes = <uint64_t*>state
    cdef uint64_t[EXACT_VALUES_MAX] kept
    cdef uint32_t count = size // 8
    cdef uint32_t at
    if size == REGISTERS:
        put_register(state, hashed)
        return
    if grown == REGISTERS:
        memcpy(kept, hashes, size)
        memset(state, 0, REGISTERS)
        for at in range(count):
            put_register(state, kept[at])
        put_register(state, hashed)
        return
    if grown == size:
        return
    at = place_of(hashes, count, hashed)
    memmove(hashes + at + 1, hashes + at, (count - at) * 8)
    hashes[at] = hashed


cdef bint resized(Buffer* into, uint32_t size) noexcept nogil:
    if size > into.size:
        if buffer_room(into, size - into.size) == NULL:
            return False
        memset(into.data + into.size, 0, size - into.size)
    into.size = size
    return True


cdef bint distinct_merge(Buffer* into, const uint8_t* other, uint32_t size) noexcept nogil:
    cdef uint32_t index, before, grown
    cdef uint64_t[EXACT_VALUES_MAX] kept
    if size == REGISTERS:
        before = <uint32_t>into.size
        if before != REGISTERS:
            if before:                  # memcpy takes no NULL, whatever the size
                memcpy(kept, into.data, before)
            if not resized(into, REGISTERS):
                return False
            memset(into.data, 0, REGISTERS)
            for index in range(before // 8):
                put_register(into.data, kept[index])
        for index in range(REGISTERS):
            into.data[index] = max(into.data[index], other[index])
        return True
    for index in range(size // 8):
        before = <uint32_t>into.size
        grown = distinct_grown(into.data, before, (<const uint64_t*>other)[index])
        if not resized(into, grown):
            return False
        distinct_put(into.data, before, grown, (<const uint64_t*>other)[index])
    return True


cdef double sigma(double x) noexcept nogil:
    cdef double y = 1.0
    cdef double z = x
    cdef double before = -1.0
    if x == 1.0:
        return INFINITY
    while z != before:
        x *= x
        before = z
        z += x * y
        y += y
    return z


cdef double tau(double x) noexcept nogil:
    cdef double y = 1.0
    cdef double z = 1.0 - x
    cdef double before = -1.0
    if x == 0.0 or x == 1.0:
        return 0.0
    while z != before:
        x = sqrt(x)
        before = z
        y *= 0.5
        z -= (1.0 - x) * (1.0 - x) * y
    return z / 3.0


cdef double distinct_estimate(const uint8_t* state, uint32_t size) noexcept nogil:
    cdef uint32_t[RANKS + 2] counts
    cdef uint32_t index
    cdef int rank
    cdef double z
    if size != REGISTERS:
        return <double>(size // 8)
    memset(counts, 0, sizeof(counts))
    for index in range(REGISTERS):
        counts[min(state[index], RANKS + 1)] += 1
    z = REGISTERS * tau(1.0 - <double>counts[RANKS + 1] / REGISTERS)
    for rank in range(RANKS, 0, -1):
        z = 0.5 * (z + counts[rank])
    z += REGISTERS * sigma(<double>counts[0] / REGISTERS)
    return (<double>REGISTERS * REGISTERS) / (2.0 * log(2.0) * z)
