# top: the most frequent values, by space-saving (Metwally, Agrawal, El Abbadi 2005) with four
# counters for each value asked for, 16 at least.  Exact while no more values than counters came;
# then a count is too high by at most events / counters, and no value with more is missing.
# Merged as Agarwal et al. 2012, "Mergeable summaries": the errors add.  16 bytes and the value for
# each counter.
from libc.stdint cimport uint8_t, uint32_t

from augenblick_native.buffer cimport Buffer

# The counters for a list of `wanted` values.
cdef inline uint32_t top_counters(uint32_t wanted) noexcept nogil:
    return max(4 * wanted, <uint32_t>16)


# A value as msgpack.
cdef struct Kept:
    const uint8_t* data
    uint32_t size

# Bytes of the state once the value is in it: more, fewer or as many as now.
cdef uint32_t top_changed(
    const uint8_t* state, uint32_t size, uint32_t counters, const Kept* value
) noexcept nogil

# Put the value in; the state has room for the larger of `size` and `changed`.
cdef void top_put(
    uint8_t* state, uint32_t size, uint32_t counters, const Kept* value
) noexcept nogil

cdef bint top_merge(
    Buffer* into, const uint8_t* other, uint32_t size, uint32_t counters
) noexcept nogil

# Append the most frequent values, at most `wanted`, as a msgpack array: most frequent first, of
# equal counts in the order of their bytes.  False: no memory.
cdef bint top_pack(
    Buffer* out, const uint8_t* state, uint32_t size, uint32_t wanted
) noexcept nogil
