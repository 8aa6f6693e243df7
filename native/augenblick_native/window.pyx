# cython: language_level=3
"""A feature's panes inside the user's record.

Payload by window (fixed aggregates): lifetime: state | since: [reset_ms, if not grouped] state | session and tumbling and
hopping: [next end, hopping only] panes {key, state} in order of key, the session's serial or the pane's start | sliding:
see sliding.pyx.  first, last and list keep entries (entries.pyx) behind the same headers.
"""
from libc.string cimport memcpy, memset

from augenblick_native.aggregates.fixed cimport FIXED_STATE_BYTES_MAX, fixed_add, fixed_merge, fixed_result
from augenblick_native.buffer cimport buffer_room, pack_map, put_bytes
from augenblick_native.entries cimport (
    entries_add, entries_count, entries_drop, entries_next_ms, entries_result, entries_trim,
)
from augenblick_native.decode cimport operand
from augenblick_native.hash cimport name_hash
from augenblick_native.machine cimport (
    COUNT_GROUPS_EVICTED, COUNT_SINCE_IGNORED, COUNT_STATE_FULL, COUNT_VALUES_TOO_LONG, GROUP_BYTES_MAX,
    VALUE_BYTES_MAX, FieldGroup, floor_to, plus,
)
from augenblick_native.msgpack cimport VALUE_LIST, VALUE_NULL, VALUE_OTHER, VALUE_STR, missing
from augenblick_native.predicate cimport selects
from augenblick_native.program cimport (
    AGGREGATE_COUNT, AGGREGATE_FIRST, AGGREGATE_LAST, AGGREGATE_SUM, OPERAND_NONE, WINDOW_HOPPING,
    WINDOW_LIFETIME, WINDOW_SESSION, WINDOW_SINCE, WINDOW_SLIDING, WINDOW_TUMBLING,
)
from augenblick_native.record cimport (
    add_cell, cell_at, find_cell, group_data, group_head, narrow, next_cell, payload, payload_bytes, remove_cell, widen,
)
from augenblick_native.session cimport session_holding
from augenblick_native.sliding cimport sliding_add, sliding_holds, sliding_next_change_ms, sliding_result
from augenblick_native.state cimport NEVER_MS, NO_TIME_MS, Session
from augenblick_native.values cimport has_value, is_number, of_float, of_int, pack_value


cdef bint group_of(Machine* machine, const Value* value, Group* group) noexcept nogil:
    cdef size_t at = machine.scratch.size
    if not has_value(value):
        return False
    if value.size > GROUP_BYTES_MAX - 8 or value.kind == VALUE_LIST or value.kind == VALUE_OTHER:
        machine.counters[COUNT_VALUES_TOO_LONG] += 1
        return False
    if buffer_room(&machine.scratch, GROUP_BYTES_MAX) == NULL:
        return False
    pack_value(&machine.scratch, value)
    group.data = machine.scratch.data + at
    group.size = <uint16_t>(machine.scratch.size - at)
    group.hashed = <uint32_t>name_hash(group.data, group.size)
    return True


cdef bint event_group(Machine* machine, const Event* event, int32_t index, Group* group) noexcept nogil:
    cdef FieldGroup* kept
    cdef Value value
    memset(group, 0, sizeof(Group))
    if index < 0:
        if index == OPERAND_NONE:
            return False
        value = operand(event, index)
        return group_of(machine, &value, group)
    kept = &event.groups[index]
    if kept.generation != event.generation:
        memset(&kept.group, 0, sizeof(Group))
        kept.is_group = group_of(machine, &event.fields[index], &kept.group)
        kept.generation = event.generation
    group[0] = kept.group
    return kept.is_group


cdef inline uint32_t header_bytes(const FeatureRule* rule) noexcept nogil:
    if rule.window == WINDOW_HOPPING or (rule.window == WINDOW_SINCE and rule.by == OPERAND_NONE):
        return 8
    return 0


cdef inline int64_t* header_of(Machine* machine, uint32_t offset) noexcept nogil:
    return <int64_t*>payload(machine.keeper.user, offset)


cdef inline bint is_closed(Machine* machine, int64_t end_ms) noexcept nogil:
    return end_ms < machine.clock_ms


