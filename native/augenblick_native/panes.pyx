# cython: language_level=3
"""Metric panes of one key group.

Sums are fixed point (2^-32 units, 128 bits), so that the order in which panes are merged cannot
show.
"""
from libc.stdint cimport uint64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from augenblick_native.buffer cimport put_bytes
from augenblick_native.decode cimport operand
from augenblick_native.hash cimport mix64
from augenblick_native.machine cimport COUNT_METRIC_GROUPS_OTHER, Group, PaneRow, floor_to, plus
from augenblick_native.msgpack cimport VALUE_INT, Value
from augenblick_native.program cimport AGGREGATE_COUNT, OPERAND_NONE
from augenblick_native.state cimport NEVER_MS, PaneTable
from augenblick_native.values cimport as_float, has_value, is_number, of_text
from augenblick_native.window cimport event_group, group_of

cdef extern from *:
    """
    static inline void ab_add_fixed(int64_t* high, uint64_t* low, int is_int, int64_t integer,
    double number) {
        unsigned __int128 sum = ((unsigned __int128)(uint64_t)*high << 64) | *low;
        __int128 units = 0;
        if (is_int) units = (__int128)integer * 4294967296;
        else if (number == number) {                /* NaN adds nothing */
            double scaled = number * 4294967296.0;
            if (scaled > 8.5e37) scaled = 8.5e37;
            if (scaled < -8.5e37) scaled = -8.5e37;
            units = (__int128)__builtin_nearbyint(scaled);
        }
        sum += (unsigned __int128)units;            /* wraps: beyond 4e28 a sum means nothing */
        *high = (int64_t)(uint64_t)(sum >> 64);
        *low = (uint64_t)sum;
    }
    """
    void add_fixed "ab_add_fixed"(int64_t*, uint64_t*, bint, int64_t, double) noexcept nogil


cdef inline uint32_t place_of(
    const PaneTable* table, uint32_t metric, int64_t start_ms, uint32_t hashed
) noexcept nogil:
    return <uint32_t>mix64(
        (<uint64_t>start_ms << 16) ^ metric ^ (<uint64_t>hashed << 32)
    ) & (table.capacity * 2 - 1)


cdef Pane* find_pane(
    PaneTable* table, uint32_t metric, int64_t start_ms, const Group* group, uint32_t* place
) noexcept nogil:
    cdef Pane* pane
    cdef uint32_t at
    if table.capacity == 0:
        return NULL
    at = place_of(table, metric, start_ms, group.hashed)
    while table.index[at]:
        pane = &table.panes[table.index[at] - 1]
        if (
            pane.metric == metric and pane.start_ms == start_ms and pane.group_bytes == group.size
            and (group.size == 0 or memcmp(pane.group, group.data, group.size) == 0)
        ):
            return pane
        at = (at + 1) & (table.capacity * 2 - 1)
    place[0] = at
    return NULL


cdef void index_panes(PaneTable* table) noexcept nogil:
    cdef uint32_t number, at
    memset(table.index, 0, table.capacity * 2 * sizeof(uint32_t))
    table.earliest_end_ms = NEVER_MS
    for number in range(table.count):
        at = place_of(
            table, table.panes[number].metric, table.panes[number].start_ms,
            table.panes[number].hashed
        )
        while table.index[at]:
            at = (at + 1) & (table.capacity * 2 - 1)
        table.index[at] = number + 1
        table.earliest_end_ms = min(table.earliest_end_ms, table.panes[number].end_ms)


cdef bint grow(PaneTable* table) noexcept nogil:
    cdef uint32_t capacity = table.capacity * 2 if table.capacity else 8
    cdef uint32_t* index = <uint32_t*>calloc(capacity * 2, sizeof(uint32_t))
    cdef Pane* panes = <Pane*>realloc(table.panes, capacity * sizeof(Pane))
    if panes != NULL:
        table.panes = panes
    if panes == NULL or index == NULL:
        free(index)
        return False
    free(table.index)
    table.index = index
    table.capacity = capacity
    index_panes(table)
    return True


cdef bint restore_pane(KeyGroup* group, const Pane* pane) noexcept nogil:
    cdef PaneTable* table = &group.panes
    cdef uint8_t* data = NULL
    if table.count == table.capacity and not grow(table):
        return False
    if pane.group_bytes:
        data = <uint8_t*>malloc(pane.group_bytes)
        if data == NULL:
            return False
        memcpy(data, pane.group, pane.group_bytes)
    table.panes[table.count] = pane[0]
    table.panes[table.count].group = data
    table.count += 1
    index_last(table)
    return True


