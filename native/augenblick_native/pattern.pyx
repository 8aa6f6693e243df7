# cython: language_level=3
"""Sequences.

Cells: absence_slot (one per `match` value): AbsenceHead, cause, in order of arming; waiting_slot:
Queue, then WaitingHead, group,
identity, cause, in order of (time, arrival).  Every item is padded to 8 bytes and says its own
size.  Partials: partials.pyx.
"""
from libc.string cimport memcpy, memmove, memset

from augenblick_native.buffer cimport buffer_room, pack_int, pack_map, pack_str, put_bytes
from augenblick_native.hash cimport name_hash
from augenblick_native.machine cimport (
    COUNT_PARTIALS_DROPPED, COUNT_STATE_FULL, COUNT_WAITING_FORCED, plus,
)
from augenblick_native.partials cimport match_alone, step_partials
from augenblick_native.predicate cimport selects
from augenblick_native.program cimport OPERAND_NONE, TIMER_KEEP, TIMER_RESTART
from augenblick_native.record cimport (
    add_cell, cell_at, find_cell, group_data, group_head, narrow, next_cell, pad8, payload,
    payload_bytes, remove_cell,
    widen,
)
from augenblick_native.state cimport NEVER_MS
from augenblick_native.step cimport MASK_NOT
from augenblick_native.steps cimport negation_bits, take_row
from augenblick_native.values cimport has_value, pack_value
from augenblick_native.window cimport event_group

cdef void pack_identity(Buffer* buffer, const Event* event, uint8_t* parts) noexcept nogil:
    if has_value(&event.id):
        pack_value(buffer, &event.id)
        parts[0] = 1
    else:
        pack_str(buffer, event.name.data, event.name.size)
        pack_int(buffer, event.time_ms)
        parts[0] = 2


cdef void pack_cause(Buffer* buffer, const Event* event) noexcept nogil:
    pack_map(buffer, 4)
    pack_str(buffer, <const uint8_t*>b"event", 5)
    pack_str(buffer, event.name.data, event.name.size)
    pack_str(buffer, <const uint8_t*>b"id", 2)
    pack_value(buffer, &event.id)
    pack_str(buffer, <const uint8_t*>b"time", 4)
    pack_int(buffer, event.time_ms)
    pack_str(buffer, <const uint8_t*>b"props", 5)
    if event.props == NULL:
        pack_map(buffer, 0)
    else:
        put_bytes(buffer, event.props, event.props_bytes)


cdef bint taken_of(
    Machine* machine, const TriggerRule* rule, Event* event, Taken* taken
) noexcept nogil:
    cdef uint32_t index
    cdef size_t at
    memset(taken, 0, sizeof(Taken))
    for index in range(rule.steps_count):
        if selects(machine, event, machine.plan.steps[rule.steps_at + index].selector):
            taken.mask |= <uint32_t>1 << index
    if rule.ends_in_not and selects(machine, event, rule.negation.selector):
        taken.mask |= MASK_NOT
    if rule.negations_count:
        taken.mask |= negation_bits(machine, rule, event)
    if taken.mask == 0 and (not rule.strict or event.derived):
        return False
    if not event_group(machine, event, rule.match, &taken.group) and rule.match != OPERAND_NONE:
        return False
    taken.time_ms = event.time_ms
    taken.derived = event.derived
    if buffer_room(
        &machine.scratch, 512 + event.name.size * 2 + event.id.size * 2 + event.props_bytes
    ) == NULL:
        return False
    if rule.keeps_count:
        take_row(machine, rule, event, taken)
        if taken.row == NULL:
            return False
    at = machine.scratch.size
    pack_identity(&machine.scratch, event, &taken.identity_parts)
    taken.identity = machine.scratch.data + at
    taken.identity_bytes = <uint32_t>(machine.scratch.size - at)
    # only the last positive step is a cause
    if taken.mask & (<uint32_t>1 << (rule.steps_count - 1)):
        at = machine.scratch.size
        pack_cause(&machine.scratch, event)
        taken.cause = machine.scratch.data + at
        taken.cause_bytes = <uint32_t>(machine.scratch.size - at)
    return True