# The cell of the group, made if need be; the least recently touched group leaves when there are too many.  0: full.
cdef uint32_t cell_for(Machine* machine, const FeatureRule* rule, const Group* group, bint* fresh) noexcept nogil:
    cdef uint32_t offset = find_cell(machine.keeper.user, rule.slot, group.data, group.size, group.hashed)
    cdef uint32_t oldest = 0
    cdef uint32_t groups = 0
    cdef uint32_t size
    fresh[0] = offset == 0
    if offset == 0 and group.data != NULL:
        offset = next_cell(machine.keeper.user, rule.slot, 0)
        while offset:
            if cell_at(machine.keeper.user, offset).group_bytes:
                groups += 1
                if oldest == 0 or (
                    group_head(cell_at(machine.keeper.user, offset)).touched
                    < group_head(cell_at(machine.keeper.user, oldest)).touched
                ):
                    oldest = offset
            offset = next_cell(machine.keeper.user, rule.slot, offset + cell_at(machine.keeper.user, offset).size)
        if groups >= rule.by_max:
            remove_cell(machine.keeper.user, oldest)
            machine.counters[COUNT_GROUPS_EVICTED] += 1
    if fresh[0]:
        size = header_bytes(rule)
        if rule.stride and (rule.window == WINDOW_LIFETIME or rule.window == WINDOW_SINCE):
            size += rule.stride
        offset = add_cell(&machine.keeper, rule.slot, group.data, group.size, group.hashed, size)
        if offset == 0:
            return 0
        if header_bytes(rule):
            header_of(machine, offset)[0] = NO_TIME_MS if rule.window == WINDOW_SINCE else NEVER_MS
    if group.data != NULL:
        machine.keeper.user.stamp += 1
        group_head(cell_at(machine.keeper.user, offset)).touched = machine.keeper.user.stamp
    return offset


# The state of the pane with this key, made in order if need be.  NULL: full.
cdef uint8_t* pane_for(Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t key) noexcept nogil:
    cdef uint32_t stride = 8 + rule.stride
    cdef uint32_t at = payload_bytes(machine.keeper.user, offset)
    cdef uint32_t header = header_bytes(rule)
    cdef uint8_t* data = payload(machine.keeper.user, offset)
    cdef int64_t other
    while at > header:
        memcpy(&other, data + at - stride, 8)
        if other == key:
            return data + at - stride + 8
        if other < key:
            break
        at -= stride
    if not widen(&machine.keeper, offset, at, stride):
        return NULL
    data = payload(machine.keeper.user, offset) + at
    memcpy(data, &key, 8)
    return data + 8


# The last reset of a since feature; NO_TIME_MS: none.  A grouped one keeps it in its cell without a group.
cdef int64_t last_reset_ms(Machine* machine, const FeatureRule* rule) noexcept nogil:
    cdef uint32_t offset = find_cell(machine.keeper.user, rule.slot, NULL, 0, 0)
    return header_of(machine, offset)[0] if offset else NO_TIME_MS


cdef void reset_since(Machine* machine, const FeatureRule* rule, Event* event) noexcept nogil:
    cdef uint32_t offset, following
    cdef uint32_t size = 8 + rule.stride if rule.by == OPERAND_NONE else 8
    if event.time_ms < last_reset_ms(machine, rule):
        machine.counters[COUNT_SINCE_IGNORED] += 1
        return
    offset = next_cell(machine.keeper.user, rule.slot, 0)
    while offset:
        remove_cell(machine.keeper.user, offset)
        following = next_cell(machine.keeper.user, rule.slot, offset)
        offset = following
    offset = add_cell(&machine.keeper, rule.slot, NULL, 0, 0, size)
    if offset == 0:
        machine.counters[COUNT_STATE_FULL] += 1
        return
    header_of(machine, offset)[0] = event.time_ms


# The value the aggregate takes from the event.  False: none.
cdef inline bint taken_value(Machine* machine, const FeatureRule* rule, const Event* event, Value* value) noexcept nogil:
    if rule.aggregate == AGGREGATE_COUNT:
        if rule.value == OPERAND_NONE:
            return True
        value[0] = operand(event, rule.value)
        return has_value(value)
    value[0] = operand(event, rule.value)
    if rule.stride:
        return is_number(value)
    if not has_value(value):
        return rule.aggregate == AGGREGATE_LAST and value.kind == VALUE_NULL
    if value.size > VALUE_BYTES_MAX:
        machine.counters[COUNT_VALUES_TOO_LONG] += 1
        return False
    return True


