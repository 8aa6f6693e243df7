# cython: language_level=3
"""hour, weekday, days_since and distance_km.

A zone's clocks are a table of (from, ahead of UTC), so that its rules stay in plain Python: see the
decision on calendars.  Days are counted from 1970-01-01, a Thursday; weekdays are those of ISO
8601, Monday 1 to Sunday 7.
"""
from libc.math cimport asin, cos, fabs, floor, sin, sqrt
from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from augenblick_native.cursor cimport Cursor, cursor_over
from augenblick_native.hash cimport name_hash
from augenblick_native.machine cimport floor_to
from augenblick_native.msgpack cimport VALUE_INT, missing, read_value, skip_value
from augenblick_native.program cimport (
    OP_DISTANCE_KM, OP_HOUR, OP_WEEKDAY, Calendar, Text,
)
from augenblick_native.status cimport STATUS_OK
from augenblick_native.values cimport as_float, is_number, of_float, of_int

cdef int64_t DAY_MS = 86400000
cdef int64_t HOUR_MS = 3600000
cdef int64_t WHOLE_MS_MAX = 1 << 53         # beyond it a float names no millisecond
cdef double EARTH_KM = 6371.0088            # mean radius, IUGG
cdef double RADIANS = 0.017453292519943295  # of a degree


# What the zone's clocks show, as milliseconds since their 1970.
cdef int64_t local_ms(const Calendar* offsets, int64_t at_ms) noexcept nogil:
    cdef uint32_t low = 0
    cdef uint32_t high = offsets.count
    cdef uint32_t middle
    while low + 1 < high:                   # the first run holds what lies before it
        middle = (low + high) // 2
        if offsets.runs[middle].start_ms <= at_ms:
            low = middle
        else:
            high = middle
    return at_ms + (offsets.runs[low].step_ms if offsets.count else 0)


cdef inline int64_t day_of(int64_t shown_ms) noexcept nogil:
    return floor_to(shown_ms, DAY_MS) // DAY_MS


# A number as milliseconds.  False: it is none, or names no instant.
cdef bint instant_of(const Value* value, int64_t* at_ms) noexcept nogil:
    if not is_number(value):
        return False
    if value.kind == VALUE_INT:
        at_ms[0] = value.integer
    else:
        if not fabs(value.number) < <double>WHOLE_MS_MAX:
            return False
        at_ms[0] = <int64_t>floor(value.number)
    return -WHOLE_MS_MAX < at_ms[0] < WHOLE_MS_MAX


# Of two places as degrees, by the haversine formula on a sphere.
cdef Value distance_km(const Value* places) noexcept nogil:
    cdef double[4] angles
    cdef double half, other_half, part
    cdef int index
    for index in range(4):
        if not is_number(&places[index]):
            return missing()
        angles[index] = as_float(&places[index])
    if not (fabs(angles[0]) <= 90.0 and fabs(angles[2]) <= 90.0):
        return missing()
    for index in range(4):
        angles[index] *= RADIANS
    half = sin((angles[2] - angles[0]) / 2.0)
    other_half = sin((angles[3] - angles[1]) / 2.0)
    part = half * half + cos(angles[0]) * cos(angles[2]) * other_half * other_half
    return of_float(2.0 * EARTH_KM * asin(sqrt(min(part, 1.0))))


cdef int apply_function(
    const Plan* plan, int op, int64_t at_ms, Value* stack, int top
) noexcept nogil:
    cdef int64_t time_ms, shown_ms
    if op == OP_DISTANCE_KM:
        stack[top - 3] = distance_km(&stack[top - 3])
        return top - 3
    if not instant_of(&stack[top], &time_ms):
        stack[top] = missing()
        return top
    shown_ms = local_ms(&plan.offsets, time_ms)
    if op == OP_HOUR:
        stack[top] = of_int((shown_ms - floor_to(shown_ms, DAY_MS)) // HOUR_MS)
    elif op == OP_WEEKDAY:
        stack[top] = of_int(((day_of(shown_ms) + 3) % 7 + 7) % 7 + 1)
    else:
        stack[top] = of_int(day_of(local_ms(&plan.offsets, at_ms)) - day_of(shown_ms))
    return top


# A row is 32 bits of a hash of the event's name (its number is another one in another plan) and,
# one behind the other, its values.
cdef Value step_value(
    const Plan* plan, const Rows* rows, uint32_t step, uint32_t number, uint32_t event
) noexcept nogil:
    cdef const Text* name
    cdef const uint8_t* row = rows.at_hand
    cdef uint32_t size = rows.at_hand_bytes
    cdef uint32_t at = 0
    cdef RowHead head
    cdef uint32_t named
    cdef Cursor cursor
    cdef Value value = missing()
    if step != AT_HAND:
        row = NULL
        while at < rows.kept_bytes:
            memcpy(&head, rows.kept + at, sizeof(RowHead))
            at += <uint32_t>sizeof(RowHead)
            if head.step == step:
                row = rows.kept + at
                size = head.size
            at += head.size
    if row == NULL:
        return value
    memcpy(&named, row, sizeof(named))
    if event:
        name = &plan.event_names[event - 1]
        if named != <uint32_t>name_hash(name.data, name.size):
            return value
    cursor = cursor_over(row + sizeof(named), size - <uint32_t>sizeof(named))
    while number:
        number -= 1
        if skip_value(&cursor) != STATUS_OK:
            return value
    if read_value(&cursor, &value) != STATUS_OK:
        return missing()
    return value
