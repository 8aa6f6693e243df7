# cython: language_level=3
"""Panes that end: with their session, or as windows close."""
from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from augenblick_native.aggregates.fixed cimport FIXED_STATE_BYTES_MAX, fixed_merge
from augenblick_native.entries cimport entries_drop, entries_next_ms, entries_result
from augenblick_native.layout cimport (
    has_pane, header_bytes, header_of, is_closed, is_windowed, pane_for, pane_start, read_panes,
    window_end, window_start,
)
from augenblick_native.machine cimport COUNT_STATE_FULL, floor_to, plus
from augenblick_native.program cimport (
    WINDOW_CALENDAR, WINDOW_HOPPING, WINDOW_SESSION, WINDOW_TUMBLING,
)
from augenblick_native.record cimport (
    cell_at, narrow, next_cell, payload, payload_bytes, remove_cell,
)
from augenblick_native.sketches cimport (
    sketches_drop, sketches_first, sketches_hold, sketches_join, sketches_result,
)
from augenblick_native.state cimport NO_TIME_MS


cdef bint purge_window(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t end_ms
) noexcept nogil:
    cdef uint32_t header = header_bytes(rule)
    cdef uint32_t stride = 8 + rule.stride
    cdef uint32_t end = payload_bytes(machine.keeper.user, offset)
    cdef uint32_t at = header
    cdef int64_t start_ms
    cdef uint8_t* data = payload(machine.keeper.user, offset)
    if rule.stride:
        while at < end:
            memcpy(&start_ms, data + at, 8)
            if window_end(rule, start_ms) > end_ms:
                break
            at += stride
        if at > header:
            narrow(machine.keeper.user, offset, header, at - header)
    else:
        # A pane [p, p + pane) is over iff its window ends by then: the last such pane starts at
        # floor(end - size).
        if rule.window == WINDOW_CALENDAR:
            start_ms = pane_start(rule, end_ms) - 1
        else:
            start_ms = floor_to(plus(end_ms, -rule.size_ms), rule.pane_ms)
            start_ms = plus(start_ms, rule.pane_ms - 1)
        if rule.is_sketch:
            sketches_drop(machine, rule, offset, NO_TIME_MS, start_ms)
        else:
            entries_drop(machine, offset, header, NO_TIME_MS, start_ms)
    if payload_bytes(machine.keeper.user, offset) == header:
        remove_cell(machine.keeper.user, offset)
        return True
    if rule.window == WINDOW_HOPPING:
        if rule.stride:
            memcpy(&start_ms, payload(machine.keeper.user, offset) + header, 8)
        elif rule.is_sketch:
            start_ms = sketches_first(machine, rule, offset)
        else:
            start_ms = floor_to(entries_next_ms(machine, offset, header, NO_TIME_MS), rule.pane_ms)
        header_of(machine, offset)[0] = max(start_ms, floor_to(end_ms, rule.pane_ms)) + rule.pane_ms
    return False


cdef void merge_session(Machine* machine, uint32_t serial, uint32_t merged) noexcept nogil:
    cdef const FeatureRule* rule
    cdef uint32_t index, offset, at, stride
    cdef uint8_t[FIXED_STATE_BYTES_MAX] state
    cdef uint8_t* target
    cdef uint8_t* data
    cdef int64_t key
    for index in range(machine.plan.feature_count):
        rule = &machine.plan.features[index]
        if rule.window != WINDOW_SESSION or (rule.stride == 0 and not rule.is_sketch):
            continue                            # entries belong to a session by their time
        stride = 8 + rule.stride
        offset = next_cell(machine.keeper.user, rule.slot, 0)
        while offset:
            at = 0
            if rule.is_sketch and not sketches_join(machine, rule, offset, serial, merged):
                machine.counters[COUNT_STATE_FULL] += 1
            while rule.stride and at < payload_bytes(machine.keeper.user, offset):
                data = payload(machine.keeper.user, offset) + at
                memcpy(&key, data, 8)
                if key == merged:
                    memcpy(state, data + 8, rule.stride)
                    narrow(machine.keeper.user, offset, at, stride)
                    target = pane_for(machine, rule, offset, serial)
                    if target == NULL:
                        machine.counters[COUNT_STATE_FULL] += 1
                    else:
                        fixed_merge(rule, target, state)
                    break
                at += stride
            offset = next_cell(
                machine.keeper.user, rule.slot, offset + cell_at(machine.keeper.user, offset).size
            )