cdef bint fits(Machine* machine, const FeatureRule* rule, const Event* event) noexcept nogil:
    """False where the event's window is closed already, or a later reset has emptied the feature."""
    if rule.window == WINDOW_SESSION:
        return event.session_serial != 0
    if rule.window == WINDOW_TUMBLING or rule.window == WINDOW_HOPPING:
        return not is_closed(machine, plus(floor_to(event.time_ms, rule.pane_ms), rule.size_ms))
    if rule.window == WINDOW_SLIDING:
        return event.time_ms > plus(machine.clock_ms, -rule.size_ms)
    if rule.window == WINDOW_SINCE:
        return event.time_ms >= last_reset_ms(machine, rule)
    return True


cdef Fed feed(Machine* machine, const FeatureRule* rule, Event* event, bint dry) noexcept nogil:
    cdef Value value = missing()
    cdef Group group
    cdef uint32_t offset
    cdef bint fresh
    cdef bint done
    if not selects(machine, event, rule.selector):
        return FED_NOT
    if rule.window == WINDOW_SINCE and selects(machine, event, rule.reset_selector):
        return FED_NOT
    if not taken_value(machine, rule, event, &value):
        return FED_NOT
    if not event_group(machine, event, rule.by, &group) and rule.by != OPERAND_NONE:
        return FED_NOT
    if not fits(machine, rule, event):
        if rule.window == WINDOW_SINCE and not dry:
            machine.counters[COUNT_SINCE_IGNORED] += 1
        return FED_LATE
    if dry:
        return FED_TAKEN
    if rule.window == WINDOW_TUMBLING or rule.window == WINDOW_HOPPING:
        purge_closed(machine, rule, &group)
    offset = cell_for(machine, rule, &group, &fresh)
    if offset == 0:
        machine.counters[COUNT_STATE_FULL] += 1
        return FED_FULL
    if rule.window == WINDOW_HOPPING:
        note_next_end(machine, rule, offset, floor_to(event.time_ms, rule.pane_ms))
    if rule.window == WINDOW_SLIDING and rule.stride:
        done = sliding_add(machine, rule, offset, event.time_ms, &value)
    elif rule.stride:
        done = feed_fixed(machine, rule, offset, event, &value)
    else:
        done = feed_entries(machine, rule, offset, event, &value)
    if not done:
        machine.counters[COUNT_STATE_FULL] += 1
        return FED_FULL
    return FED_TAKEN


cdef bint feed_fixed(
    Machine* machine, const FeatureRule* rule, uint32_t offset, const Event* event, const Value* value
) noexcept nogil:
    cdef uint8_t* state
    if rule.window == WINDOW_LIFETIME or rule.window == WINDOW_SINCE:
        state = payload(machine.keeper.user, offset) + header_bytes(rule)
    elif rule.window == WINDOW_SESSION:
        state = pane_for(machine, rule, offset, event.session_serial)
    else:
        state = pane_for(machine, rule, offset, floor_to(event.time_ms, rule.pane_ms))
    if state == NULL:
        return False
    fixed_add(rule.aggregate, state, value)
    return True


cdef bint feed_entries(
    Machine* machine, const FeatureRule* rule, uint32_t offset, const Event* event, const Value* value
) noexcept nogil:
    cdef uint32_t header = header_bytes(rule)
    cdef int64_t pane_ms
    cdef Session* session
    if not entries_add(machine, offset, header, event.time_ms, value):
        return False
    if rule.window == WINDOW_LIFETIME or rule.window == WINDOW_SINCE:
        entries_trim(machine, rule, offset, header, NO_TIME_MS, NEVER_MS, rule.list_max)
    elif rule.window == WINDOW_SESSION:
        session = session_holding(machine, event.time_ms)
        if session != NULL:
            entries_trim(machine, rule, offset, header, session.start_ms, session.last_ms, rule.list_max)
    elif rule.window == WINDOW_SLIDING:
        entries_drop(machine, offset, header, NO_TIME_MS, plus(machine.clock_ms, -rule.size_ms))
        if entries_count(machine, offset, header) > rule.sliding_max:
            entries_trim(machine, rule, offset, header, NO_TIME_MS, NEVER_MS, rule.sliding_max)
    else:
        pane_ms = floor_to(event.time_ms, rule.pane_ms)
        entries_trim(machine, rule, offset, header, pane_ms, pane_ms + rule.pane_ms - 1, rule.list_max)
    return True


