# cython: language_level=3
"""Partials of sequences.

A cell of partial_slot holds PartialHead and its identities, in order of (first time, arrival), each
padded to 8 bytes.  It lies in the user's record, or with `match` in a record per value
(matched.pyx).
A partial is given up once the watermark is strictly past its first event + within.
"""
from libc.stdint cimport uint16_t, uint32_t, uint8_t
from libc.string cimport memcpy

from augenblick_native.buffer cimport buffer_room, put_bytes
from augenblick_native.machine cimport COUNT_PARTIALS_DROPPED, COUNT_STATE_FULL, plus
from augenblick_native.matched cimport (
    find_matched, free_matched, keep_matched, make_matched, owner_of,
)
from augenblick_native.record cimport (
    add_cell, cell_at, find_cell, first_cell, narrow, pad8, payload, payload_bytes, remove_cell,
    widen,
)
from augenblick_native.state cimport NEVER_MS, RECORD_MATCHED, User
from augenblick_native.step cimport MASK_NOT
from augenblick_native.timer cimport disarm

cdef struct PartialHead:
    int64_t first_ms
    int64_t last_ms
    uint32_t size               # whole item
    uint16_t steps              # taken so far
    uint16_t identity_parts
    uint32_t identities_bytes
    uint32_t unused


cdef inline PartialHead* partial_at(const User* user, uint32_t offset, uint32_t at) noexcept nogil:
    return <PartialHead*>(payload(user, offset) + at)


# `keeper`: the record that holds the value's partials; NULL: there is none yet.
cdef bint begin_partial(
    Machine* machine, const TriggerRule* rule, const Taken* taken, Keeper* keeper
) noexcept nogil:
    cdef uint32_t whole = <uint32_t>sizeof(PartialHead) + pad8(taken.identity_bytes)
    cdef uint32_t offset = 0
    cdef uint32_t at = 0                            # after the partials that began at or before it
    cdef uint32_t following = 0
    cdef uint32_t count = 0
    cdef PartialHead* partial
    if keeper == NULL:
        keeper = make_matched(machine, rule, &taken.group)
    if keeper == NULL:
        return False
    offset = find_cell(keeper.user, rule.partial_slot, NULL, 0, 0)
    if offset == 0:
        offset = add_cell(keeper, rule.partial_slot, NULL, 0, 0, 0)
    if offset == 0:
        machine.counters[COUNT_STATE_FULL] += 1
        return False
    while following < payload_bytes(keeper.user, offset):
        partial = partial_at(keeper.user, offset, following)
        following += partial.size
        count += 1
        if partial.first_ms <= taken.time_ms:
            at = following
    if count >= rule.partial_max:
        machine.counters[COUNT_PARTIALS_DROPPED] += 1
        if at == 0:
            return False                            # it would be the oldest itself
        at -= partial_at(keeper.user, offset, 0).size
        narrow(keeper.user, offset, 0, partial_at(keeper.user, offset, 0).size)
    if not widen(keeper, offset, at, whole):
        machine.counters[COUNT_STATE_FULL] += 1
        return False
    partial = partial_at(keeper.user, offset, at)
    partial.first_ms = taken.time_ms
    partial.last_ms = taken.time_ms
    partial.size = whole
    partial.steps = 1
    partial.identity_parts = taken.identity_parts
    partial.identities_bytes = taken.identity_bytes
    memcpy(<uint8_t*>partial + sizeof(PartialHead), taken.identity, taken.identity_bytes)
    keep_matched(machine, keeper, hopeless_ms(rule, partial))
    return True


cdef bint extend_partial(
    Machine* machine, Keeper* keeper, uint32_t offset, uint32_t at, const Taken* taken
) noexcept nogil:
    cdef PartialHead* partial = partial_at(keeper.user, offset, at)
    cdef uint32_t wanted = <uint32_t>sizeof(PartialHead) + pad8(
        partial.identities_bytes + taken.identity_bytes
    )
    cdef uint32_t more = wanted - partial.size
    if more and not widen(keeper, offset, at + partial.size, more):
        machine.counters[COUNT_STATE_FULL] += 1
        return False
    partial = partial_at(keeper.user, offset, at)
    memcpy(
        <uint8_t*>partial + sizeof(PartialHead) + partial.identities_bytes, taken.identity,
        taken.identity_bytes
    )
    partial.size = wanted
    partial.identities_bytes += taken.identity_bytes
    partial.identity_parts += taken.identity_parts
    partial.steps += 1
    partial.last_ms = taken.time_ms
    return True


# A match of the partial's events and the event at hand, in the call's scratch.
cdef bint complete(
    Machine* machine, const PartialHead* partial, const Taken* taken, Match* match
) noexcept nogil:
    cdef uint32_t before = partial.identities_bytes if partial != NULL else 0
    cdef size_t at = machine.scratch.size
    if buffer_room(&machine.scratch, before + taken.identity_bytes) == NULL:
        return False
    if before:
        put_bytes(&machine.scratch, <const uint8_t*>partial + sizeof(PartialHead), before)
    put_bytes(&machine.scratch, taken.identity, taken.identity_bytes)
    match.time_ms = taken.time_ms
    match.group = taken.group
    match.identities = machine.scratch.data + at
    match.identities_bytes = before + taken.identity_bytes
    match.identity_parts = taken.identity_parts + (partial.identity_parts if partial != NULL else 0)
    match.cause = taken.cause
    match.cause_bytes = taken.cause_bytes
    return True