# The cell of the slot for the event's `match` value, made if need be.  0: full.
cdef uint32_t cell_for(Machine* machine, uint16_t slot, const Group* group) noexcept nogil:
    cdef uint32_t offset = find_cell(
        machine.keeper.user, slot, group.data, group.size, group.hashed
    )
    cdef uint32_t oldest = 0
    cdef uint32_t count = 0
    if offset == 0 and group.data != NULL:
        offset = next_cell(machine.keeper.user, slot, 0)
        while offset:
            count += 1
            if oldest == 0 or (
                group_head(cell_at(machine.keeper.user, offset)).touched
                < group_head(cell_at(machine.keeper.user, oldest)).touched
            ):
                oldest = offset
            offset = next_cell(
                machine.keeper.user, slot, offset + cell_at(machine.keeper.user, offset).size
            )
        if count >= ABSENCE_VALUES_MAX:
            remove_cell(machine.keeper.user, oldest)
            machine.counters[COUNT_PARTIALS_DROPPED] += 1
    if offset == 0:
        offset = add_cell(&machine.keeper, slot, group.data, group.size, group.hashed, 0)
        if offset == 0:
            machine.counters[COUNT_STATE_FULL] += 1
            return 0
    if group.data != NULL:
        machine.keeper.user.stamp += 1
        group_head(cell_at(machine.keeper.user, offset)).touched = machine.keeper.user.stamp
    return offset


cdef inline Queue* queue_at(Machine* machine, uint32_t offset) noexcept nogil:
    return <Queue*>payload(machine.keeper.user, offset)


cdef inline void drop_if_empty(Machine* machine, uint32_t offset) noexcept nogil:
    if offset and payload_bytes(machine.keeper.user, offset) == 0:
        remove_cell(machine.keeper.user, offset)


cdef inline AbsenceHead* absence_at(Machine* machine, uint32_t offset, uint32_t at) noexcept nogil:
    return <AbsenceHead*>(payload(machine.keeper.user, offset) + at)


cdef inline WaitingHead* waiting_at(Machine* machine, uint32_t offset, uint32_t at) noexcept nogil:
    return <WaitingHead*>(payload(machine.keeper.user, offset) + at)


cdef bint take_event(
    Machine* machine, const TriggerRule* rule, const Taken* taken, Match* match
) noexcept nogil:
    cdef bint matched = False
    cdef bint arms = False
    if rule.ends_in_not and taken.mask & MASK_NOT:
        cancel(machine, rule, taken)
    if rule.positions_count > 1:
        matched = step_partials(machine, rule, taken, match, &arms)
    elif taken.mask & 1:
        if rule.ends_in_not:
            arms = True
        else:
            matched = match_alone(machine, rule, taken, match)
    if arms:
        arm_absence(machine, rule, taken)
    return matched


# Absences

# An event at or before the deadline, and not before the step, cancels.
cdef void cancel(Machine* machine, const TriggerRule* rule, const Taken* taken) noexcept nogil:
    cdef uint32_t offset = find_cell(
        machine.keeper.user, rule.absence_slot, taken.group.data, taken.group.size,
        taken.group.hashed
    )
    cdef uint32_t at = 0
    cdef AbsenceHead* absence
    if offset == 0:
        return
    while at < payload_bytes(machine.keeper.user, offset):
        absence = absence_at(machine, offset, at)
        if absence.step_ms <= taken.time_ms <= absence.deadline_ms:
            narrow(machine.keeper.user, offset, at, absence.size)
        else:
            at += absence.size
    drop_if_empty(machine, offset)


cdef void arm_absence(Machine* machine, const TriggerRule* rule, const Taken* taken) noexcept nogil:
    cdef uint32_t whole = <uint32_t>sizeof(AbsenceHead) + pad8(
        taken.identity_bytes + taken.cause_bytes
    )
    cdef uint32_t offset = cell_for(machine, rule.absence_slot, &taken.group)
    cdef uint32_t at = 0
    cdef uint32_t count = 0
    cdef AbsenceHead* absence
    if offset == 0:
        return
    if rule.timer == TIMER_RESTART and payload_bytes(machine.keeper.user, offset):
        narrow(machine.keeper.user, offset, 0, payload_bytes(machine.keeper.user, offset))
    while at < payload_bytes(machine.keeper.user, offset):
        absence = absence_at(machine, offset, at)
        if rule.timer == TIMER_KEEP and absence.deadline_ms > taken.time_ms:
            return
        count += 1
        at += absence.size
    if count >= rule.partial_max:
        machine.counters[COUNT_PARTIALS_DROPPED] += 1
        at -= absence_at(machine, offset, 0).size
        narrow(machine.keeper.user, offset, 0, absence_at(machine, offset, 0).size)
    if not widen(&machine.keeper, offset, at, whole):
        machine.counters[COUNT_STATE_FULL] += 1
        drop_if_empty(machine, offset)
        return
    absence = absence_at(machine, offset, at)
    absence.deadline_ms = plus(taken.time_ms, rule.negation.for_ms)
    absence.step_ms = taken.time_ms
    absence.size = whole
    absence.identity_bytes = taken.identity_bytes
    machine.keeper.user.stamp += 1
    absence.stamp = machine.keeper.user.stamp
    absence.identity_parts = taken.identity_parts
    absence.cause_bytes = taken.cause_bytes
    memcpy(<uint8_t*>absence + sizeof(AbsenceHead), taken.identity, taken.identity_bytes)
    memcpy(
        <uint8_t*>absence + sizeof(AbsenceHead) + taken.identity_bytes, taken.cause,
        taken.cause_bytes
    )