# Panes of which every window is closed and, where emitted, has left.
cdef void purge_closed(Machine* machine, const FeatureRule* rule, const Group* group) noexcept nogil:
    cdef uint32_t offset = find_cell(machine.keeper.user, rule.slot, group.data, group.size, group.hashed)
    if offset and machine.clock_ms != NO_TIME_MS:
        purge_window(machine, rule, offset, machine.clock_ms - 1)


# Take out the panes of which every window ends at or before `end_ms`; the cell goes with the last.
cdef void purge_window(Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t end_ms) noexcept nogil:
    cdef uint32_t header = header_bytes(rule)
    cdef uint32_t stride = 8 + rule.stride
    cdef uint32_t end = payload_bytes(machine.keeper.user, offset)
    cdef uint32_t at = header
    cdef int64_t start_ms
    cdef uint8_t* data = payload(machine.keeper.user, offset)
    if rule.stride:
        while at < end:
            memcpy(&start_ms, data + at, 8)
            if plus(start_ms, rule.size_ms) > end_ms:
                break
            at += stride
        if at > header:
            narrow(machine.keeper.user, offset, header, at - header)
    else:
        # A pane [p, p + pane) is over iff p + size <= end: the last such pane starts at floor(end - size).
        start_ms = floor_to(plus(end_ms, -rule.size_ms), rule.pane_ms)
        entries_drop(machine, offset, header, NO_TIME_MS, plus(start_ms, rule.pane_ms - 1))
    if payload_bytes(machine.keeper.user, offset) == header:
        remove_cell(machine.keeper.user, offset)
    elif rule.window == WINDOW_HOPPING:
        if rule.stride:
            memcpy(&start_ms, payload(machine.keeper.user, offset) + header, 8)
        else:
            start_ms = floor_to(entries_next_ms(machine, offset, header, NO_TIME_MS), rule.pane_ms)
        header_of(machine, offset)[0] = max(start_ms, floor_to(end_ms, rule.pane_ms)) + rule.pane_ms


# Interval [from_ms, to_ms] of events that the window at the moment holds.  False: closed, or there is none.
cdef bint window_at(
    Machine* machine, const FeatureRule* rule, int64_t at_ms, int64_t* from_ms, int64_t* to_ms
) noexcept nogil:
    cdef int64_t start_ms
    if rule.window == WINDOW_TUMBLING:
        start_ms = floor_to(at_ms, rule.size_ms)
    else:
        start_ms = floor_to(plus(at_ms, -rule.size_ms), rule.pane_ms) + rule.pane_ms
    if is_closed(machine, plus(start_ms, rule.size_ms)):
        return False
    from_ms[0] = start_ms
    to_ms[0] = plus(start_ms, rule.size_ms - 1)
    return True


cdef inline Value of_nothing(const FeatureRule* rule) noexcept nogil:
    if rule.aggregate == AGGREGATE_COUNT:
        return of_int(0)
    if rule.aggregate == AGGREGATE_SUM:
        return of_float(0.0)
    return missing()


cdef Value read_cell(Machine* machine, Moment* moment, const FeatureRule* rule, uint32_t offset) noexcept nogil:
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
    elif rule.window == WINDOW_TUMBLING or rule.window == WINDOW_HOPPING:
        if not window_at(machine, rule, at_ms - 1 if moment.ends_at else at_ms, &from_ms, &to_ms):
            return of_nothing(rule)
    elif rule.window == WINDOW_SLIDING:
        if rule.stride:
            return sliding_result(machine, rule, offset, at_ms, &moment.approximate)
        from_ms = plus(max(at_ms, machine.clock_ms), -rule.size_ms) + 1
        to_ms = at_ms
        if entries_count(machine, offset, header) >= rule.sliding_max:
            moment.approximate = True
    if not rule.stride:
        return entries_result(machine, rule, offset, header, from_ms, to_ms)
    if rule.window == WINDOW_LIFETIME or rule.window == WINDOW_SINCE:
        return fixed_result(rule.aggregate, payload(machine.keeper.user, offset) + header)
    if session != NULL:
        from_ms = to_ms = session.serial
    return read_panes(machine, rule, offset, from_ms, to_ms)


