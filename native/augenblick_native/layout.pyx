# cython: language_level=3
"""The panes of fixed aggregates inside a feature's cell: {key, state} in order of key."""
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from augenblick_native.aggregates.fixed cimport FIXED_STATE_BYTES_MAX, fixed_merge, fixed_result
from augenblick_native.program cimport CalendarRun
from augenblick_native.record cimport payload_bytes, widen

cdef int64_t INSTANT_MS_MAX = 1 << 60


cdef int64_t calendar_start(
    const Calendar* calendar, int64_t at_ms, int64_t* length_ms
) noexcept nogil:
    cdef uint32_t low = 0
    cdef uint32_t high = calendar.count - 1
    cdef uint32_t middle
    cdef const CalendarRun* run
    while low < high:                   # the last run that begins at or before the instant
        middle = (low + high + 1) // 2
        if calendar.runs[middle].start_ms <= at_ms:
            low = middle
        else:
            high = middle - 1
    run = &calendar.runs[low]
    length_ms[0] = run.step_ms
    # far from any event, at the ends of time, a window needs no exact start
    at_ms = min(max(at_ms, -INSTANT_MS_MAX), INSTANT_MS_MAX)
    return run.start_ms + floor_to(at_ms - run.start_ms, run.step_ms)


# The state of the pane with this key, made in order if need be.  NULL: full.
cdef uint8_t* pane_for(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t key
) noexcept nogil:
    cdef uint32_t stride = 8 + rule.stride
    cdef uint32_t at = payload_bytes(machine.keeper.user, offset)
    cdef uint32_t header = header_bytes(rule)
    cdef uint8_t* data = payload(machine.keeper.user, offset)
    cdef int64_t other
    while at > header:
        memcpy(&other, data + at - stride, 8)
        if other == key:
            return data + at - stride + 8
        if other < key:
            break
        at -= stride
    if not widen(&machine.keeper, offset, at, stride):
        return NULL
    data = payload(machine.keeper.user, offset) + at
    memcpy(data, &key, 8)
    return data + 8


# The panes with key in [first, last], merged and read at an instant.
cdef Value read_panes(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t first, int64_t last,
    int64_t at_ms
) noexcept nogil:
    cdef uint8_t[FIXED_STATE_BYTES_MAX] state
    cdef uint32_t stride = 8 + rule.stride
    cdef uint32_t at = header_bytes(rule)
    cdef uint32_t end = payload_bytes(machine.keeper.user, offset)
    cdef uint8_t* data = payload(machine.keeper.user, offset)
    cdef int64_t key
    memset(state, 0, FIXED_STATE_BYTES_MAX)
    while at < end:
        memcpy(&key, data + at, 8)
        if first <= key <= last:
            fixed_merge(rule, state, data + at + 8)
        at += stride
    return fixed_result(rule, state, at_ms)


cdef bint has_pane(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t first, int64_t last
) noexcept nogil:
    cdef uint32_t at = header_bytes(rule)
    cdef int64_t key
    while at < payload_bytes(machine.keeper.user, offset):
        memcpy(&key, payload(machine.keeper.user, offset) + at, 8)
        if first <= key <= last:
            return True
        at += 8 + rule.stride
    return False
