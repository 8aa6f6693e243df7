# Walking the plan's lists for the event at hand, and arming the user at hand.
from libc.stdint cimport int64_t, uint32_t
from augenblick_native.machine cimport COUNT_STATE_FULL, Event, Machine
from augenblick_native.program cimport Dispatch, Span
from augenblick_native.timer cimport arm


cdef inline const Dispatch* dispatch_of(Machine* machine, const Event* event) noexcept nogil:
    cdef uint32_t row = machine.plan.event_count if event.event_id < 0 else <uint32_t>event.event_id
    return &machine.plan.dispatch[row]


cdef inline uint32_t listed(Machine* machine, const Span* span, uint32_t index) noexcept nogil:
    return machine.plan.lists[span.at + index]


cdef inline void arm_user(Machine* machine, int64_t deadline_ms) noexcept nogil:
    if not arm(
        &machine.tables, machine.keeper.group, machine.keeper.user, deadline_ms
    ):
        machine.counters[COUNT_STATE_FULL] += 1


cdef inline void keep_until(Machine* machine, int64_t deadline_ms) noexcept nogil:
    machine.keeper.user.kept_until_ms = max(machine.keeper.user.kept_until_ms, deadline_ms)
