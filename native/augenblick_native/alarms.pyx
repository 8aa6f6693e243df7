# cython: language_level=3
"""`at`: timers at an instant that the user's state tells, one for each group.

Cells (one per group): Alarm, and while it waits the identity and the cause of the event that moved
it there.
"""
from libc.math cimport floor
from libc.stdint cimport uint16_t, uint8_t
from libc.string cimport memcmp, memcpy, memset

from augenblick_native.buffer cimport buffer_room, pack_int, put_bytes
from augenblick_native.firing cimport fire_match, set_group, user_readers
from augenblick_native.grouped cimport gather_groups
from augenblick_native.listing cimport arm_user, keep_until, listed
from augenblick_native.machine cimport (
    COUNT_STATE_FULL, INSTANT_MS_END, INSTANT_MS_MIN, Group, Moment,
)
from augenblick_native.msgpack cimport VALUE_FLOAT, VALUE_INT, Value
from augenblick_native.pattern cimport pack_cause, pack_identity
from augenblick_native.predicate cimport evaluate, selects
from augenblick_native.program cimport OPERAND_NONE, FeatureRule, TriggerRule
from augenblick_native.record cimport (
    add_cell, cell_at, find_cell, group_data, group_head, narrow, next_cell, pad8, payload,
    payload_bytes, remove_cell, widen,
)
from augenblick_native.state cimport NEVER_MS, NO_TIME_MS
from augenblick_native.step cimport Match
from augenblick_native.window cimport event_group

cdef inline Alarm* alarm_at(Machine* machine, uint32_t offset) noexcept nogil:
    return <Alarm*>payload(machine.keeper.user, offset)


cdef int64_t alarm_instant_ms(Machine* machine, uint32_t offset) noexcept nogil:
    return alarm_at(machine, offset).instant_ms


# How an event moves the instants of a trigger.
cdef enum Moves:
    MOVES_NONE
    MOVES_OWN                   # that of its own group
    MOVES_ANY


cdef Moves moves(Machine* machine, const TriggerRule* rule, Event* event) noexcept nogil:
    cdef uint32_t index
    cdef const FeatureRule* feature
    cdef Moves found = MOVES_NONE
    for index in range(rule.time_features.count):
        feature = &machine.plan.features[listed(machine, &rule.time_features, index)]
        if feature.reset_selector >= 0 and selects(machine, event, feature.reset_selector):
            return MOVES_ANY
        if selects(machine, event, feature.selector):
            if feature.by == OPERAND_NONE:
                return MOVES_ANY
            found = MOVES_OWN
    return found


# The instant that the trigger's TIME is for a group; NO_TIME_MS: none that an event could have.
cdef int64_t read_time(
    Machine* machine, const TriggerRule* rule, const Group* group, int64_t at_ms
) noexcept nogil:
    cdef Moment moment
    cdef Value value
    memset(&moment, 0, sizeof(Moment))
    moment.at_ms = at_ms
    set_group(&moment, group)
    value = evaluate(machine, &moment, rule.time, user_readers())
    if value.kind == VALUE_FLOAT:
        if not INSTANT_MS_MIN <= value.number < INSTANT_MS_END:
            return NO_TIME_MS
        return <int64_t>floor(value.number)
    if value.kind != VALUE_INT or not INSTANT_MS_MIN <= value.integer < INSTANT_MS_END:
        return NO_TIME_MS
    return value.integer


cdef void run_alarms(Machine* machine, Event* event, const Span* alarms) noexcept nogil:
    cdef uint32_t index, at, trigger, count
    cdef const TriggerRule* rule
    cdef Moves kind
    cdef Match match
    cdef Group own
    cdef Group* groups
    memset(&match, 0, sizeof(Match))
    for index in range(alarms.count):
        trigger = listed(machine, alarms, index)
        rule = &machine.plan.triggers[trigger]
        kind = moves(machine, rule, event)
        if kind == MOVES_NONE or not describe(machine, event, &match):
            continue
        memset(&own, 0, sizeof(Group))
        if rule.group_features.count == 0:
            move(machine, trigger, event, &own, &match)
            continue
        if (
            kind == MOVES_OWN and event_group(machine, event, rule.match, &own)
            and find_cell(machine.keeper.user, rule.absence_slot, own.data, own.size, own.hashed)
        ):
            move(machine, trigger, event, &own, &match)
            continue
        # another group may have had to leave
        count = gather_groups(machine, &rule.group_features, rule.absence_slot, NULL, &groups)
        for at in range(count):
            move(machine, trigger, event, &groups[at], &match)


# What a firing says of the event that moved an instant, once per event.  False: no room.
cdef bint describe(Machine* machine, const Event* event, Match* match) noexcept nogil:
    cdef size_t at
    cdef uint8_t parts = 0
    if match.cause != NULL:
        return True
    if buffer_room(
        &machine.scratch, 512 + event.name.size * 2 + event.id.size * 2 + event.props_bytes
    ) == NULL:
        machine.counters[COUNT_STATE_FULL] += 1
        return False
    at = machine.scratch.size
    pack_identity(&machine.scratch, event, &parts)
    match.identities = machine.scratch.data + at
    match.identities_bytes = <uint32_t>(machine.scratch.size - at)
    match.identity_parts = parts
    at = machine.scratch.size
    pack_cause(&machine.scratch, event)
    match.cause = machine.scratch.data + at
    match.cause_bytes = <uint32_t>(machine.scratch.size - at)
    return True


