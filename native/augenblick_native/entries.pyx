# cython: language_level=3
"""first, last and list over kept values."""
from libc.stdint cimport uint8_t

from augenblick_native.buffer cimport buffer_room, pack_array, put_bytes
from augenblick_native.cursor cimport Cursor, cursor_over
from augenblick_native.machine cimport COUNT_STATE_FULL
from augenblick_native.msgpack cimport VALUE_LIST, VALUE_NULL, missing, read_value
from augenblick_native.program cimport AGGREGATE_FIRST, AGGREGATE_LIST
from augenblick_native.record cimport narrow, pad8, payload, payload_bytes, widen
from augenblick_native.state cimport NEVER_MS
from augenblick_native.values cimport pack_value


cdef inline EntryHead* entry_at(Machine* machine, uint32_t offset, uint32_t at) noexcept nogil:
    return <EntryHead*>(payload(machine.keeper.user, offset) + at)


cdef bint entries_add(
    Machine* machine, uint32_t offset, uint32_t header, int64_t time_ms, const Value* value
) noexcept nogil:
    cdef size_t packed_at = machine.scratch.size
    cdef uint32_t packed_bytes, at, end, whole
    cdef EntryHead* entry
    pack_value(&machine.scratch, value)
    packed_bytes = <uint32_t>(machine.scratch.size - packed_at)
    machine.scratch.size = packed_at
    whole = <uint32_t>sizeof(EntryHead) + pad8(packed_bytes)
    end = payload_bytes(machine.keeper.user, offset)
    at = header
    while at < end and entry_at(machine, offset, at).time_ms <= time_ms:
        at += entry_at(machine, offset, at).size
    if not widen(&machine.keeper, offset, at, whole):
        return False
    entry = entry_at(machine, offset, at)
    entry.time_ms = time_ms
    entry.size = whole
    entry.value_bytes = packed_bytes
    put_into(<uint8_t*>entry + sizeof(EntryHead), machine.scratch.data + packed_at, packed_bytes)
    return True


cdef inline void put_into(uint8_t* target, const uint8_t* source, uint32_t size) noexcept nogil:
    cdef uint32_t index
    for index in range(size):
        target[index] = source[index]


cdef uint32_t entries_count(Machine* machine, uint32_t offset, uint32_t header) noexcept nogil:
    cdef uint32_t at = header
    cdef uint32_t count = 0
    while at < payload_bytes(machine.keeper.user, offset):
        at += entry_at(machine, offset, at).size
        count += 1
    return count


# The run of entries with time in [from_ms, to_ms]: where it begins, where it ends, how many.
cdef inline void run_of(
    Machine* machine, uint32_t offset, uint32_t header, int64_t from_ms, int64_t to_ms,
    uint32_t* start, uint32_t* stop, uint32_t* count
) noexcept nogil:
    cdef uint32_t end = payload_bytes(machine.keeper.user, offset)
    cdef uint32_t at = header
    while at < end and entry_at(machine, offset, at).time_ms < from_ms:
        at += entry_at(machine, offset, at).size
    start[0] = at
    count[0] = 0
    while at < end and entry_at(machine, offset, at).time_ms <= to_ms:
        at += entry_at(machine, offset, at).size
        count[0] += 1
    stop[0] = at


cdef void entries_drop(
    Machine* machine, uint32_t offset, uint32_t header, int64_t from_ms, int64_t to_ms
) noexcept nogil:
    cdef uint32_t start, stop, count
    run_of(machine, offset, header, from_ms, to_ms, &start, &stop, &count)
    if stop > start:
        narrow(machine.keeper.user, offset, start, stop - start)


cdef void entries_trim(
    Machine* machine, const FeatureRule* rule, uint32_t offset, uint32_t header, int64_t from_ms,
    int64_t to_ms,
    uint32_t keep
) noexcept nogil:
    cdef uint32_t start, stop, count, at
    run_of(machine, offset, header, from_ms, to_ms, &start, &stop, &count)
    if count <= keep:
        return
    at = start
    if rule.aggregate == AGGREGATE_FIRST:
        while keep:
            at += entry_at(machine, offset, at).size
            keep -= 1
        narrow(machine.keeper.user, offset, at, stop - at)
        return
    count -= keep
    while count:
        at += entry_at(machine, offset, at).size
        count -= 1
    narrow(machine.keeper.user, offset, start, at - start)


cdef Value entries_result(
    Machine* machine, const FeatureRule* rule, uint32_t offset, uint32_t header, int64_t from_ms,
    int64_t to_ms
) noexcept nogil:
    cdef uint32_t start, stop, count, at, _index
    cdef Value value
    cdef Cursor cursor
    cdef EntryHead* entry
    cdef size_t list_at
    run_of(machine, offset, header, from_ms, to_ms, &start, &stop, &count)
    if count == 0:
        return missing()
    at = start
    if rule.aggregate != AGGREGATE_LIST:
        if rule.aggregate != AGGREGATE_FIRST:
            for _index in range(count - 1):
                at += entry_at(machine, offset, at).size
        entry = entry_at(machine, offset, at)
        cursor = cursor_over(<uint8_t*>entry + sizeof(EntryHead), entry.value_bytes)
        read_value(&cursor, &value)
        if value.kind == VALUE_NULL:
            return missing()
        return value
    while count > rule.list_max:
        at += entry_at(machine, offset, at).size
        count -= 1
    # Room first, so that the list does not move while it is written.
    list_at = machine.scratch.size
    if buffer_room(&machine.scratch, 8 + (stop - at)) == NULL:
        machine.counters[COUNT_STATE_FULL] += 1
        return missing()
    pack_array(&machine.scratch, count)
    while at < stop:
        entry = entry_at(machine, offset, at)
        put_bytes(&machine.scratch, <uint8_t*>entry + sizeof(EntryHead), entry.value_bytes)
        at += entry.size
    value = missing()
    value.kind = VALUE_LIST
    value.data = machine.scratch.data + list_at
    value.size = <uint32_t>(machine.scratch.size - list_at)
    return value


cdef int64_t entries_next_ms(
    Machine* machine, uint32_t offset, uint32_t header, int64_t after_ms
) noexcept nogil:
    cdef uint32_t at = header
    while at < payload_bytes(machine.keeper.user, offset):
        if entry_at(machine, offset, at).time_ms > after_ms:
            return entry_at(machine, offset, at).time_ms
        at += entry_at(machine, offset, at).size
    return NEVER_MS
