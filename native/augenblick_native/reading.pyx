# cython: language_level=3
"""Reading a feature at an instant; when time alone may change it."""
from libc.string cimport memcpy

from augenblick_native.aggregates.fixed cimport fixed_result
from augenblick_native.aggregates.time_since cimport TimeSince
from augenblick_native.buffer cimport pack_map, put_bytes
from augenblick_native.entries cimport entries_count, entries_next_ms, entries_result
from augenblick_native.layout cimport (
    has_pane, header_bytes, is_closed, is_windowed, pane_end, pane_start, read_panes, window_end,
)
from augenblick_native.machine cimport floor_to, plus
from augenblick_native.program cimport (
    AGGREGATE_COUNT, AGGREGATE_DECAY, AGGREGATE_DISTINCT, AGGREGATE_RATE, AGGREGATE_SUM,
    OPERAND_NONE, WINDOW_HOPPING, WINDOW_LIFETIME, WINDOW_SESSION, WINDOW_SINCE, WINDOW_SLIDING,
)
from augenblick_native.record cimport (
    cell_at, find_cell, group_data, next_cell, payload, payload_bytes,
)
from augenblick_native.session cimport session_holding, session_still_ms
from augenblick_native.sketches cimport (
    sketch_of_entries, sketches_hold, sketches_last, sketches_result,
)
from augenblick_native.sliding cimport sliding_holds, sliding_next_change_ms, sliding_result
from augenblick_native.state cimport NO_TIME_MS, Session
from augenblick_native.values cimport of_float, of_int, pack_value


# Interval [from_ms, to_ms] of events that the window at the moment holds.  False: closed, or there
# is none.
cdef bint window_at(
    Machine* machine, const FeatureRule* rule, int64_t at_ms, int64_t* from_ms, int64_t* to_ms
) noexcept nogil:
    cdef int64_t start_ms
    if rule.window == WINDOW_HOPPING:
        start_ms = floor_to(plus(at_ms, -rule.size_ms), rule.pane_ms) + rule.pane_ms
    else:
        start_ms = pane_start(rule, at_ms)
    if is_closed(machine, window_end(rule, start_ms)):
        return False
    from_ms[0] = start_ms
    to_ms[0] = window_end(rule, start_ms) - 1
    return True


cdef inline Value of_nothing(const FeatureRule* rule) noexcept nogil:
    if rule.aggregate == AGGREGATE_COUNT or rule.aggregate == AGGREGATE_DISTINCT:
        return of_int(0)
    if (
        rule.aggregate == AGGREGATE_SUM or rule.aggregate == AGGREGATE_RATE
        or rule.aggregate == AGGREGATE_DECAY
    ):
        return of_float(0.0)
    return missing()


cdef Value read_cell(
    Machine* machine, Moment* moment, const FeatureRule* rule, uint32_t offset
) noexcept nogil:
    cdef uint32_t header = header_bytes(rule)
    cdef int64_t at_ms = moment.at_ms
    cdef int64_t from_ms = NO_TIME_MS
    cdef int64_t to_ms = NEVER_MS
    cdef Session* session = NULL
    if rule.window == WINDOW_SESSION:
        session = session_holding(machine, at_ms)
        if session == NULL:
            return of_nothing(rule)
        from_ms = session.start_ms
        to_ms = session.last_ms
    elif is_windowed(rule):
        if not window_at(machine, rule, at_ms - 1 if moment.ends_at else at_ms, &from_ms, &to_ms):
            return of_nothing(rule)
    elif rule.window == WINDOW_SLIDING:
        if rule.stride:
            return sliding_result(machine, rule, offset, at_ms, &moment.approximate)
        from_ms = plus(max(at_ms, machine.clock_ms), -rule.size_ms) + 1
        to_ms = at_ms
        if entries_count(machine, offset, header) >= rule.sliding_max:
            moment.approximate = True
    if not rule.stride and not rule.is_sketch:
        return kept_result(machine, rule, offset, header, from_ms, to_ms)
    if session != NULL:
        from_ms = to_ms = session.serial
    if rule.is_sketch:
        return sketches_result(machine, rule, offset, from_ms, to_ms)
    if rule.window == WINDOW_LIFETIME or rule.window == WINDOW_SINCE:
        return fixed_result(rule, payload(machine.keeper.user, offset) + header, at_ms)
    return read_panes(machine, rule, offset, from_ms, to_ms, at_ms)