cdef inline void index_last(PaneTable* table) noexcept nogil:
    cdef Pane* pane = &table.panes[table.count - 1]
    cdef uint32_t at = place_of(table, pane.metric, pane.start_ms, pane.hashed)
    while table.index[at]:
        at = (at + 1) & (table.capacity * 2 - 1)
    table.index[at] = table.count
    if table.count == 1:
        table.earliest_end_ms = pane.end_ms
    table.earliest_end_ms = min(table.earliest_end_ms, pane.end_ms)


cdef uint32_t groups_in(const PaneTable* table, uint32_t metric, int64_t start_ms) noexcept nogil:
    cdef uint32_t number, count = 0
    for number in range(table.count):
        count += table.panes[number].metric == metric and table.panes[number].start_ms == start_ms
    return count


# The pane of the event, made if need be; past the bound on groups it is that of the group `other`.
cdef Pane* pane_for(
    Machine* machine, uint32_t metric, int64_t start_ms, int64_t end_ms, Group* group
) noexcept nogil:
    cdef PaneTable* table = &machine.group.panes
    cdef uint32_t place
    cdef Pane* pane = find_pane(table, metric, start_ms, group, &place)
    cdef Pane fresh
    cdef Value other
    if pane != NULL:
        return pane
    if (
        group.data != NULL
        and table.count >= METRIC_GROUPS_MAX
        and groups_in(table, metric, start_ms) >= METRIC_GROUPS_MAX
    ):
        machine.counters[COUNT_METRIC_GROUPS_OTHER] += 1
        other = of_text(<const uint8_t*>b"other", 5)
        group_of(machine, &other, group)
        pane = find_pane(table, metric, start_ms, group, &place)
        if pane != NULL:
            return pane
    memset(&fresh, 0, sizeof(Pane))
    fresh.metric = <uint16_t>metric
    fresh.group_bytes = group.size
    fresh.group = <uint8_t*>group.data
    fresh.hashed = group.hashed
    fresh.start_ms = start_ms
    fresh.end_ms = end_ms
    if not restore_pane(machine.group, &fresh):
        return NULL
    return &table.panes[table.count - 1]


cdef bint count_event(Machine* machine, uint32_t metric, Event* event, bint dry) noexcept nogil:
    cdef const MetricRule* rule = &machine.plan.metrics[metric]
    cdef int64_t start_ms = floor_to(event.time_ms, rule.size_ms)
    cdef int64_t end_ms = plus(start_ms, rule.size_ms)
    cdef Value value
    cdef Group group
    cdef Pane* pane
    if end_ms < machine.clock_ms:
        return False
    if not event_group(machine, event, rule.by, &group) and rule.by != OPERAND_NONE:
        return False
    if rule.value != OPERAND_NONE:
        value = operand(event, rule.value)
        if not (has_value(&value) if rule.aggregate == AGGREGATE_COUNT else is_number(&value)):
            return False
    if dry:
        return True
    pane = pane_for(machine, metric, start_ms, end_ms, &group)
    if pane == NULL:
        return False
    pane.count += 1
    if rule.aggregate != AGGREGATE_COUNT:
        add_fixed(
            &pane.sum_high, &pane.sum_low, value.kind == VALUE_INT, value.integer, as_float(&value)
        )
    return True


cdef void take_closed_panes(Machine* machine, KeyGroup* group, uint16_t key_group) noexcept nogil:
    cdef PaneTable* table = &group.panes
    cdef uint32_t number, kept = 0
    cdef Pane* pane
    cdef PaneRow row
    if table.count == 0 or table.earliest_end_ms >= group.clock_ms:
        return
    for number in range(table.count):
        pane = &table.panes[number]
        if pane.end_ms >= group.clock_ms:
            table.panes[kept] = pane[0]
            kept += 1
            continue
        row.key_group = key_group
        row.metric = pane.metric
        row.group_bytes = pane.group_bytes
        row.group_at = machine.bodies.size
        row.start_ms = pane.start_ms
        row.count = pane.count
        row.sum_high = pane.sum_high
        row.sum_low = pane.sum_low
        put_bytes(&machine.bodies, pane.group, pane.group_bytes)
        put_bytes(&machine.panes, &row, sizeof(PaneRow))
        free(pane.group)
    table.count = kept
    index_panes(table)


cdef void free_panes(KeyGroup* group) noexcept nogil:
    cdef uint32_t number
    for number in range(group.panes.count):
        free(group.panes.panes[number].group)
    free(group.panes.panes)
    free(group.panes.index)
    memset(&group.panes, 0, sizeof(PaneTable))