# True if the cell holds anything that a read at the moment would count.
cdef bint holds_anything(Machine* machine, Moment* moment, const FeatureRule* rule, uint32_t offset) noexcept nogil:
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
        if rule.stride:
            return has_pane(machine, rule, offset, session.serial, session.serial)
        from_ms = session.start_ms
        to_ms = session.last_ms
    elif not window_at(machine, rule, moment.at_ms - 1 if moment.ends_at else moment.at_ms, &from_ms, &to_ms):
        return False
    if rule.stride:
        return has_pane(machine, rule, offset, from_ms, to_ms)
    return entries_next_ms(machine, offset, header_bytes(rule), from_ms - 1) <= to_ms


# The panes with key in [first, last], merged.
cdef Value read_panes(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t first, int64_t last
) noexcept nogil:
    cdef uint8_t[FIXED_STATE_BYTES_MAX] state
    cdef uint32_t stride = 8 + rule.stride
    cdef uint32_t at = header_bytes(rule)
    cdef uint32_t end = payload_bytes(machine.keeper.user, offset)
    cdef uint8_t* data = payload(machine.keeper.user, offset)
    cdef int64_t key
    memset(state, 0, FIXED_STATE_BYTES_MAX)
    while at < end:
        memcpy(&key, data + at, 8)
        if first <= key <= last:
            fixed_merge(rule.aggregate, state, data + at + 8)
        at += stride
    return fixed_result(rule.aggregate, state)


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
        offset = next_cell(machine.keeper.user, rule.slot, offset + cell_at(machine.keeper.user, offset).size)
    pack_map(&machine.bodies, count)
    offset = next_cell(machine.keeper.user, rule.slot, 0)
    while offset:
        if cell_at(machine.keeper.user, offset).group_bytes and holds_anything(machine, moment, rule, offset):
            value = read_cell(machine, moment, rule, offset)
            put_group(machine, offset)
            pack_value(&machine.bodies, &value)
        offset = next_cell(machine.keeper.user, rule.slot, offset + cell_at(machine.keeper.user, offset).size)


cdef inline void put_group(Machine* machine, uint32_t offset) noexcept nogil:
    put_bytes(
        &machine.bodies, group_data(cell_at(machine.keeper.user, offset)),
        cell_at(machine.keeper.user, offset).group_bytes,
    )


cdef int64_t next_change_ms(Machine* machine, const FeatureRule* rule, int64_t after_ms) noexcept nogil:
    cdef uint32_t offset = find_cell(machine.keeper.user, rule.slot, NULL, 0, 0)
    cdef uint32_t header = header_bytes(rule)
    cdef int64_t boundary_ms, newest_ms
    cdef Session* session
    if offset == 0 or rule.window == WINDOW_LIFETIME or rule.window == WINDOW_SINCE:
        return NEVER_MS
    if rule.window == WINDOW_SESSION:
        session = session_holding(machine, after_ms)
        if session == NULL:
            return NEVER_MS
        if rule.stride and not has_pane(machine, rule, offset, session.serial, session.serial):
            return NEVER_MS
        if not rule.stride and entries_next_ms(machine, offset, 0, session.start_ms - 1) > session.last_ms:
            return NEVER_MS
        return min(
            plus(session.last_ms, machine.plan.gap_ms), plus(session.start_ms, machine.plan.session_max_ms)
        ) + 1
    if rule.window == WINDOW_SLIDING:
        if rule.stride:
            return sliding_next_change_ms(machine, rule, offset, after_ms)
        return plus(entries_next_ms(machine, offset, header, plus(after_ms, -rule.size_ms)), rule.size_ms)
    if payload_bytes(machine.keeper.user, offset) == header:
        return NEVER_MS
    if rule.stride:
        memcpy(
            &newest_ms,
            payload(machine.keeper.user, offset) + payload_bytes(machine.keeper.user, offset) - 8 - rule.stride, 8,
        )
    else:
        newest_ms = entries_last_pane_ms(machine, rule, offset, header)
    boundary_ms = plus(floor_to(after_ms, rule.pane_ms), rule.pane_ms)
    return boundary_ms if boundary_ms <= plus(newest_ms, rule.size_ms) else NEVER_MS


cdef int64_t entries_last_pane_ms(
    Machine* machine, const FeatureRule* rule, uint32_t offset, uint32_t header
) noexcept nogil:
    cdef int64_t last_ms = NO_TIME_MS
    cdef int64_t time_ms = entries_next_ms(machine, offset, header, NO_TIME_MS)
    while time_ms != NEVER_MS:
        last_ms = time_ms
        time_ms = entries_next_ms(machine, offset, header, time_ms)
    return floor_to(last_ms, rule.pane_ms)


