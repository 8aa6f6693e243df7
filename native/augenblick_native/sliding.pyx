# cython: language_level=3
"""Sliding windows of fixed aggregates.

Payload: {folded, 0} folded panes {start_ms, newest_ms, state} in order of start, then kept events
in order of (time,
arrival): time_ms for count and time_since; time_ms, number for sum, avg, rate and decay; time_ms,
kind, bits for min and max.
A pane leaves when
its newest event does, so that a value is never too low and at most one pane too high.
"""
from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset

from augenblick_native.aggregates.extreme cimport Extreme, extreme_add, extreme_result
from augenblick_native.aggregates.fixed cimport (
    FIXED_STATE_BYTES_MAX, fixed_add, fixed_merge, fixed_result,
)
from augenblick_native.machine cimport COUNT_SLIDING_FOLDED, floor_to, plus
from augenblick_native.msgpack cimport missing
from augenblick_native.program cimport (
    AGGREGATE_COUNT, AGGREGATE_MAX, AGGREGATE_MIN, AGGREGATE_TIME_SINCE,
)
from augenblick_native.record cimport narrow, payload, payload_bytes, widen
from augenblick_native.state cimport NEVER_MS
from augenblick_native.values cimport as_float, of_float

cdef enum:
    HEADER_BYTES = 8
    PANES = 64                                  # of a full window, once folded

cdef struct Folded:
    int64_t start_ms
    int64_t newest_ms


cdef inline uint32_t kept_bytes(const FeatureRule* rule) noexcept nogil:
    if rule.aggregate == AGGREGATE_COUNT or rule.aggregate == AGGREGATE_TIME_SINCE:
        return 8
    if rule.aggregate == AGGREGATE_MIN or rule.aggregate == AGGREGATE_MAX:
        return 24
    return 16


cdef inline uint32_t folded_bytes(const FeatureRule* rule) noexcept nogil:
    return <uint32_t>sizeof(Folded) + rule.stride


cdef inline uint32_t* folded_count(Machine* machine, uint32_t offset) noexcept nogil:
    return <uint32_t*>payload(machine.keeper.user, offset)


cdef inline Folded* folded_at(
    Machine* machine, const FeatureRule* rule, uint32_t offset, uint32_t index
) noexcept nogil:
    return <Folded*>(
        payload(machine.keeper.user, offset) + HEADER_BYTES + index * folded_bytes(rule)
    )


cdef inline uint32_t kept_from(
    Machine* machine, const FeatureRule* rule, uint32_t offset
) noexcept nogil:
    return HEADER_BYTES + folded_count(machine, offset)[0] * folded_bytes(rule)


cdef inline int64_t time_at(const uint8_t* item) noexcept nogil:
    cdef int64_t time_ms
    memcpy(&time_ms, item, 8)
    return time_ms


cdef inline Value value_at(const FeatureRule* rule, const uint8_t* item) noexcept nogil:
    cdef double number
    if rule.aggregate == AGGREGATE_COUNT or rule.aggregate == AGGREGATE_TIME_SINCE:
        return missing()
    if rule.aggregate == AGGREGATE_MIN or rule.aggregate == AGGREGATE_MAX:
        return extreme_result(<const Extreme*>(item + 8))
    memcpy(&number, item + 8, 8)
    return of_float(number)


# Drop what no window can reach any more; make the header of a fresh cell.
cdef bint prepare(Machine* machine, const FeatureRule* rule, uint32_t offset) noexcept nogil:
    cdef int64_t over_ms = plus(machine.clock_ms, -rule.size_ms)
    cdef uint32_t start, at, end, gone = 0
    if (
        payload_bytes(machine.keeper.user, offset) == 0
        and not widen(&machine.keeper, offset, 0, HEADER_BYTES)
    ):
        return False
    while (
        gone < folded_count(machine, offset)[0]
        and folded_at(machine, rule, offset, gone).newest_ms <= over_ms
    ):
        gone += 1
    if gone:
        folded_count(machine, offset)[0] -= gone
        narrow(machine.keeper.user, offset, HEADER_BYTES, gone * folded_bytes(rule))
    start = kept_from(machine, rule, offset)
    end = payload_bytes(machine.keeper.user, offset)
    at = start
    while at < end and time_at(payload(machine.keeper.user, offset) + at) <= over_ms:
        at += kept_bytes(rule)
    if at > start:
        narrow(machine.keeper.user, offset, start, at - start)
    return True