cdef inline int64_t hopeless_ms(const TriggerRule* rule, const PartialHead* partial) noexcept nogil:
    return plus(partial.first_ms, rule.within_ms)


cdef inline bint is_hopeless(
    Machine* machine, const TriggerRule* rule, const PartialHead* partial
) noexcept nogil:
    return hopeless_ms(rule, partial) < machine.clock_ms


cdef inline bint is_next(
    const TriggerRule* rule, const PartialHead* partial, const Taken* taken
) noexcept nogil:
    return (
        taken.mask & (<uint32_t>1 << partial.steps) != 0
        and taken.time_ms >= partial.last_ms
        and taken.time_ms - partial.first_ms <= rule.within_ms
    )


cdef bint match_alone(Machine* machine, const Taken* taken, Match* match) noexcept nogil:
    return complete(machine, NULL, taken, match)


cdef bint step_partials(
    Machine* machine, const TriggerRule* rule, const Taken* taken, Match* match, bint* arms
) noexcept nogil:
    cdef Keeper* keeper = find_matched(machine, rule, &taken.group)
    cdef uint32_t later_steps = taken.mask & ~<uint32_t>(MASK_NOT | 1)
    cdef uint32_t offset = 0
    cdef bint matched = False
    if keeper != NULL and (later_steps or rule.strict):
        offset = find_cell(keeper.user, rule.partial_slot, NULL, 0, 0)
    if offset:
        matched = take_steps(machine, rule, taken, match, arms, keeper, offset)
        if matched:
            skip_past(keeper.user, offset, taken.time_ms)
        if payload_bytes(keeper.user, offset) == 0 and (matched or not taken.mask & 1):
            if keeper.user.flags & RECORD_MATCHED:
                free_matched(machine, keeper)
            else:
                remove_cell(keeper.user, offset)
    if not matched and taken.mask & 1:
        begin_partial(machine, rule, taken, keeper)
    return matched


# Each partial that waits for the event takes it; the ones out of reach go.
cdef bint take_steps(
    Machine* machine, const TriggerRule* rule, const Taken* taken, Match* match, bint* arms,
    Keeper* keeper,
    uint32_t offset
) noexcept nogil:
    cdef uint32_t at = 0
    cdef PartialHead* partial
    cdef bint matched = False
    while at < payload_bytes(keeper.user, offset):
        partial = partial_at(keeper.user, offset, at)
        if is_hopeless(machine, rule, partial):
            narrow(keeper.user, offset, at, partial.size)
            continue
        if not is_next(rule, partial, taken):
            if rule.strict and not taken.derived:
                narrow(keeper.user, offset, at, partial.size)
                continue
        elif partial.steps + 1 < rule.steps_count:
            extend_partial(machine, keeper, offset, at, taken)
        elif rule.ends_in_not:
            arms[0] = True
            if rule.strict:
                narrow(keeper.user, offset, at, partial.size)
                continue
        else:
            # in order of their beginning: the first is the match
            if not matched:
                matched = complete(machine, partial, taken, match)
            narrow(keeper.user, offset, at, partial.size)
            continue
        at += partial_at(keeper.user, offset, at).size
    return matched


# Skip past last: the partials that began at or before the match's last event go.
cdef void skip_past(User* user, uint32_t offset, int64_t time_ms) noexcept nogil:
    while payload_bytes(user, offset) and partial_at(user, offset, 0).first_ms <= time_ms:
        narrow(user, offset, 0, partial_at(user, offset, 0).size)


# Take the hopeless ones out of a cell; the instant at which the next one will be.
cdef int64_t sweep_cell(
    Machine* machine, const TriggerRule* rule, User* user, uint32_t offset
) noexcept nogil:
    cdef uint32_t at = 0
    cdef int64_t next_ms = NEVER_MS
    while at < payload_bytes(user, offset):
        if is_hopeless(machine, rule, partial_at(user, offset, at)):
            narrow(user, offset, at, partial_at(user, offset, at).size)
        else:
            next_ms = min(next_ms, hopeless_ms(rule, partial_at(user, offset, at)))
            at += partial_at(user, offset, at).size
    return next_ms


cdef void sweep_partials(Machine* machine, const TriggerRule* rule) noexcept nogil:
    cdef uint32_t offset = find_cell(machine.keeper.user, rule.partial_slot, NULL, 0, 0)
    if offset == 0:
        return
    sweep_cell(machine, rule, machine.keeper.user, offset)
    if payload_bytes(machine.keeper.user, offset) == 0:
        remove_cell(machine.keeper.user, offset)


cdef void run_matched(Machine* machine, Keeper* keeper) noexcept nogil:
    cdef uint32_t offset = first_cell(keeper.user)
    cdef uint32_t slot
    cdef int64_t next_ms = NEVER_MS
    if offset < keeper.user.size:
        slot = cell_at(keeper.user, offset).slot
        next_ms = sweep_cell(
            machine, &machine.plan.triggers[machine.slots[slot].index], keeper.user, offset
        )
    if (
        offset >= keeper.user.size or payload_bytes(keeper.user, offset) == 0
        or owner_of(keeper) == NULL
    ):
        free_matched(machine, keeper)
        return
    disarm(keeper.group, keeper.user)
    keep_matched(machine, keeper, next_ms)