# Of the entries with time in [from_ms, to_ms].
cdef Value kept_result(
    Machine* machine, const FeatureRule* rule, uint32_t offset, uint32_t header, int64_t from_ms,
    int64_t to_ms
) noexcept nogil:
    if rule.aggregate >= AGGREGATE_DISTINCT:
        return sketch_of_entries(machine, rule, offset, from_ms, to_ms)
    return entries_result(machine, rule, offset, header, from_ms, to_ms)


# True if the cell holds anything that a read at the moment would count.
cdef bint holds_anything(
    Machine* machine, Moment* moment, const FeatureRule* rule, uint32_t offset
) noexcept nogil:
    cdef int64_t from_ms = NO_TIME_MS
    cdef int64_t to_ms = NEVER_MS
    cdef Session* session
    if rule.window == WINDOW_LIFETIME or rule.window == WINDOW_SINCE:
        return True
    if rule.window == WINDOW_SLIDING:
        return (
            sliding_holds(machine, rule, offset, moment.at_ms) if rule.stride
            else entries_next_ms(
                machine, offset, 0, plus(max(moment.at_ms, machine.clock_ms), -rule.size_ms)
            ) <= moment.at_ms
        )
    if rule.window == WINDOW_SESSION:
        session = session_holding(machine, moment.at_ms)
        if session == NULL:
            return False
        if rule.stride or rule.is_sketch:
            return holds_panes(machine, rule, offset, session.serial, session.serial)
        from_ms = session.start_ms
        to_ms = session.last_ms
    elif not window_at(
        machine, rule, moment.at_ms - 1 if moment.ends_at else moment.at_ms, &from_ms, &to_ms
    ):
        return False
    if rule.stride or rule.is_sketch:
        return holds_panes(machine, rule, offset, from_ms, to_ms)
    return entries_next_ms(machine, offset, header_bytes(rule), from_ms - 1) <= to_ms


cdef inline bint holds_panes(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t first, int64_t last
) noexcept nogil:
    if rule.is_sketch:
        return sketches_hold(machine, rule, offset, first, last)
    return has_pane(machine, rule, offset, first, last)


cdef Value read_feature(Machine* machine, Moment* moment, int32_t index) noexcept nogil:
    cdef const FeatureRule* rule = &machine.plan.features[index]
    cdef uint32_t offset
    if machine.keeper.user == NULL:
        return of_nothing(rule)
    if rule.by == OPERAND_NONE:
        offset = find_cell(machine.keeper.user, rule.slot, NULL, 0, 0)
    elif moment.group == NULL:
        return of_nothing(rule)
    else:
        offset = find_cell(
            machine.keeper.user, rule.slot, moment.group, moment.group_bytes, moment.group_hash
        )
    if offset == 0:
        return of_nothing(rule)
    return read_cell(machine, moment, rule, offset)


cdef void pack_feature_map(Machine* machine, Moment* moment, int32_t index) noexcept nogil:
    cdef const FeatureRule* rule = &machine.plan.features[index]
    cdef uint32_t offset
    cdef uint32_t count = 0
    cdef Value value
    offset = next_cell(machine.keeper.user, rule.slot, 0)
    while offset:
        count += cell_at(machine.keeper.user, offset).group_bytes != 0 and holds_anything(
            machine, moment, rule, offset
        )
        offset = next_cell(
            machine.keeper.user, rule.slot, offset + cell_at(machine.keeper.user, offset).size
        )
    pack_map(&machine.bodies, count)
    offset = next_cell(machine.keeper.user, rule.slot, 0)
    while offset:
        if (
            cell_at(machine.keeper.user, offset).group_bytes
            and holds_anything(machine, moment, rule, offset)
        ):
            value = read_cell(machine, moment, rule, offset)
            put_group(machine, offset)
            pack_value(&machine.bodies, &value)
        offset = next_cell(
            machine.keeper.user, rule.slot, offset + cell_at(machine.keeper.user, offset).size
        )


