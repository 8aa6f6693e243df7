# cython: language_level=3
"""All that is held of one user, as plain values, for a person who asks.

Texts and values are bytes: texts in UTF-8, values as msgpack (empty: none).  Times are epoch ms.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcpy, memset

from augenblick_native.alarms cimport Alarm
from augenblick_native.book cimport Book, Partial, book_in, bytes_of, partial_at, value_of
from augenblick_native.firing cimport Membership
from augenblick_native.layout cimport header_bytes, is_windowed, read_panes
from augenblick_native.machine cimport (
    SLOT_KIND_ABSENCES, SLOT_KIND_ALARMS, SLOT_KIND_CAP, SLOT_KIND_CONTACTS, SLOT_KIND_FEATURE,
    SLOT_KIND_FIRED, SLOT_KIND_PARTIALS, SLOT_KIND_SCHEDULES, SLOT_KIND_SEGMENT, SLOT_KIND_SESSIONS,
    SLOT_KIND_WAITING, Moment,
)
from augenblick_native.msgpack cimport VALUE_MISSING, Value
from augenblick_native.pattern cimport AbsenceHead, Queue, WaitingHead
from augenblick_native.policies cimport FiredHead
from augenblick_native.program cimport FeatureRule, Text
from augenblick_native.reading cimport read_feature
from augenblick_native.record cimport (
    Keeper, cell_at, first_cell, group_data, group_head, payload, payload_bytes,
)
from augenblick_native.state cimport NO_TIME_MS, Cell, Session
from augenblick_native.table cimport user_id
from augenblick_native.values cimport pack_value


cdef inline bytes as_bytes(const uint8_t* data, size_t size):
    return PyBytes_FromStringAndSize(<const char*>data, size) if size else b""


cdef inline bytes name_of(const Text* text):
    return as_bytes(text.data, text.size)


cdef bytes packed(Machine* machine, const Value* value):
    cdef size_t at = machine.bodies.size
    if value.kind == VALUE_MISSING:
        return b""
    pack_value(&machine.bodies, value)
    if machine.bodies.failed:
        raise MemoryError("no memory to show a user")
    found = as_bytes(machine.bodies.data + at, machine.bodies.size - at)
    machine.bodies.size = at
    machine.scratch.size = 0
    return found


cdef list sessions_of(const User* user, uint32_t offset):
    cdef const Session* sessions = <const Session*>payload(user, offset)
    cdef uint32_t index
    cdef list found = []
    for index in range(payload_bytes(user, offset) // <uint32_t>sizeof(Session)):
        found.append((sessions[index].start_ms, sessions[index].last_ms, sessions[index].events))
    return found


cdef list times_of(const User* user, uint32_t offset):
    cdef const int64_t* times = <const int64_t*>payload(user, offset)
    cdef uint32_t index
    cdef list found = []
    for index in range(payload_bytes(user, offset) // 8):
        found.append(times[index])
    return found


# The feature's value at the moment, and those of its windows by their start.
cdef tuple feature_of(
    Machine* machine, const FeatureRule* rule, uint32_t index, uint32_t offset, int64_t at_ms
):
    cdef Moment moment
    cdef Cell* cell = cell_at(machine.keeper.user, offset)
    cdef Value value
    cdef uint32_t at = header_bytes(rule)
    cdef int64_t key
    cdef list windows = []
    memset(&moment, 0, sizeof(Moment))
    moment.at_ms = at_ms
    if cell.group_bytes:
        moment.group = group_data(cell)
        moment.group_bytes = cell.group_bytes
        moment.group_hash = group_head(cell).hashed
    value = read_feature(machine, &moment, <int>index)
    found = packed(machine, &value)
    while is_windowed(rule) and rule.stride and at < payload_bytes(machine.keeper.user, offset):
        memcpy(&key, payload(machine.keeper.user, offset) + at, 8)
        value = read_panes(machine, rule, offset, key, key, at_ms)
        windows.append((key, packed(machine, &value)))
        at += 8 + rule.stride
    return found, windows, payload_bytes(machine.keeper.user, offset)


cdef list absences_of(const User* user, uint32_t offset):
    cdef uint32_t at = 0
    cdef const AbsenceHead* absence
    cdef list found = []
    while at < payload_bytes(user, offset):
        absence = <const AbsenceHead*>(payload(user, offset) + at)
        cause = as_bytes(
            <const uint8_t*>absence + sizeof(AbsenceHead) + absence.identity_bytes,
            absence.cause_bytes,
        )
        found.append((absence.deadline_ms, absence.step_ms, cause))
        at += absence.size
    return found


cdef list waiting_of(const User* user, uint32_t offset):
    cdef const Queue* queue = <const Queue*>payload(user, offset)
    cdef uint32_t at = queue.first_at
    cdef uint32_t _index
    cdef const WaitingHead* waiting
    cdef const uint8_t* data
    cdef list found = []
    for _index in range(queue.count):
        waiting = <const WaitingHead*>(<const uint8_t*>queue + at)
        data = <const uint8_t*>waiting + sizeof(WaitingHead)
        cause = as_bytes(
            data + waiting.group_bytes + waiting.identity_bytes, waiting.cause_bytes
        )
        found.append((waiting.time_ms, as_bytes(data, waiting.group_bytes), cause))
        at += waiting.size
    return found


cdef list partials_of(const User* user, uint32_t offset):
    cdef Book book = book_in(user, offset)
    cdef uint32_t at = book.head.front
    cdef const Partial* partial
    cdef list found = []
    while at < book.head.end:
        partial = partial_at(&book, at)
        if partial.steps:
            value = as_bytes(value_of(partial), partial.value_bytes)
            found.append((partial.first_ms, partial.last_ms, int(partial.steps), value))
        at += bytes_of(partial)
    return found


# (instant, cause); the cause is gone once the instant has come.
cdef tuple alarm_of(const User* user, uint32_t offset):
    cdef const Alarm* alarm = <const Alarm*>payload(user, offset)
    cdef const uint8_t* data = <const uint8_t*>alarm + sizeof(Alarm)
    waits = payload_bytes(user, offset) > sizeof(Alarm)
    cause = as_bytes(data + alarm.identity_bytes, alarm.cause_bytes) if waits else b""
    return alarm.instant_ms, cause


# (kind, name, group, content) of one cell; content as the kind has it.
cdef tuple cell_of(
    Program program, Machine* machine, const SlotRule* slots, const User* user, uint32_t offset,
    int64_t at_ms
):
    cdef Cell* cell = cell_at(user, offset)
    cdef const SlotRule* slot = &slots[cell.slot]
    cdef const FiredHead* fired
    cdef const Membership* member
    cdef object content = None
    cdef bytes name = b""
    if slot.kind == SLOT_KIND_SESSIONS:
        content = sessions_of(user, offset)
    elif slot.kind == SLOT_KIND_FEATURE:
        name = name_of(&program.plan.features[slot.index].name)
        content = feature_of(
            machine, &program.plan.features[slot.index], slot.index, offset, at_ms
        )
    elif slot.kind == SLOT_KIND_SEGMENT:
        name = name_of(&program.plan.segments[slot.index].name)
        member = <const Membership*>payload(user, offset)
        content = (bool(member.is_member), member.next_ms)
    elif slot.kind == SLOT_KIND_CONTACTS:
        content = times_of(user, offset)
    elif slot.kind == SLOT_KIND_SCHEDULES:
        content = (<const int64_t*>payload(user, offset))[0]
    else:
        name = name_of(&program.plan.triggers[slot.index].name)
        if slot.kind == SLOT_KIND_FIRED:
            fired = <const FiredHead*>payload(user, offset)
            content = fired.left_ms
        elif slot.kind == SLOT_KIND_CAP:
            content = times_of(user, offset)
        elif slot.kind == SLOT_KIND_PARTIALS:
            content = partials_of(user, offset)
        elif slot.kind == SLOT_KIND_ABSENCES:
            content = absences_of(user, offset)
        elif slot.kind == SLOT_KIND_WAITING:
            content = waiting_of(user, offset)
        elif slot.kind == SLOT_KIND_ALARMS:
            content = alarm_of(user, offset)
    group = as_bytes(group_data(cell), cell.group_bytes) if cell.group_bytes else b""
    return int(slot.kind), name, group, content


cdef list cells_of(
    Program program, Machine* machine, const SlotRule* slots, const User* user, int64_t at_ms
):
    cdef uint32_t offset
    cdef list found = []
    if user == NULL:
        return found
    offset = first_cell(user)
    while offset < user.size:
        found.append(cell_of(program, machine, slots, user, offset, at_ms))
        offset += cell_at(user, offset).size
    return found


cdef tuple portray(
    Program program, Machine* machine, const SlotRule* slots, KeyGroup* group, User* user
):
    cdef Keeper keeper
    cdef int64_t clock_ms = max(group.clock_ms, machine.shard_clock_ms)
    cdef int64_t at_ms = max(clock_ms, user.latest_ms)
    keeper.arena = &machine.arena
    keeper.group = group
    keeper.user = user
    keeper.owner = NULL
    machine.keeper = keeper
    machine.group = group
    machine.clock_ms = clock_ms
    cells = cells_of(program, machine, slots, user, at_ms)
    cells += cells_of(program, machine, slots, user.annex, at_ms)
    machine.keeper.user = NULL
    latest_ms = None if user.latest_ms == NO_TIME_MS else user.latest_ms
    return as_bytes(user_id(user), user.id_bytes), latest_ms, user.armed_ms, at_ms, cells
