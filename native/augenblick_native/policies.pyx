# cython: language_level=3
"""Which firings leave: cooldown, caps, slots and the contact cap, by the firings' own times.

A firing is capped where as many as may leave lie less than the cap's length from it, before or
after.  What left is kept for twice that length before the latest, at most twice as many times as
may leave in it.  What a policy holds back uses up nothing and is counted.
"""
from libc.stdint cimport int32_t

from augenblick_native.buffer cimport put_bytes
from augenblick_native.hash cimport HashKey, siphash13
from augenblick_native.machine cimport (
    COUNT_FIRINGS, COUNT_FIRINGS_COOLDOWN, COUNT_STATE_FULL, ROW_SUPPRESSED, SUPPRESSED_CAP,
    SUPPRESSED_CONTACT_CAP, SUPPRESSED_COOLDOWN, SUPPRESSED_SLOT, SUPPRESSIONS, Suppression, plus,
)
from augenblick_native.program cimport TRIGGER_ACTOR, Policies
from augenblick_native.record cimport add_cell, find_cell, narrow, payload, payload_bytes, widen
from augenblick_native.state cimport NO_TIME_MS
from augenblick_native.table cimport user_id

cdef enum:
    # different firings of one trigger and user at one instant whose k is kept
    EQUAL_FIRINGS_MAX = 64

cdef struct Counted:
    uint64_t hashed
    uint64_t next_k

# A firing whose row is put, to be decided with the others of its event or instant.
cdef struct Rival:
    size_t row_at                   # index of its row
    uint32_t trigger
    bint has_won


# Firings so far

cdef uint32_t fired_cell(Machine* machine, const TriggerRule* rule) noexcept nogil:
    cdef uint32_t offset = find_cell(machine.keeper.user, rule.slot, NULL, 0, 0)
    cdef FiredHead* head
    if offset:
        return offset
    offset = add_cell(&machine.keeper, rule.slot, NULL, 0, 0, sizeof(FiredHead))
    if offset == 0:
        machine.counters[COUNT_STATE_FULL] += 1
        return 0
    head = <FiredHead*>payload(machine.keeper.user, offset)
    head.left_ms = NO_TIME_MS
    head.latest_ms = NO_TIME_MS
    return offset


cdef uint32_t count_firing(
    Machine* machine, uint32_t offset, int64_t time_ms, uint64_t hashed
) noexcept nogil:
    cdef FiredHead* head = <FiredHead*>payload(machine.keeper.user, offset)
    cdef uint32_t end = payload_bytes(machine.keeper.user, offset)
    cdef uint32_t at = sizeof(FiredHead)
    cdef Counted* counted
    if time_ms < head.latest_ms:
        return 0
    if time_ms > head.latest_ms:
        head.latest_ms = time_ms
        if end > at:
            narrow(machine.keeper.user, offset, at, end - at)
            end = at
    while at < end:
        counted = <Counted*>(payload(machine.keeper.user, offset) + at)
        if counted.hashed == hashed:
            counted.next_k += 1
            return <uint32_t>(counted.next_k - 1)
        at += sizeof(Counted)
    if (end - sizeof(FiredHead)) // sizeof(Counted) >= EQUAL_FIRINGS_MAX:
        narrow(machine.keeper.user, offset, sizeof(FiredHead), sizeof(Counted))
        at -= sizeof(Counted)
    if not widen(&machine.keeper, offset, at, sizeof(Counted)):
        machine.counters[COUNT_STATE_FULL] += 1
        return 0
    counted = <Counted*>(payload(machine.keeper.user, offset) + at)
    counted.hashed = hashed
    counted.next_k = 1
    return 0


# Shares

cdef inline uint32_t share_of(const Machine* machine, const HashKey* key) noexcept nogil:
    cdef uint64_t hashed = siphash13(
        key, user_id(machine.keeper.user), machine.keeper.user.id_bytes
    )
    return <uint32_t>(((hashed >> 32) * SHARES) >> 32)


