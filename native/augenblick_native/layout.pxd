# How a feature's cell is laid out; see window.pyx for the table.
from libc.stdint cimport int64_t, uint32_t, uint8_t

from augenblick_native.cursor cimport unlikely
from augenblick_native.machine cimport Machine, floor_to, plus
from augenblick_native.msgpack cimport Value
from augenblick_native.program cimport (
    OPERAND_NONE, WINDOW_CALENDAR, WINDOW_HOPPING, WINDOW_SINCE, WINDOW_TUMBLING, Calendar,
    FeatureRule,
)
from augenblick_native.record cimport payload


cdef inline uint32_t header_bytes(const FeatureRule* rule) noexcept nogil:
    if rule.window == WINDOW_HOPPING or (rule.window == WINDOW_SINCE and rule.by == OPERAND_NONE):
        return 8
    return 0


cdef inline int64_t* header_of(Machine* machine, uint32_t offset) noexcept nogil:
    return <int64_t*>payload(machine.keeper.user, offset)


# Is it over windows that follow one after the other: tumbling, hopping, calendar?
cdef inline bint is_windowed(const FeatureRule* rule) noexcept nogil:
    return WINDOW_TUMBLING <= rule.window <= WINDOW_CALENDAR


# The calendar window that holds an instant: its start, and its length.
cdef int64_t calendar_start(
    const Calendar* calendar, int64_t at_ms, int64_t* length_ms
) noexcept nogil


# Start of the pane that holds an instant.
cdef inline int64_t pane_start(const FeatureRule* rule, int64_t at_ms) noexcept nogil:
    cdef int64_t length_ms
    if unlikely(rule.window == WINDOW_CALENDAR):
        return calendar_start(rule.calendar, at_ms, &length_ms)
    return floor_to(at_ms, rule.pane_ms)


# End of the pane that starts there, and of the last window that the pane is in.
cdef inline int64_t pane_end(const FeatureRule* rule, int64_t start_ms) noexcept nogil:
    if unlikely(rule.window == WINDOW_CALENDAR):
        return window_end(rule, start_ms)
    return plus(start_ms, rule.pane_ms)


cdef inline int64_t window_end(const FeatureRule* rule, int64_t start_ms) noexcept nogil:
    cdef int64_t length_ms, begin_ms
    if unlikely(rule.window == WINDOW_CALENDAR):
        begin_ms = calendar_start(rule.calendar, start_ms, &length_ms)
        return plus(begin_ms, length_ms)
    return plus(start_ms, rule.size_ms)


# Start of the window that ends there.
cdef inline int64_t window_start(const FeatureRule* rule, int64_t end_ms) noexcept nogil:
    if unlikely(rule.window == WINDOW_CALENDAR):
        return pane_start(rule, end_ms - 1)
    return end_ms - rule.size_ms


cdef inline bint is_closed(Machine* machine, int64_t end_ms) noexcept nogil:
    return end_ms < machine.clock_ms + machine.closing


# The state of the pane with this key, made in order if need be.  NULL: full.
cdef uint8_t* pane_for(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t key
) noexcept nogil

# The panes with key in [first, last], merged and read at an instant; is there any?
cdef Value read_panes(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t first, int64_t last,
    int64_t at_ms
) noexcept nogil
cdef bint has_pane(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t first, int64_t last
) noexcept nogil