# The absence with the earliest (deadline, arming): its cell and place.  False: none.
cdef bint earliest_absence(
    Machine* machine, const TriggerRule* rule, uint32_t* found, uint32_t* found_at
) noexcept nogil:
    cdef uint32_t offset = next_cell(machine.keeper.user, rule.absence_slot, 0)
    cdef uint32_t at
    cdef AbsenceHead* absence
    cdef AbsenceHead* best = NULL
    while offset:
        at = 0
        while at < payload_bytes(machine.keeper.user, offset):
            absence = absence_at(machine, offset, at)
            if (
                best == NULL or absence.deadline_ms < best.deadline_ms
                or (absence.deadline_ms == best.deadline_ms and absence.stamp < best.stamp)
            ):
                best = absence
                found[0] = offset
                found_at[0] = at
            at += absence.size
        offset = next_cell(
            machine.keeper.user, rule.absence_slot, offset + cell_at(
                machine.keeper.user, offset
            ).size
        )
    return best != NULL


cdef int64_t next_deadline_ms(Machine* machine, const TriggerRule* rule) noexcept nogil:
    cdef uint32_t offset, at
    if not earliest_absence(machine, rule, &offset, &at):
        return NEVER_MS
    return absence_at(machine, offset, at).deadline_ms


cdef bint take_absence(Machine* machine, const TriggerRule* rule, Match* match) noexcept nogil:
    cdef uint32_t offset, at
    cdef AbsenceHead* absence
    cdef const uint8_t* data
    cdef size_t start = machine.scratch.size
    memset(match, 0, sizeof(Match))
    if not earliest_absence(machine, rule, &offset, &at):
        return False
    absence = absence_at(machine, offset, at)
    data = <const uint8_t*>absence + sizeof(AbsenceHead)
    match.time_ms = absence.deadline_ms
    match.identities_bytes = absence.identity_bytes
    match.identity_parts = absence.identity_parts
    match.cause_bytes = absence.cause_bytes
    match.group.size = cell_at(machine.keeper.user, offset).group_bytes
    if buffer_room(
        &machine.scratch, match.identities_bytes + 16 + match.cause_bytes + match.group.size
    ) != NULL:
        put_bytes(&machine.scratch, data, match.identities_bytes)
        pack_int(&machine.scratch, absence.deadline_ms)
        match.identities_bytes = <uint32_t>(machine.scratch.size - start)
        match.identity_parts += 1
        match.identities = machine.scratch.data + start
        match.cause = machine.scratch.data + machine.scratch.size
        put_bytes(&machine.scratch, data + absence.identity_bytes, match.cause_bytes)
        if match.group.size:
            match.group.data = machine.scratch.data + machine.scratch.size
            match.group.hashed = group_head(cell_at(machine.keeper.user, offset)).hashed
            put_bytes(
                &machine.scratch, group_data(cell_at(machine.keeper.user, offset)), match.group.size
            )
    narrow(machine.keeper.user, offset, at, absence.size)
    drop_if_empty(machine, offset)
    return match.identities != NULL


# Events that wait

