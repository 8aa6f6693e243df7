# cython: language_level=3
"""quantile: DDSketch, sparse bins in order.

A positive number x lies in the bin ceil(log_gamma(x)), with gamma = (1 + a) / (1 - a) and a = 1 %;
the bin answers with 2 gamma^i / (gamma + 1), within a of every number in it.  Negative numbers are
mirrored, zero has a bin of its own.
"""
from libc.math cimport ceil, exp, fabs, log
from libc.stdint cimport UINT32_MAX, uint64_t
from libc.string cimport memmove, memset

from augenblick_native.buffer cimport buffer_room

cdef enum:
    POSITIVE = 40000                    # bin of 1.0; the smallest double lies 37,224 below it

cdef double GAMMA = 1.01 / 0.99
cdef double GAMMA_LN = log(1.01 / 0.99)

cdef struct Bin:
    int32_t bin
    uint32_t count


cdef int32_t quantile_bin(double number) noexcept nogil:
    cdef int32_t bin
    if number == 0.0:
        return 0
    bin = <int32_t>ceil(log(fabs(number)) / GAMMA_LN) + POSITIVE
    return bin if number > 0.0 else -bin


cdef inline uint32_t place_of(const Bin* bins, uint32_t count, int32_t bin) noexcept nogil:
    cdef uint32_t low = 0
    cdef uint32_t high = count
    cdef uint32_t middle
    while low < high:
        middle = (low + high) // 2
        if bins[middle].bin < bin:
            low = middle + 1
        else:
            high = middle
    return low


cdef uint32_t quantile_grown(const uint8_t* state, uint32_t size, int32_t bin) noexcept nogil:
    cdef const Bin* bins = <const Bin*>state
    cdef uint32_t count = size // <uint32_t>sizeof(Bin)
    cdef uint32_t at = place_of(bins, count, bin)
    if count == BINS_MAX or (at < count and bins[at].bin == bin):
        return size
    return size + <uint32_t>sizeof(Bin)


cdef inline void count_up(Bin* bin, uint32_t count) noexcept nogil:
    bin.count = bin.count + count if bin.count <= UINT32_MAX - count else UINT32_MAX


cdef void quantile_put(
    uint8_t* state, uint32_t size, uint32_t grown, int32_t bin, uint32_t count
) noexcept nogil:
    cdef Bin* bins = <Bin*>state
    cdef uint32_t bins_count = size // <uint32_t>sizeof(Bin)
    cdef uint32_t at = place_of(bins, bins_count, bin)
    cdef uint32_t lowest
    if at < bins_count and bins[at].bin == bin:
        count_up(&bins[at], count)
    elif grown > size:
        memmove(bins + at + 1, bins + at, (bins_count - at) * sizeof(Bin))
        bins[at].bin = bin
        bins[at].count = count
    elif at == 0:                       # full, and lower than all: it joins the lowest
        count_up(&bins[0], count)
    else:                               # full: the lowest joins the one above it
        lowest = bins[0].count
        memmove(bins, bins + 1, (at - 1) * sizeof(Bin))
        bins[at - 1].bin = bin
        bins[at - 1].count = count
        count_up(&bins[0], lowest)


cdef bint quantile_merge(Buffer* into, const uint8_t* other, uint32_t size) noexcept nogil:
    cdef const Bin* bins = <const Bin*>other
    cdef uint32_t index, before, grown
    for index in range(size // <uint32_t>sizeof(Bin), 0, -1):
        before = <uint32_t>into.size
        grown = quantile_grown(into.data, before, bins[index - 1].bin)
        if grown > before:
            if buffer_room(into, grown - before) == NULL:
                return False
            memset(into.data + before, 0, grown - before)
            into.size = grown
        quantile_put(into.data, before, grown, bins[index - 1].bin, bins[index - 1].count)
    return True


cdef double quantile_number(const uint8_t* state, uint32_t size, double q) noexcept nogil:
    cdef const Bin* bins = <const Bin*>state
    cdef uint32_t count = size // <uint32_t>sizeof(Bin)
    cdef uint64_t numbers = 0
    cdef uint64_t below = 0
    cdef uint32_t at
    cdef int32_t bin
    cdef double number
    for at in range(count):
        numbers += bins[at].count
    at = 0
    below = bins[0].count
    while at + 1 < count and <double>below <= q * <double>(numbers - 1):
        at += 1
        below += bins[at].count
    bin = bins[at].bin
    if bin == 0:
        return 0.0
    number = 2.0 * exp((bin - POSITIVE if bin > 0 else -bin - POSITIVE) * GAMMA_LN) / (GAMMA + 1.0)
    return number if bin > 0 else -number