# Look where the TIME of one group is after an event, which `match` describes.
cdef void move(
    Machine* machine, uint32_t trigger, Event* event, const Group* group, Match* match
) noexcept nogil:
    cdef const TriggerRule* rule = &machine.plan.triggers[trigger]
    cdef int64_t time_ms = read_time(machine, rule, group, event.time_ms)
    cdef uint32_t offset = find_cell(
        machine.keeper.user, rule.absence_slot, group.data, group.size, group.hashed
    )
    if time_ms == NO_TIME_MS:
        if offset:
            remove_cell(machine.keeper.user, offset)
        return
    if offset and alarm_at(machine, offset).time_ms == time_ms:
        return
    if offset == 0:
        offset = add_cell(
            &machine.keeper, rule.absence_slot, group.data, group.size, group.hashed, sizeof(Alarm)
        )
        if offset == 0:
            machine.counters[COUNT_STATE_FULL] += 1
            return
    put_out(machine, offset)
    alarm_at(machine, offset).time_ms = time_ms
    if time_ms >= event.time_ms:
        set_alarm(machine, offset, time_ms, match)
    elif not rule.past_skipped:
        match.time_ms = event.time_ms
        match.group = group[0]
        fire_match(machine, trigger, match, False)


# It waits no more: its event is forgotten.
cdef void put_out(Machine* machine, uint32_t offset) noexcept nogil:
    cdef uint32_t size = payload_bytes(machine.keeper.user, offset)
    alarm_at(machine, offset).instant_ms = NEVER_MS
    if size > sizeof(Alarm):
        narrow(machine.keeper.user, offset, sizeof(Alarm), size - <uint32_t>sizeof(Alarm))


cdef void set_alarm(
    Machine* machine, uint32_t offset, int64_t instant_ms, const Match* match
) noexcept nogil:
    cdef Alarm* alarm
    if not widen(
        &machine.keeper, offset, sizeof(Alarm), pad8(match.identities_bytes + match.cause_bytes)
    ):
        machine.counters[COUNT_STATE_FULL] += 1
        return
    alarm = alarm_at(machine, offset)
    alarm.instant_ms = instant_ms
    alarm.identity_bytes = <uint16_t>match.identities_bytes
    alarm.identity_parts = <uint16_t>match.identity_parts
    alarm.cause_bytes = match.cause_bytes
    memcpy(<uint8_t*>alarm + sizeof(Alarm), match.identities, match.identities_bytes)
    memcpy(
        <uint8_t*>alarm + sizeof(Alarm) + match.identities_bytes, match.cause, match.cause_bytes
    )
    arm_user(machine, instant_ms)


# Of the cells that wait for the instant, that of the first group by its bytes.  0: none.
cdef uint32_t first_waiting(
    Machine* machine, uint16_t slot, int64_t instant_ms
) noexcept nogil:
    cdef uint32_t offset = next_cell(machine.keeper.user, slot, 0)
    cdef uint32_t first = 0
    cdef uint16_t size, other
    cdef int order
    while offset:
        if alarm_at(machine, offset).instant_ms == instant_ms:
            if first == 0:
                first = offset
            else:
                size = cell_at(machine.keeper.user, offset).group_bytes
                other = cell_at(machine.keeper.user, first).group_bytes
                order = memcmp(
                    group_data(cell_at(machine.keeper.user, offset)),
                    group_data(cell_at(machine.keeper.user, first)), min(size, other)
                )
                if order < 0 or (order == 0 and size < other):
                    first = offset
        offset = next_cell(
            machine.keeper.user, slot, offset + cell_at(machine.keeper.user, offset).size
        )
    return first


cdef void ring(Machine* machine, uint32_t trigger, int64_t instant_ms) noexcept nogil:
    cdef const TriggerRule* rule = &machine.plan.triggers[trigger]
    cdef uint32_t offset = first_waiting(machine, rule.absence_slot, instant_ms)
    cdef size_t start = machine.scratch.size
    cdef Alarm* alarm
    cdef const uint8_t* data
    cdef Match match
    if offset == 0:
        return
    memset(&match, 0, sizeof(Match))
    alarm = alarm_at(machine, offset)
    data = <const uint8_t*>alarm + sizeof(Alarm)
    match.time_ms = instant_ms
    match.identity_parts = alarm.identity_parts + 1
    match.cause_bytes = alarm.cause_bytes
    match.group.size = cell_at(machine.keeper.user, offset).group_bytes
    if buffer_room(
        &machine.scratch, alarm.identity_bytes + 16 + match.cause_bytes + match.group.size
    ) != NULL:
        put_bytes(&machine.scratch, data, alarm.identity_bytes)
        pack_int(&machine.scratch, instant_ms)
        match.identities = machine.scratch.data + start
        match.identities_bytes = <uint32_t>(machine.scratch.size - start)
        match.cause = machine.scratch.data + machine.scratch.size
        put_bytes(&machine.scratch, data + alarm.identity_bytes, match.cause_bytes)
        if match.group.size:
            match.group.data = machine.scratch.data + machine.scratch.size
            match.group.hashed = group_head(cell_at(machine.keeper.user, offset)).hashed
            put_bytes(
                &machine.scratch, group_data(cell_at(machine.keeper.user, offset)), match.group.size
            )
    put_out(machine, offset)
    keep_until(machine, instant_ms)
    if match.identities != NULL:
        fire_match(machine, trigger, &match, True)
