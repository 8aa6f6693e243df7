# cython: language_level=3
"""Partials of sequences with `match`: records of their own in the key group's table.

Such a record has the flag RECORD_MATCHED; its id is the user's id, the value and the trigger's
identity; it has one cell, of the
trigger's partial_slot.  Its timer frees it.  The user's record counts them.
"""
from libc.stdint cimport uint16_t, uint64_t, uint8_t
from libc.string cimport memcpy

from augenblick_native.arena cimport arena_give
from augenblick_native.hash cimport mix64
from augenblick_native.machine cimport (
    COUNT_PARTIALS_DROPPED, COUNT_STATE_FULL, GROUP_BYTES_MAX, plus,
)
from augenblick_native.program cimport OPERAND_NONE
from augenblick_native.record cimport new_record
from augenblick_native.state cimport RECORD_MATCHED, Entry
from augenblick_native.table cimport add_user, entry_of, find_user, remove_user, user_id
from augenblick_native.timer cimport arm, disarm

cdef enum:
    NAME_BYTES_MAX = 256 + GROUP_BYTES_MAX + 8      # user id, value, trigger


cdef inline uint16_t write_name(
    uint8_t* name, const User* user, const TriggerRule* rule, const Group* group
) noexcept nogil:
    memcpy(name, user_id(user), user.id_bytes)
    memcpy(name + user.id_bytes, group.data, group.size)
    memcpy(name + user.id_bytes + group.size, &rule.identity, 8)
    return <uint16_t>(user.id_bytes + group.size + 8)


cdef inline uint64_t key_of(
    const User* user, const TriggerRule* rule, const Group* group
) noexcept nogil:
    return mix64(user.user_key ^ (<uint64_t>group.hashed << 16) ^ rule.identity)


cdef Keeper* find_matched(
    Machine* machine, const TriggerRule* rule, const Group* group
) noexcept nogil:
    cdef uint8_t[NAME_BYTES_MAX] name
    cdef uint16_t size
    cdef Entry* entry
    if rule.match == OPERAND_NONE:
        return &machine.keeper
    size = write_name(name, machine.keeper.user, rule, group)
    entry = find_user(machine.keeper.group, key_of(machine.keeper.user, rule, group), name, size)
    if entry == NULL:
        return NULL
    machine.matched = machine.keeper
    machine.matched.user = entry.user
    return &machine.matched


cdef Keeper* make_matched(
    Machine* machine, const TriggerRule* rule, const Group* group
) noexcept nogil:
    cdef uint8_t[NAME_BYTES_MAX] name
    cdef uint16_t size
    cdef User* record
    cdef Keeper* keeper = find_matched(machine, rule, group)
    if keeper != NULL:
        return keeper
    if machine.keeper.user.matched_count >= MATCH_VALUES_MAX:
        machine.counters[COUNT_PARTIALS_DROPPED] += 1
        return NULL
    size = write_name(name, machine.keeper.user, rule, group)
    record = new_record(machine.keeper.arena, name, size, 64)
    if record == NULL:
        machine.counters[COUNT_STATE_FULL] += 1
        return NULL
    record.user_key = key_of(machine.keeper.user, rule, group)
    record.flags = RECORD_MATCHED
    record.owner_key = machine.keeper.user.user_key
    record.owner_id_bytes = machine.keeper.user.id_bytes
    if add_user(machine.keeper.group, record) == NULL:
        arena_give(machine.keeper.arena, record, record.capacity)
        machine.counters[COUNT_STATE_FULL] += 1
        return NULL
    machine.keeper.user.matched_count += 1
    machine.matched = machine.keeper
    machine.matched.user = record
    return &machine.matched


cdef void keep_matched(Machine* machine, Keeper* keeper, int64_t at_ms) noexcept nogil:
    cdef User* owner
    if not keeper.user.flags & RECORD_MATCHED:
        return
    if at_ms > plus(machine.clock_ms, machine.plan.ttl_ms):
        owner = owner_of(keeper)        # partials without an end of their own go with their user
        if owner != NULL:
            at_ms = min(at_ms, plus(owner.armed_ms, 1))
    if not arm(keeper.group, keeper.user, at_ms):
        machine.counters[COUNT_STATE_FULL] += 1


cdef User* owner_of(Keeper* keeper) noexcept nogil:
    cdef User* record = keeper.user
    cdef Entry* owner = find_user(
        keeper.group, record.owner_key, user_id(record), record.owner_id_bytes
    )
    return owner.user if owner != NULL else NULL


cdef void free_matched(Machine* machine, Keeper* keeper) noexcept nogil:
    cdef User* record = keeper.user
    cdef User* owner = owner_of(keeper)
    if owner != NULL and owner.matched_count:
        owner.matched_count -= 1
    disarm(keeper.group, record)
    remove_user(keeper.group, entry_of(keeper.group, record))
    arena_give(keeper.arena, record, record.capacity)
    keeper.user = NULL