cdef inline void put_group(Machine* machine, uint32_t offset) noexcept nogil:
    put_bytes(
        &machine.bodies, group_data(cell_at(machine.keeper.user, offset)),
        cell_at(machine.keeper.user, offset).group_bytes,
    )


cdef int64_t entries_last_pane_ms(
    Machine* machine, const FeatureRule* rule, uint32_t offset, uint32_t header
) noexcept nogil:
    cdef int64_t last_ms = NO_TIME_MS
    cdef int64_t time_ms = entries_next_ms(machine, offset, header, NO_TIME_MS)
    while time_ms != NEVER_MS:
        last_ms = time_ms
        time_ms = entries_next_ms(machine, offset, header, time_ms)
    return pane_start(rule, last_ms)


cdef int64_t latest_event_ms(Machine* machine, const FeatureRule* rule) noexcept nogil:
    cdef uint32_t offset = find_cell(machine.keeper.user, rule.slot, NULL, 0, 0)
    cdef const TimeSince* state
    if offset == 0:
        return NO_TIME_MS
    state = <const TimeSince*>(payload(machine.keeper.user, offset) + header_bytes(rule))
    return state.latest_ms if state.events else NO_TIME_MS


cdef int64_t next_change_ms(
    Machine* machine, const FeatureRule* rule, int64_t after_ms
) noexcept nogil:
    cdef uint32_t offset
    cdef int64_t earliest_ms = NEVER_MS
    if rule.window == WINDOW_LIFETIME or rule.window == WINDOW_SINCE:
        return NEVER_MS
    offset = next_cell(machine.keeper.user, rule.slot, 0)
    while offset:
        earliest_ms = min(earliest_ms, cell_next_change_ms(machine, rule, offset, after_ms))
        if rule.by == OPERAND_NONE:
            break
        offset += cell_at(machine.keeper.user, offset).size
        offset = next_cell(machine.keeper.user, rule.slot, offset)
    return earliest_ms


cdef int64_t cell_next_change_ms(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t after_ms
) noexcept nogil:
    cdef uint32_t header = header_bytes(rule)
    cdef int64_t boundary_ms, newest_ms
    cdef Session* session
    if rule.window == WINDOW_SESSION:
        session = session_holding(machine, after_ms)
        if session == NULL:
            return NEVER_MS
        if rule.stride or rule.is_sketch:
            if not holds_panes(machine, rule, offset, session.serial, session.serial):
                return NEVER_MS
        elif (
            entries_next_ms(machine, offset, 0, session.start_ms - 1) > session.last_ms
        ):
            return NEVER_MS
        return session_still_ms(machine, session) + 1
    if rule.window == WINDOW_SLIDING:
        if rule.stride:
            return sliding_next_change_ms(machine, rule, offset, after_ms)
        return plus(
            entries_next_ms(machine, offset, header, plus(after_ms, -rule.size_ms)), rule.size_ms
        )
    if payload_bytes(machine.keeper.user, offset) == header:
        return NEVER_MS
    if rule.stride:
        memcpy(
            &newest_ms,
            payload(
                machine.keeper.user, offset
            ) + payload_bytes(machine.keeper.user, offset) - 8 - rule.stride, 8,
        )
    elif rule.is_sketch:
        newest_ms = sketches_last(machine, rule, offset)
    else:
        newest_ms = entries_last_pane_ms(machine, rule, offset, header)
    boundary_ms = pane_end(rule, pane_start(rule, after_ms))
    return boundary_ms if boundary_ms <= window_end(rule, newest_ms) else NEVER_MS