# Put one event into the pane that holds its time, made in order if need be.
cdef bint fold_in(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t time_ms, const Value* value
) noexcept nogil:
    cdef int64_t start_ms = floor_to(time_ms, max(rule.size_ms // PANES, 1))
    cdef uint32_t index = folded_count(machine, offset)[0]
    cdef Folded* pane
    while index > 0 and folded_at(machine, rule, offset, index - 1).start_ms > start_ms:
        index -= 1
    if index == 0 or folded_at(machine, rule, offset, index - 1).start_ms != start_ms:
        if not widen(
            &machine.keeper, offset, HEADER_BYTES + index * folded_bytes(rule), folded_bytes(rule)
        ):
            return False
        folded_count(machine, offset)[0] += 1
        pane = folded_at(machine, rule, offset, index)
        pane.start_ms = start_ms
        pane.newest_ms = time_ms
    else:
        pane = folded_at(machine, rule, offset, index - 1)
        pane.newest_ms = max(pane.newest_ms, time_ms)
    fixed_add(rule, <uint8_t*>pane + sizeof(Folded), time_ms, value)
    return True


cdef bint fold_older_half(
    Machine* machine, const FeatureRule* rule, uint32_t offset
) noexcept nogil:
    cdef uint32_t count = rule.sliding_max // 2 if rule.sliding_max > 1 else 1
    cdef uint8_t* item
    cdef int64_t time_ms
    cdef Value value
    machine.counters[COUNT_SLIDING_FOLDED] += count
    while count:
        item = payload(machine.keeper.user, offset) + kept_from(machine, rule, offset)
        time_ms = time_at(item)
        value = value_at(rule, item)
        if not fold_in(machine, rule, offset, time_ms, &value):
            return False
        narrow(machine.keeper.user, offset, kept_from(machine, rule, offset), kept_bytes(rule))
        count -= 1
    return True


cdef bint sliding_add(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t time_ms, const Value* value
) noexcept nogil:
    cdef uint32_t size = kept_bytes(rule)
    cdef uint32_t start, at, folded
    cdef uint8_t* item
    cdef double number
    if not prepare(machine, rule, offset):
        return False
    folded = folded_count(machine, offset)[0]
    if folded and time_ms <= folded_at(machine, rule, offset, folded - 1).newest_ms:
        return fold_in(machine, rule, offset, time_ms, value)
    start = kept_from(machine, rule, offset)
    at = payload_bytes(machine.keeper.user, offset)
    if (at - start) // size >= rule.sliding_max:
        if not fold_older_half(machine, rule, offset):
            return False
        return sliding_add(machine, rule, offset, time_ms, value)
    while at > start and time_at(payload(machine.keeper.user, offset) + at - size) > time_ms:
        at -= size
    if not widen(&machine.keeper, offset, at, size):
        return False
    item = payload(machine.keeper.user, offset) + at
    memcpy(item, &time_ms, 8)
    if size == 16:
        number = as_float(value)
        memcpy(item + 8, &number, 8)
    elif size == 24:
        extreme_add(<Extreme*>(item + 8), value, 1)
    return True


cdef Value sliding_result(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t at_ms, bint* approximate
) noexcept nogil:
    cdef uint8_t[FIXED_STATE_BYTES_MAX] state
    cdef int64_t after_ms = plus(max(at_ms, machine.clock_ms), -rule.size_ms)
    cdef uint32_t size = kept_bytes(rule)
    cdef uint32_t end = payload_bytes(machine.keeper.user, offset)
    cdef uint32_t at, index
    cdef uint8_t* data = payload(machine.keeper.user, offset)
    cdef Folded* pane
    cdef Value value
    memset(state, 0, FIXED_STATE_BYTES_MAX)
    for index in range(folded_count(machine, offset)[0]):
        pane = folded_at(machine, rule, offset, index)
        if pane.newest_ms > after_ms and pane.start_ms <= at_ms:
            fixed_merge(rule, state, <uint8_t*>pane + sizeof(Folded))
            approximate[0] = True
    at = kept_from(machine, rule, offset)
    while at < end and time_at(data + at) <= after_ms:
        at += size
    if rule.aggregate == AGGREGATE_COUNT:
        while end > at and time_at(data + end - size) > at_ms:
            end -= size
        (<int64_t*>state)[0] += (end - at) // size
        return fixed_result(rule, state, at_ms)
    while at < end and time_at(data + at) <= at_ms:
        value = value_at(rule, data + at)
        fixed_add(rule, state, time_at(data + at), &value)
        at += size
    return fixed_result(rule, state, at_ms)


cdef int64_t sliding_next_change_ms(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t after_ms
) noexcept nogil:
    cdef int64_t over_ms = plus(after_ms, -rule.size_ms)
    cdef uint32_t end = payload_bytes(machine.keeper.user, offset)
    cdef uint32_t at, index
    cdef uint8_t* data = payload(machine.keeper.user, offset)
    cdef int64_t earliest = NEVER_MS
    for index in range(folded_count(machine, offset)[0]):
        if folded_at(machine, rule, offset, index).newest_ms > over_ms:
            earliest = folded_at(machine, rule, offset, index).newest_ms
            break
    at = kept_from(machine, rule, offset)
    while at < end:
        if time_at(data + at) > over_ms:
            earliest = min(earliest, time_at(data + at))
            break
        at += kept_bytes(rule)
    return plus(earliest, rule.size_ms)


cdef bint sliding_holds(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t at_ms
) noexcept nogil:
    """True if a read at `at_ms` would count anything."""
    cdef int64_t next_ms = sliding_next_change_ms(
        machine, rule, offset, max(at_ms, machine.clock_ms)
    )
    return next_ms != NEVER_MS and next_ms <= plus(at_ms, rule.size_ms)