cdef void drop_session(
    Machine* machine, uint32_t serial, int64_t start_ms, int64_t end_ms
) noexcept nogil:
    cdef const FeatureRule* rule
    cdef uint32_t index, offset, at
    cdef int64_t key
    for index in range(machine.plan.feature_count):
        rule = &machine.plan.features[index]
        if rule.window != WINDOW_SESSION:
            continue
        offset = next_cell(machine.keeper.user, rule.slot, 0)
        while offset:
            if rule.is_sketch:
                sketches_drop(machine, rule, offset, serial, serial)
            elif rule.stride == 0:
                entries_drop(machine, offset, 0, start_ms, end_ms)
            else:
                at = 0
                while at < payload_bytes(machine.keeper.user, offset):
                    memcpy(&key, payload(machine.keeper.user, offset) + at, 8)
                    if key == serial:
                        narrow(machine.keeper.user, offset, at, 8 + rule.stride)
                        break
                    at += 8 + rule.stride
            if payload_bytes(machine.keeper.user, offset) == 0:
                remove_cell(machine.keeper.user, offset)
                offset = next_cell(machine.keeper.user, rule.slot, offset)
            else:
                offset = next_cell(
                    machine.keeper.user, rule.slot, offset + cell_at(
                        machine.keeper.user, offset
                    ).size
                )


# An event came into pane `pane_ms` of a hopping feature: the first of its windows still open is to
# close next, if none before.
cdef void note_next_end(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t pane_ms
) noexcept nogil:
    cdef int64_t end_ms = plus(pane_ms, rule.pane_ms)
    cdef int64_t open_ms
    if machine.clock_ms != NO_TIME_MS and is_closed(machine, end_ms):
        open_ms = floor_to(machine.clock_ms, rule.pane_ms)
        end_ms = open_ms + rule.pane_ms if is_closed(machine, open_ms) else open_ms
    if end_ms < header_of(machine, offset)[0]:
        header_of(machine, offset)[0] = end_ms


cdef int64_t next_end_ms(Machine* machine, const FeatureRule* rule, uint32_t offset) noexcept nogil:
    cdef int64_t start_ms
    if not rule.emitted:
        return NEVER_MS
    if rule.window == WINDOW_HOPPING:
        return header_of(machine, offset)[0]
    if not is_windowed(rule):
        return NEVER_MS
    if rule.stride:
        if payload_bytes(machine.keeper.user, offset) == 0:
            return NEVER_MS
        memcpy(&start_ms, payload(machine.keeper.user, offset), 8)
    elif rule.is_sketch:
        start_ms = sketches_first(machine, rule, offset)
        if start_ms == NEVER_MS:
            return NEVER_MS
    else:
        start_ms = entries_next_ms(machine, offset, 0, NO_TIME_MS)
        if start_ms == NEVER_MS:
            return NEVER_MS
        start_ms = pane_start(rule, start_ms)
    return window_end(rule, start_ms)


cdef bint close_window(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t end_ms, Value* value
) noexcept nogil:
    cdef uint32_t header = header_bytes(rule)
    cdef int64_t start_ms = window_start(rule, end_ms)
    if rule.stride:
        value[0] = read_panes(machine, rule, offset, start_ms, end_ms - 1, end_ms)
        # A pane exists only once an event came into it; hopping may have none in this very window.
        return (
            rule.window == WINDOW_TUMBLING
            or has_pane(machine, rule, offset, start_ms, end_ms - 1)
        )
    if rule.is_sketch:
        value[0] = sketches_result(machine, rule, offset, start_ms, end_ms - 1)
        return sketches_hold(machine, rule, offset, start_ms, end_ms - 1)
    value[0] = entries_result(machine, rule, offset, header, start_ms, end_ms - 1)
    return entries_next_ms(machine, offset, header, start_ms - 1) < end_ms
