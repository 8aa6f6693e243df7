# distinct: how many values differ.  Exact up to 127 of them, then HyperLogLog with 1,024 registers:
# standard error 1.04 / sqrt(1024) = 3.25 %.  8 bytes for each value, 1,024 at most.  The state is a
# function of the set of values, so merging in any order gives the same bytes.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from augenblick_native.buffer cimport Buffer

cdef enum:
    EXACT_VALUES_MAX = 127
    REGISTERS = 1024                    # their bytes too: a longer state than any exact one

# Bytes of the state once the value is in it.  `size` 0 is the state of nothing.
cdef uint32_t distinct_grown(const uint8_t* state, uint32_t size, uint64_t hashed) noexcept nogil

# Put the value in; the state has `grown` bytes, those past `size` are zeros.
cdef void distinct_put(
    uint8_t* state, uint32_t size, uint32_t grown, uint64_t hashed
) noexcept nogil

# Join another state into the one that is all of `into`.  False: no memory.
cdef bint distinct_merge(Buffer* into, const uint8_t* other, uint32_t size) noexcept nogil

cdef double distinct_estimate(const uint8_t* state, uint32_t size) noexcept nogil
