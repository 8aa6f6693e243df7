# cython: language_level=3
"""`every`: instants by the calendar, for each user.

One cell per user, whatever the number of schedules: all instants before its `from_ms` are done.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from augenblick_native.firing cimport fire_scheduled
from augenblick_native.grouped cimport gather_groups
from augenblick_native.layout cimport calendar_start
from augenblick_native.listing cimport listed
from augenblick_native.machine cimport (
    COUNT_STATE_FULL, SCHEDULE_SPREAD_MS, Group, Moment, plus,
)
from augenblick_native.program cimport TriggerRule
from augenblick_native.record cimport add_cell, find_cell, payload
from augenblick_native.state cimport NEVER_MS, NO_TIME_MS


# Where the user stands.  0: there is no room, and they have no schedules.
cdef uint32_t schedule_cell(Machine* machine) noexcept nogil:
    cdef uint32_t offset = find_cell(machine.keeper.user, machine.plan.schedule_slot, NULL, 0, 0)
    if offset:
        return offset
    offset = add_cell(&machine.keeper, machine.plan.schedule_slot, NULL, 0, 0, sizeof(int64_t))
    if offset == 0:
        machine.counters[COUNT_STATE_FULL] += 1
        return 0
    (<int64_t*>payload(machine.keeper.user, offset))[0] = machine.keeper.group.clock_ms
    return offset


# The first instant of a schedule at or after another.
cdef inline int64_t instant_from(const TriggerRule* rule, int64_t from_ms) noexcept nogil:
    cdef int64_t length_ms
    cdef int64_t before_ms = calendar_start(rule.calendar, plus(from_ms, -1), &length_ms)
    return plus(before_ms, length_ms)


cdef int64_t next_schedule_ms(Machine* machine) noexcept nogil:
    cdef int64_t earliest_ms = NEVER_MS
    cdef int64_t from_ms
    cdef uint32_t index, offset
    if machine.plan.schedules.count == 0:
        return NEVER_MS
    offset = schedule_cell(machine)
    if offset == 0:
        return NEVER_MS
    from_ms = (<int64_t*>payload(machine.keeper.user, offset))[0]
    for index in range(machine.plan.schedules.count):
        earliest_ms = min(earliest_ms, instant_from(
            &machine.plan.triggers[listed(machine, &machine.plan.schedules, index)], from_ms
        ))
    return earliest_ms


cdef void run_schedules(Machine* machine, int64_t instant_ms) noexcept nogil:
    cdef uint32_t index, at, count, trigger, offset
    cdef size_t scratch_bytes
    cdef const TriggerRule* rule
    cdef Moment moment
    cdef Group none
    cdef Group* groups
    memset(&none, 0, sizeof(Group))
    for index in range(machine.plan.schedules.count):
        trigger = listed(machine, &machine.plan.schedules, index)
        rule = &machine.plan.triggers[trigger]
        if instant_from(rule, instant_ms) != instant_ms:
            continue
        if rule.group_features.count == 0:
            fire_scheduled(machine, trigger, instant_ms, &none)
            continue
        memset(&moment, 0, sizeof(Moment))
        moment.at_ms = instant_ms
        moment.ends_at = True
        count = gather_groups(machine, &rule.group_features, 0, &moment, &groups)
        for at in range(count):
            scratch_bytes = machine.scratch.size
            fire_scheduled(machine, trigger, instant_ms, &groups[at])
            machine.scratch.size = scratch_bytes
    offset = schedule_cell(machine)
    if offset:
        (<int64_t*>payload(machine.keeper.user, offset))[0] = instant_ms + 1


cdef int64_t put_off_ms(Machine* machine) noexcept nogil:
    cdef uint64_t share
    if machine.ingest_is_now:
        return 0
    share = <uint32_t>machine.keeper.user.user_key
    return <int64_t>((share * <uint64_t>SCHEDULE_SPREAD_MS) >> 32)


cdef bint may_be_put_off(Machine* machine, int64_t clock_ms) noexcept nogil:
    cdef int64_t latest_ms = NO_TIME_MS
    cdef int64_t next_ms = NEVER_MS
    cdef int64_t before_ms, length_ms
    cdef uint32_t index
    if machine.ingest_is_now:
        return False
    if not machine.scheduled_ms < clock_ms <= machine.next_scheduled_ms:
        for index in range(machine.plan.schedules.count):
            before_ms = calendar_start(
                machine.plan.triggers[listed(machine, &machine.plan.schedules, index)].calendar,
                plus(clock_ms, -1), &length_ms
            )
            latest_ms = max(latest_ms, before_ms)
            next_ms = min(next_ms, plus(before_ms, length_ms))
        machine.scheduled_ms = latest_ms
        machine.next_scheduled_ms = next_ms
    return clock_ms - machine.scheduled_ms <= SCHEDULE_SPREAD_MS
