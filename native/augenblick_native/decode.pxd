# A routed event's map, read for the kernel: its own fields, and those of props and context that the
# plan names.
from libc.stdint cimport int32_t, uint8_t, uint32_t

from augenblick_native.machine cimport Event
from augenblick_native.msgpack cimport VALUE_MISSING, Value, missing
from augenblick_native.program cimport (
    OPERAND_EVENT, OPERAND_SESSION, OPERAND_TIME, OPERAND_USER, Plan,
)
from augenblick_native.status cimport Status
from augenblick_native.values cimport of_int, of_text


# Fills everything but ingest, warm, late, session and the bytes of an integer user id (left to the
# caller).  `time_ms` is
# the map's own time; the carrier's, checked one is the caller's to set.
cdef Status read_event(
    const Plan* plan, Event* event, const uint8_t* body, uint32_t size
) noexcept nogil


# The value an operand names.
cdef inline Value operand(const Event* event, int32_t index) noexcept nogil:
    if index >= 0:
        return event.fields[index]
    if index == OPERAND_EVENT:
        return of_text(event.name.data, event.name.size)
    if index == OPERAND_USER:
        return of_text(event.user.data, event.user.size)
    if index == OPERAND_TIME:
        return of_int(event.time_ms)
    if index == OPERAND_SESSION:
        return event.session
    return missing()


cdef inline void clear_fields(const Plan* plan, Event* event) noexcept nogil:
    cdef uint32_t index
    for index in range(plan.field_count):
        event.fields[index].kind = VALUE_MISSING
