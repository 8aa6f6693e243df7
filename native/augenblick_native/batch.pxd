# A stream of events and marks, applied: what the kernel object calls with the GIL released.
from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t

from augenblick_native.machine cimport Machine

cdef enum:
    BROKEN_STREAM = 0xFFFFFFFF

# Before a call: its stamps.
cdef void begin_call(Machine* machine, int64_t now_ms) noexcept nogil

# Apply the stream of one gateway, the clock going no further than `cap_ms`, then let time pass up
# to its
# last mark.  Events applied or refused; BROKEN_STREAM: it is none (nothing of the rest is applied).
cdef uint32_t apply_stream(
    Machine* machine, const uint8_t* data, size_t size, uint32_t gateway, uint64_t incarnation,
    int64_t cap_ms
) noexcept nogil

# Let time pass: everything whose instant the watermark is strictly past happens.
cdef void advance_clock(Machine* machine, int64_t watermark_ms) noexcept nogil

# Keep Machine.earliest of the key group right.
cdef void note_earliest(Machine* machine, uint32_t key_group) noexcept nogil