cdef uint16_t variant_of(Machine* machine, const TriggerRule* rule) noexcept nogil:
    cdef const Policies* policies = &rule.policies
    cdef uint32_t share, index
    if policies.control and share_of(machine, &policies.control_key) < policies.control:
        return VARIANT_CONTROL
    if policies.variants_count == 0:
        return 0
    share = share_of(machine, &policies.variant_key)
    index = 0
    while share >= machine.plan.shares[policies.variants_at + index]:
        index += 1
    return <uint16_t>(VARIANT_CONTROL + 1 + index)


# Times of firings that left, in order, in a cell of their own

cdef inline int64_t* times_of(Machine* machine, uint32_t offset) noexcept nogil:
    return <int64_t*>payload(machine.keeper.user, offset)


cdef bint is_capped(
    Machine* machine, uint16_t slot, uint32_t firings_max, int64_t per_ms, int64_t time_ms
) noexcept nogil:
    cdef uint32_t offset = find_cell(machine.keeper.user, slot, NULL, 0, 0)
    cdef uint32_t count, index
    cdef uint32_t near = 0
    if offset == 0:
        return False
    count = payload_bytes(machine.keeper.user, offset) // 8
    for index in range(count):
        near += (
            time_ms < plus(times_of(machine, offset)[index], per_ms)
            and times_of(machine, offset)[index] < plus(time_ms, per_ms)
        )
    return near >= firings_max


cdef void note_time(
    Machine* machine, uint16_t slot, int64_t per_ms, int64_t time_ms
) noexcept nogil:
    cdef uint32_t offset = find_cell(machine.keeper.user, slot, NULL, 0, 0)
    cdef uint32_t count = 0
    cdef uint32_t at = 0
    cdef int64_t from_ms = time_ms
    if offset:
        count = payload_bytes(machine.keeper.user, offset) // 8
        if count:
            from_ms = max(time_ms, times_of(machine, offset)[count - 1])
    else:
        offset = add_cell(&machine.keeper, slot, NULL, 0, 0, 0)
    from_ms = plus(from_ms, -2 * per_ms)
    while at < count and times_of(machine, offset)[at] <= from_ms:
        at += 1
    if at:
        narrow(machine.keeper.user, offset, 0, at * 8)
        count -= at
    if time_ms <= from_ms:
        return
    at = count
    while at and times_of(machine, offset)[at - 1] > time_ms:
        at -= 1
    if offset == 0 or not widen(&machine.keeper, offset, at * 8, 8):
        machine.counters[COUNT_STATE_FULL] += 1
        return
    times_of(machine, offset)[at] = time_ms


# Decisions

cdef bint is_cooling(
    Machine* machine, const TriggerRule* rule, int64_t time_ms
) noexcept nogil:
    cdef uint32_t offset
    cdef int64_t left_ms
    if rule.cooldown_ms == 0 or rule.kind == TRIGGER_ACTOR:
        return False                    # what a custom class returns cools down, not what it sees
    offset = find_cell(machine.keeper.user, rule.slot, NULL, 0, 0)
    if offset == 0:
        return False
    left_ms = (<FiredHead*>payload(machine.keeper.user, offset)).left_ms
    if left_ms == NO_TIME_MS:
        return False
    return (time_ms - left_ms if time_ms >= left_ms else left_ms - time_ms) < rule.cooldown_ms


cdef inline bint is_slot_taken(
    const Machine* machine, const Rival* rivals, uint32_t count, int32_t contest
) noexcept nogil:
    cdef uint32_t index
    for index in range(count):
        if (
            rivals[index].has_won
            and machine.plan.triggers[rivals[index].trigger].policies.contest == contest
        ):
            return True
    return False


