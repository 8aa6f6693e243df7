# cython: language_level=3
"""A feature's panes inside the user's record.

Payload by window (fixed aggregates): lifetime: state | since: [reset_ms, if not grouped] state |
session, tumbling, calendar and
hopping: [next end, hopping only] panes {key, state} in order of key, the session's serial or the
pane's start | sliding:
see sliding.pyx.  first, last and list keep entries (entries.pyx) behind the same headers, distinct,
quantile and top panes of sketches (sketches.pyx), in sliding windows entries.
"""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint8_t
from libc.string cimport memcpy, memset

from augenblick_native.aggregates.fixed cimport fixed_add
from augenblick_native.buffer cimport buffer_room
from augenblick_native.closing cimport note_next_end, purge_window
from augenblick_native.decode cimport operand
from augenblick_native.entries cimport entries_add, entries_count, entries_drop, entries_trim
from augenblick_native.hash cimport name_hash
from augenblick_native.layout cimport (
    header_bytes, header_of, is_closed, is_windowed, pane_end, pane_for, pane_start, window_end,
)
from augenblick_native.machine cimport (
    COUNT_GROUPS_EVICTED, COUNT_SINCE_IGNORED, COUNT_STATE_FULL, COUNT_VALUES_TOO_LONG,
    GROUP_BYTES_MAX, VALUE_BYTES_MAX, FieldGroup, plus,
)
from augenblick_native.msgpack cimport VALUE_LIST, VALUE_NULL, VALUE_OTHER, packed_text
from augenblick_native.predicate cimport selects
from augenblick_native.program cimport (
    AGGREGATE_COUNT, AGGREGATE_LAST, AGGREGATE_QUANTILE, OPERAND_NONE, WINDOW_HOPPING,
    WINDOW_LIFETIME, WINDOW_SESSION, WINDOW_SINCE, WINDOW_SLIDING,
)
from augenblick_native.record cimport (
    add_cell, cell_at, find_cell, group_head, next_cell, payload, payload_bytes, remove_cell,
)
from augenblick_native.session cimport session_holding
from augenblick_native.sketches cimport sketches_add
from augenblick_native.sliding cimport sliding_add
from augenblick_native.state cimport NEVER_MS, NO_TIME_MS, Session
from augenblick_native.values cimport has_value, is_number, of_int, pack_value


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


cdef bint make_event_group(
    Machine* machine, const Event* event, int32_t index, Group* group
) noexcept nogil:
    cdef FieldGroup* kept
    cdef Value value
    memset(group, 0, sizeof(Group))
    if index < 0:
        value = operand(event, index)
        return group_of(machine, &value, group)
    kept = &event.groups[index]
    kept.generation = event.generation
    kept.group.data = NULL
    if not event.derived:
        kept.group.data = packed_text(&event.fields[index])
    if kept.group.data != NULL:             # a client's text stands in the batch as it is wanted
        kept.group.size = <uint16_t>(event.fields[index].size + 1)
        kept.group.hashed = <uint32_t>name_hash(kept.group.data, kept.group.size)
        kept.is_group = True
    else:
        memset(&kept.group, 0, sizeof(Group))
        kept.is_group = group_of(machine, &event.fields[index], &kept.group)
    group[0] = kept.group
    return kept.is_group


# The cell of the group, made if need be, without the panes that nobody can reach any more.
# 0: full.
cdef uint32_t cell_for(
    Machine* machine, const FeatureRule* rule, const Group* group
) noexcept nogil:
    cdef uint32_t offset = find_cell(
        machine.keeper.user, rule.slot, group.data, group.size, group.hashed
    )
    if (
        offset and is_windowed(rule)
        and machine.clock_ms != NO_TIME_MS and may_be_closed(machine, rule, offset)
        and purge_window(machine, rule, offset, machine.clock_ms - 1 + machine.closing)
    ):
        offset = 0
    if offset == 0:
        offset = make_cell(machine, rule, group)
    if offset and group.data != NULL:
        machine.keeper.user.stamp += 1
        group_head(cell_at(machine.keeper.user, offset)).touched = machine.keeper.user.stamp
    return offset


# False: not even the window of the cell's first pane is closed.
cdef inline bint may_be_closed(
    Machine* machine, const FeatureRule* rule, uint32_t offset
) noexcept nogil:
    cdef int64_t first_ms
    if rule.stride == 0 or rule.emitted:
        return True
    if payload_bytes(machine.keeper.user, offset) == header_bytes(rule):
        return False
    memcpy(&first_ms, payload(machine.keeper.user, offset) + header_bytes(rule), 8)
    return is_closed(machine, window_end(rule, first_ms))


# A new cell; the least recently touched group leaves when there are too many.  0: full.
cdef uint32_t make_cell(
    Machine* machine, const FeatureRule* rule, const Group* group
) noexcept nogil:
    cdef uint32_t offset = 0
    cdef uint32_t oldest = 0
    cdef uint32_t groups = 0
    cdef uint32_t size = header_bytes(rule)
    if group.data != NULL:
        offset = next_cell(machine.keeper.user, rule.slot, 0)
        while offset:
            if cell_at(machine.keeper.user, offset).group_bytes:
                groups += 1
                if oldest == 0 or (
                    group_head(cell_at(machine.keeper.user, offset)).touched
                    < group_head(cell_at(machine.keeper.user, oldest)).touched
                ):
                    oldest = offset
            offset = next_cell(
                machine.keeper.user, rule.slot, offset + cell_at(machine.keeper.user, offset).size
            )
        if groups >= rule.by_max:
            remove_cell(machine.keeper.user, oldest)
            machine.counters[COUNT_GROUPS_EVICTED] += 1
    if rule.stride and (rule.window == WINDOW_LIFETIME or rule.window == WINDOW_SINCE):
        size += rule.stride
    offset = add_cell(&machine.keeper, rule.slot, group.data, group.size, group.hashed, size)
    if offset and header_bytes(rule):
        header_of(machine, offset)[0] = NO_TIME_MS if rule.window == WINDOW_SINCE else NEVER_MS
    return offset


