# quantile: DDSketch (Masson, Rim, Lee 2019) with relative accuracy 1 %.  8 bytes for each bin that
# holds a number; a factor of ten takes 115 bins.  Beyond 1,024 bins the lowest two become one, so
# the state is a function of the numbers: merging in any order gives the same bytes.
from libc.stdint cimport int32_t, uint8_t, uint32_t

from augenblick_native.buffer cimport Buffer

cdef enum:
    BINS_MAX = 1024

# The bin of a number: bins are ordered as the numbers are.
cdef int32_t quantile_bin(double number) noexcept nogil

# As distinct_grown and distinct_put.
cdef uint32_t quantile_grown(const uint8_t* state, uint32_t size, int32_t bin) noexcept nogil
cdef void quantile_put(
    uint8_t* state, uint32_t size, uint32_t grown, int32_t bin, uint32_t count
) noexcept nogil
cdef bint quantile_merge(Buffer* into, const uint8_t* other, uint32_t size) noexcept nogil

# The number of rank floor(q * (count - 1)), within 1 % of it; the state is not that of nothing.
cdef double quantile_number(const uint8_t* state, uint32_t size, double q) noexcept nogil