# Room for `size` more bytes behind the last waiting event.  A queue that is read and written needs
# no bytes moved for long.
cdef bint make_room(Machine* machine, uint32_t offset, uint32_t size) noexcept nogil:
    cdef Queue* queue = queue_at(machine, offset)
    cdef uint32_t whole = payload_bytes(machine.keeper.user, offset)
    cdef uint32_t dead = queue.first_at - <uint32_t>sizeof(Queue)
    if queue.end_at + size <= whole:
        return True
    if queue.end_at - dead + size <= whole and dead * 2 >= whole:
        memmove(
            <uint8_t*>queue + sizeof(Queue), <uint8_t*>queue + queue.first_at,
            queue.end_at - queue.first_at
        )
        queue.first_at -= dead
        queue.last_at -= dead
        queue.end_at -= dead
        return True
    return widen(&machine.keeper, offset, whole, pad8(max(size, whole // 2)))


cdef bint wait(Machine* machine, const TriggerRule* rule, const Taken* taken) noexcept nogil:
    cdef uint32_t offset = find_cell(machine.keeper.user, rule.waiting_slot, NULL, 0, 0)
    cdef uint32_t whole = <uint32_t>sizeof(WaitingHead) + pad8(
        taken.group.size + taken.identity_bytes + taken.cause_bytes + taken.row_bytes
    )
    cdef uint32_t at
    cdef Queue* queue
    cdef WaitingHead* waiting
    cdef uint8_t* data
    if offset == 0:
        offset = add_cell(&machine.keeper, rule.waiting_slot, NULL, 0, 0, sizeof(Queue) + whole)
        if offset != 0:
            queue = queue_at(machine, offset)
            queue.first_at = queue.last_at = queue.end_at = sizeof(Queue)
    if offset == 0 or not make_room(machine, offset, whole):
        machine.counters[COUNT_STATE_FULL] += 1
        return False
    queue = queue_at(machine, offset)
    at = queue.end_at
    if queue.count and waiting_at(machine, offset, queue.last_at).time_ms > taken.time_ms:
        at = queue.first_at
        while waiting_at(machine, offset, at).time_ms <= taken.time_ms:
            at += waiting_at(machine, offset, at).size
        memmove(<uint8_t*>queue + at + whole, <uint8_t*>queue + at, queue.end_at - at)
        queue.last_at += whole
    else:
        queue.last_at = at
    queue.count += 1
    queue.end_at += whole
    waiting = waiting_at(machine, offset, at)
    waiting.time_ms = taken.time_ms
    waiting.size = whole
    waiting.mask = taken.mask
    waiting.cause_bytes = taken.cause_bytes
    waiting.group_bytes = taken.group.size
    waiting.identity_bytes = <uint16_t>taken.identity_bytes
    waiting.identity_parts = taken.identity_parts
    waiting.derived = taken.derived
    waiting.row_bytes = taken.row_bytes
    data = <uint8_t*>waiting + sizeof(WaitingHead)
    if taken.group.size:                    # memcpy takes no NULL, whatever the size
        memcpy(data, taken.group.data, taken.group.size)
    memcpy(data + taken.group.size, taken.identity, taken.identity_bytes)
    if taken.cause_bytes:
        memcpy(data + taken.group.size + taken.identity_bytes, taken.cause, taken.cause_bytes)
    if taken.row_bytes:
        memcpy(
            data + taken.group.size + taken.identity_bytes + taken.cause_bytes, taken.row,
            taken.row_bytes
        )
    return True


cdef int64_t next_waiting_ms(Machine* machine, const TriggerRule* rule) noexcept nogil:
    """The instant at which the first waiting event is taken: at once when too many wait."""
    cdef uint32_t offset = find_cell(machine.keeper.user, rule.waiting_slot, NULL, 0, 0)
    cdef int64_t first_ms
    if offset == 0 or queue_at(machine, offset).count == 0:
        return NEVER_MS
    first_ms = waiting_at(machine, offset, queue_at(machine, offset).first_at).time_ms
    if queue_at(machine, offset).count > WAITING_MAX:
        return min(first_ms, plus(machine.clock_ms, -1))
    return first_ms


cdef bint take_waiting(Machine* machine, const TriggerRule* rule, Taken* taken) noexcept nogil:
    cdef uint32_t offset = find_cell(machine.keeper.user, rule.waiting_slot, NULL, 0, 0)
    cdef WaitingHead* waiting
    cdef uint8_t* data
    cdef uint32_t size, row_bytes
    memset(taken, 0, sizeof(Taken))
    if offset == 0 or queue_at(machine, offset).count == 0:
        return False
    machine.counters[COUNT_WAITING_FORCED] += queue_at(machine, offset).count > WAITING_MAX
    waiting = waiting_at(machine, offset, queue_at(machine, offset).first_at)
    # without such conditions there is no row, and earlier builds left what they had there
    row_bytes = waiting.row_bytes if rule.keeps_count else 0
    size = waiting.group_bytes + waiting.identity_bytes + waiting.cause_bytes + row_bytes
    data = buffer_room(&machine.scratch, size)
    if data != NULL:
        put_bytes(&machine.scratch, <uint8_t*>waiting + sizeof(WaitingHead), size)
        taken.time_ms = waiting.time_ms
        taken.mask = waiting.mask
        taken.derived = waiting.derived
        if waiting.group_bytes:
            taken.group.data = data
            taken.group.size = waiting.group_bytes
            taken.group.hashed = <uint32_t>name_hash(data, waiting.group_bytes)
        taken.identity = data + waiting.group_bytes
        taken.identity_bytes = waiting.identity_bytes
        taken.identity_parts = waiting.identity_parts
        taken.cause = data + waiting.group_bytes + waiting.identity_bytes
        taken.cause_bytes = waiting.cause_bytes
        taken.row = taken.cause + waiting.cause_bytes
        taken.row_bytes = row_bytes
    queue_at(machine, offset).first_at += waiting.size
    queue_at(machine, offset).count -= 1
    if queue_at(machine, offset).count == 0:
        remove_cell(machine.keeper.user, offset)
    return data != NULL