# The last reset of a since feature; NO_TIME_MS: none.  A grouped one keeps it in its cell without a
# group.
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
cdef inline bint taken_value(
    Machine* machine, const FeatureRule* rule, const Event* event, Value* value
) noexcept nogil:
    if rule.value == OPERAND_NONE:                      # an event counts as 1
        if rule.aggregate != AGGREGATE_COUNT:
            value[0] = of_int(1)
        return True
    value[0] = operand(event, rule.value)
    if rule.aggregate == AGGREGATE_COUNT:
        return has_value(value)
    if rule.stride or rule.aggregate == AGGREGATE_QUANTILE:
        return is_number(value)
    if not has_value(value):
        return rule.aggregate == AGGREGATE_LAST and value.kind == VALUE_NULL
    if value.size > VALUE_BYTES_MAX:
        machine.counters[COUNT_VALUES_TOO_LONG] += 1
        return False
    return True


cdef inline bint fits(
    Machine* machine, const FeatureRule* rule, const Event* event, int64_t pane_ms
) noexcept nogil:
    """False where the event's window is closed already, or a later reset has emptied the
    feature."""
    if rule.window == WINDOW_SESSION:
        return event.session_serial != 0
    if is_windowed(rule):
        return not is_closed(machine, window_end(rule, pane_ms))
    if rule.window == WINDOW_SLIDING:
        return event.time_ms > plus(machine.clock_ms, -rule.size_ms)
    if rule.window == WINDOW_SINCE:
        return event.time_ms >= last_reset_ms(machine, rule)
    return True


cdef Fed feed(Machine* machine, const FeatureRule* rule, Event* event, bint dry) noexcept nogil:
    cdef Value value = missing()
    cdef Group group
    cdef uint32_t offset
    cdef bint done
    # of the event, in a tumbling or hopping feature
    cdef int64_t pane_ms = NO_TIME_MS
    if not selects(machine, event, rule.selector):
        return FED_NOT
    if rule.window == WINDOW_SINCE and selects(machine, event, rule.reset_selector):
        return FED_NOT
    if not taken_value(machine, rule, event, &value):
        return FED_NOT
    if not event_group(machine, event, rule.by, &group) and rule.by != OPERAND_NONE:
        return FED_NOT
    if is_windowed(rule):
        pane_ms = pane_start(rule, event.time_ms)
    if not fits(machine, rule, event, pane_ms):
        if rule.window == WINDOW_SINCE and not dry:
            machine.counters[COUNT_SINCE_IGNORED] += 1
        return FED_LATE
    if dry:
        return FED_TAKEN
    offset = cell_for(machine, rule, &group)
    if offset == 0:
        machine.counters[COUNT_STATE_FULL] += 1
        return FED_FULL
    if rule.window == WINDOW_HOPPING:
        note_next_end(machine, rule, offset, pane_ms)
    if rule.window == WINDOW_SLIDING and rule.stride:
        done = sliding_add(machine, rule, offset, event.time_ms, &value)
    elif rule.stride:
        done = feed_fixed(machine, rule, offset, event, pane_ms, &value)
    elif rule.is_sketch:
        done = feed_sketch(machine, rule, offset, event, pane_ms, &value)
    else:
        done = feed_entries(machine, rule, offset, event, &value)
    if not done:
        machine.counters[COUNT_STATE_FULL] += 1
        return FED_FULL
    return FED_TAKEN


cdef inline bint feed_fixed(
    Machine* machine, const FeatureRule* rule, uint32_t offset, const Event* event,
    int64_t pane_ms, const Value* value
) noexcept nogil:
    cdef uint8_t* state
    if rule.window == WINDOW_LIFETIME or rule.window == WINDOW_SINCE:
        state = payload(machine.keeper.user, offset) + header_bytes(rule)
    elif rule.window == WINDOW_SESSION:
        state = pane_for(machine, rule, offset, event.session_serial)
    else:
        state = pane_for(machine, rule, offset, pane_ms)
    if state == NULL:
        return False
    fixed_add(rule, state, event.time_ms, value)
    return True


cdef bint feed_sketch(
    Machine* machine, const FeatureRule* rule, uint32_t offset, const Event* event,
    int64_t pane_ms, const Value* value
) noexcept nogil:
    cdef int64_t key = 0
    if rule.window == WINDOW_SESSION:
        key = event.session_serial
    elif pane_ms != NO_TIME_MS:
        key = pane_ms
    return sketches_add(machine, rule, offset, key, value)


cdef bint feed_entries(
    Machine* machine, const FeatureRule* rule, uint32_t offset, const Event* event,
    const Value* value
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
            entries_trim(
                machine, rule, offset, header, session.start_ms, session.last_ms, rule.list_max
            )
    elif rule.window == WINDOW_SLIDING:
        entries_drop(machine, offset, header, NO_TIME_MS, plus(machine.clock_ms, -rule.size_ms))
        if entries_count(machine, offset, header) > rule.sliding_max:
            entries_trim(machine, rule, offset, header, NO_TIME_MS, NEVER_MS, rule.sliding_max)
    else:
        pane_ms = pane_start(rule, event.time_ms)
        entries_trim(
            machine, rule, offset, header, pane_ms, pane_end(rule, pane_ms) - 1, rule.list_max
        )
    return True