cdef void merge_session(Machine* machine, uint32_t serial, uint32_t merged) noexcept nogil:
    cdef const FeatureRule* rule
    cdef uint32_t index, offset, at, stride
    cdef uint8_t[FIXED_STATE_BYTES_MAX] state
    cdef uint8_t* target
    cdef uint8_t* data
    cdef int64_t key
    for index in range(machine.plan.feature_count):
        rule = &machine.plan.features[index]
        if rule.window != WINDOW_SESSION or rule.stride == 0:
            continue                            # entries belong to a session by their time
        stride = 8 + rule.stride
        offset = next_cell(machine.keeper.user, rule.slot, 0)
        while offset:
            at = 0
            while at < payload_bytes(machine.keeper.user, offset):
                data = payload(machine.keeper.user, offset) + at
                memcpy(&key, data, 8)
                if key == merged:
                    memcpy(state, data + 8, rule.stride)
                    narrow(machine.keeper.user, offset, at, stride)
                    target = pane_for(machine, rule, offset, serial)
                    if target == NULL:
                        machine.counters[COUNT_STATE_FULL] += 1
                    else:
                        fixed_merge(rule.aggregate, target, state)
                    break
                at += stride
            offset = next_cell(machine.keeper.user, rule.slot, offset + cell_at(machine.keeper.user, offset).size)


cdef void drop_session(Machine* machine, uint32_t serial, int64_t start_ms, int64_t end_ms) noexcept nogil:
    cdef const FeatureRule* rule
    cdef uint32_t index, offset, at
    cdef int64_t key
    for index in range(machine.plan.feature_count):
        rule = &machine.plan.features[index]
        if rule.window != WINDOW_SESSION:
            continue
        offset = next_cell(machine.keeper.user, rule.slot, 0)
        while offset:
            if rule.stride == 0:
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
                    machine.keeper.user, rule.slot, offset + cell_at(machine.keeper.user, offset).size
                )


# An event came into pane `pane_ms` of a hopping feature: the first of its windows still open is to close next, if none before.
cdef void note_next_end(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t pane_ms
) noexcept nogil:
    cdef int64_t end_ms = plus(pane_ms, rule.pane_ms)
    cdef int64_t open_ms
    if machine.clock_ms != NO_TIME_MS and end_ms < machine.clock_ms:
        open_ms = floor_to(machine.clock_ms, rule.pane_ms)
        end_ms = open_ms if open_ms >= machine.clock_ms else open_ms + rule.pane_ms
    if end_ms < header_of(machine, offset)[0]:
        header_of(machine, offset)[0] = end_ms


cdef int64_t next_end_ms(Machine* machine, const FeatureRule* rule, uint32_t offset) noexcept nogil:
    cdef int64_t start_ms
    if not rule.emitted:
        return NEVER_MS
    if rule.window == WINDOW_HOPPING:
        return header_of(machine, offset)[0]
    if rule.window != WINDOW_TUMBLING:
        return NEVER_MS
    if rule.stride:
        if payload_bytes(machine.keeper.user, offset) == 0:
            return NEVER_MS
        memcpy(&start_ms, payload(machine.keeper.user, offset), 8)
    else:
        start_ms = entries_next_ms(machine, offset, 0, NO_TIME_MS)
        if start_ms == NEVER_MS:
            return NEVER_MS
        start_ms = floor_to(start_ms, rule.size_ms)
    return plus(start_ms, rule.size_ms)


cdef bint close_window(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t end_ms, Value* value
) noexcept nogil:
    cdef uint32_t header = header_bytes(rule)
    cdef int64_t start_ms = end_ms - rule.size_ms
    if rule.stride:
        value[0] = read_panes(machine, rule, offset, start_ms, end_ms - 1)
        # A pane exists only once an event came into it; hopping may have none in this very window.
        return rule.window == WINDOW_TUMBLING or has_pane(machine, rule, offset, start_ms, end_ms - 1)
    value[0] = entries_result(machine, rule, offset, header, start_ms, end_ms - 1)
    return entries_next_ms(machine, offset, header, start_ms - 1) < end_ms


cdef bint has_pane(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t first, int64_t last
) noexcept nogil:
    cdef uint32_t at = header_bytes(rule)
    cdef int64_t key
    while at < payload_bytes(machine.keeper.user, offset):
        memcpy(&key, payload(machine.keeper.user, offset) + at, 8)
        if first <= key <= last:
            return True
        at += 8 + rule.stride
    return False
