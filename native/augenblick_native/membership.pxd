# Segments: evaluated with an event, or from a timer at the next instant at which time may change
# them.
from libc.stdint cimport int64_t, uint32_t
from augenblick_native.machine cimport Caused, Event, Machine
from augenblick_native.program cimport SegmentRule, Span
from augenblick_native.state cimport NEVER_MS

# The next instant after `after_ms` at which time alone may change the segment; NEVER_MS.
cdef int64_t segment_next_ms(
    Machine* machine, const SegmentRule* rule, int64_t after_ms
) noexcept nogil

# Look at the segment at an instant; what it caused goes to `caused`.  True: it changed.
cdef bint evaluate_segment(
    Machine* machine, uint32_t segment, int64_t at_ms, bint timed, Caused* caused
) noexcept nogil

# Look at the segments that the event feeds; how many changed.
cdef uint32_t run_segments(
    Machine* machine, Event* event, const Span* segments, Caused* caused
) noexcept nogil

# A session changed its start: what time alone changes may come earlier now.
cdef void rearm_segments(Machine* machine) noexcept nogil