# What holds the firing back, with these rivals already decided; SUPPRESSIONS: nothing.
cdef Suppression suppression_of(
    Machine* machine, const Row* row, const Rival* rivals, uint32_t decided
) noexcept nogil:
    cdef const TriggerRule* rule = &machine.plan.triggers[row.rule]
    cdef const Policies* policies = &rule.policies
    if is_cooling(machine, rule, row.time_ms):
        return SUPPRESSED_COOLDOWN
    if policies.cap_firings and is_capped(
        machine, policies.cap_slot, policies.cap_firings, policies.cap_ms, row.time_ms
    ):
        return SUPPRESSED_CAP
    if policies.contest >= 0 and is_slot_taken(machine, rivals, decided, policies.contest):
        return SUPPRESSED_SLOT
    if policies.is_contact and machine.plan.contact_firings and is_capped(
        machine, machine.plan.contact_slot, machine.plan.contact_firings,
        machine.plan.contact_ms, row.time_ms
    ):
        return SUPPRESSED_CONTACT_CAP
    return SUPPRESSIONS


# True if nothing holds the firing back; it then uses up what it has to.
cdef bint leaves(
    Machine* machine, const Row* row, const Rival* rivals, uint32_t decided
) noexcept nogil:
    cdef const TriggerRule* rule = &machine.plan.triggers[row.rule]
    cdef const Policies* policies = &rule.policies
    cdef Suppression held = suppression_of(machine, row, rivals, decided)
    cdef uint32_t offset
    cdef FiredHead* head
    if held != SUPPRESSIONS:
        machine.suppressed[<size_t>row.rule * SUPPRESSIONS + <uint32_t>held] += 1
        machine.counters[COUNT_FIRINGS_COOLDOWN] += held == SUPPRESSED_COOLDOWN
        return False
    machine.counters[COUNT_FIRINGS] += 1
    offset = find_cell(machine.keeper.user, rule.slot, NULL, 0, 0)
    if offset:
        head = <FiredHead*>payload(machine.keeper.user, offset)
        head.left_ms = max(head.left_ms, row.time_ms)
    if policies.cap_firings:
        note_time(machine, policies.cap_slot, policies.cap_ms, row.time_ms)
    if (
        policies.is_contact and machine.plan.contact_firings and row.variant != VARIANT_CONTROL
    ):
        note_time(machine, machine.plan.contact_slot, machine.plan.contact_ms, row.time_ms)
    return True


cdef bint may_leave(Machine* machine, const Row* row) noexcept nogil:
    cdef Rival rival
    if not machine.plan.triggers[row.rule].policies.contends:
        return leaves(machine, row, NULL, 0)
    rival.row_at = machine.rows.size // sizeof(Row)
    rival.trigger = row.rule
    rival.has_won = False
    put_bytes(&machine.rivals, &rival, sizeof(Rival))
    return True


# In order of priority, the highest first; of equal ones as they came.
cdef void rank(Machine* machine, Rival* rivals, uint32_t count) noexcept nogil:
    cdef uint32_t index, at
    cdef int32_t priority
    cdef Rival rival
    for index in range(1, count):
        rival = rivals[index]
        priority = machine.plan.triggers[rival.trigger].policies.priority
        at = index
        while at and machine.plan.triggers[rivals[at - 1].trigger].policies.priority < priority:
            rivals[at] = rivals[at - 1]
            at -= 1
        rivals[at] = rival


cdef void settle(Machine* machine) noexcept nogil:
    cdef Rival* rivals = <Rival*>machine.rivals.data
    cdef uint32_t count = <uint32_t>(machine.rivals.size // sizeof(Rival))
    cdef Row* rows = <Row*>machine.rows.data
    cdef size_t row_count = machine.rows.size // sizeof(Row)
    cdef size_t to, at
    cdef uint32_t index
    machine.rivals.size = 0
    if count == 0 or machine.rows.failed or machine.rivals.failed:
        return                          # the call fails as a whole
    at = rivals[0].row_at
    rank(machine, rivals, count)
    for index in range(count):
        rivals[index].has_won = leaves(machine, &rows[rivals[index].row_at], rivals, index)
        if not rivals[index].has_won:
            rows[rivals[index].row_at].kind = ROW_SUPPRESSED
    to = at
    while at < row_count:
        if rows[at].kind != ROW_SUPPRESSED:
            if to < at:
                rows[to] = rows[at]
            to += 1
        at += 1
    machine.rows.size = to * sizeof(Row)
