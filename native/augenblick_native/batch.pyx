# cython: language_level=3
"""A stream of events and marks, applied.

Two passes over each run of EVENTS_AHEAD events: read them and fetch the memory that they will
touch, then apply them.
"""
from libc.stdint cimport int32_t, uint16_t
from libc.stdio cimport snprintf
from libc.string cimport memset

from augenblick_native.arena cimport arena_give
from augenblick_native.buffer cimport put_bytes
from augenblick_native.cursor cimport (
    Cursor, cursor_over, left, prefetch, read_i64, read_le32, read_le64, take,
)
from augenblick_native.decode cimport read_event
from augenblick_native.due cimport run_due
from augenblick_native.layout cimport header_bytes
from augenblick_native.listing cimport dispatch_of, listed
from augenblick_native.machine cimport (
    COUNT_DUPLICATES, COUNT_LATE_DROPPED, COUNT_PRINTS_DROPPED, COUNT_REFUSED, COUNT_RESENT,
    EVENTS_AHEAD, ID_TEXT_BYTES, ROW_REFUSED, Event, Rise, Row, renew,
)
from augenblick_native.groups cimport make_gateways
from augenblick_native.panes cimport take_closed_panes
from augenblick_native.fetch cimport fetch_chains, fetch_partials
from augenblick_native.policies cimport settle
from augenblick_native.prints cimport is_duplicate, note_print, prefetch_print
from augenblick_native.program cimport OPERAND_NONE, Dispatch, FeatureRule
from augenblick_native.record cimport free_record, new_record
from augenblick_native.state cimport (
    GATEWAYS_MAX, KEY_GROUPS, NEVER_MS, NO_TIME_MS, Cell, Entry, GatewayMark, GroupHead, KeyGroup,
    Session, User,
)
from augenblick_native.schedules cimport may_be_put_off, next_schedule_ms
from augenblick_native.status cimport (
    STATUS_GAP, STATUS_LATE, STATUS_NO_MEMORY, STATUS_OK, STATUS_OLD_INCARNATION,
    STATUS_TRUNCATED, STATUS_USERS_FULL, Status,
)
from augenblick_native.table cimport add_user, find_user, first_place, remove_user
from augenblick_native.timer cimport arm
from augenblick_native.user cimport late_fits, run_event

cdef enum:
    MARK = 0xFFFFFFFF               # in place of an event's size: a mark
    FLAG_WARM = 1
    LINE_BYTES = 64
    FIRST_BYTES = 256               # of a record, whatever its size
    FETCHED_BYTES_MAX = 1024        # of a long one
    FIRST_ROOM_MAX = 512            # for cells in a new one

# One event of the stream, and the mark that holds for it.
cdef struct Item:
    uint32_t flags
    uint32_t size
    int64_t event_ms
    int64_t watermark_ms
    int64_t ingest_ms
    uint64_t user_key
    uint64_t number
    uint64_t fingerprint
    const uint8_t* body
    Status status                   # of reading the body

# Where reading the stream stands.
cdef struct Reading:
    Cursor cursor
    int64_t watermark_ms            # of the last mark
    int64_t ingest_ms
    bint is_marked
    uint32_t count                  # items read ahead
    Item[EVENTS_AHEAD] items


cdef void begin_call(Machine* machine, int64_t now_ms) noexcept nogil:
    machine.now_ms = now_ms
    machine.fired_ms = now_ms
    machine.record = -1
    machine.due_ms = NO_TIME_MS
    machine.depth = -1
    machine.scratch.size = 0
    machine.rises.size = 0
    machine.rivals.size = 0


cdef void note_earliest(Machine* machine, uint32_t key_group) noexcept nogil:
    cdef KeyGroup* group = &machine.groups[key_group]
    cdef int64_t next_ms = group.panes.earliest_end_ms
    if not group.rearmed and next_ms >= machine.earliest[key_group]:
        return
    group.rearmed = False
    if group.heap_count:
        next_ms = min(next_ms, group.heap[0].deadline_ms)
    machine.earliest[key_group] = next_ms


cdef void refuse(Machine* machine, Status status, const Item* item) noexcept nogil:
    cdef Row row
    machine.counters[COUNT_REFUSED] += 1
    memset(&row, 0, sizeof(Row))
    row.kind = ROW_REFUSED
    row.rule = <uint32_t>status
    row.record = machine.record
    row.fired_ms = machine.fired_ms
    row.time_ms = item.event_ms
    row.start_ms = NO_TIME_MS
    row.end_ms = NO_TIME_MS
    row.body_at = machine.bodies.size
    row.body_bytes = item.size
    put_bytes(&machine.bodies, item.body, item.size)
    put_bytes(&machine.rows, &row, sizeof(Row))


# Reading

cdef Status read_item(Reading* reading) noexcept nogil:
    """One item: a mark is noted, an event is one more in `items`."""
    cdef Cursor* cursor = &reading.cursor
    cdef Item* item = &reading.items[reading.count]
    cdef uint32_t head = 0
    if (
        read_le32(cursor, &head) != STATUS_OK or read_le32(cursor, &item.flags) != STATUS_OK
        or read_i64(cursor, &item.event_ms) != STATUS_OK
    ):
        return STATUS_TRUNCATED
    if head == MARK:
        reading.watermark_ms = item.event_ms
        reading.is_marked = True
        return read_i64(cursor, &reading.ingest_ms)
    if (
        not reading.is_marked or read_le64(cursor, &item.user_key) != STATUS_OK
        or read_le64(cursor, &item.number) != STATUS_OK
        or read_le64(cursor, &item.fingerprint) != STATUS_OK
        or take(cursor, head, &item.body) != STATUS_OK
    ):
        return STATUS_TRUNCATED
    item.size = head
    item.watermark_ms = reading.watermark_ms
    item.ingest_ms = reading.ingest_ms
    reading.count += 1
    return STATUS_OK


# The part of a record that every event touches.
cdef inline void prefetch_user(const User* user) noexcept nogil:
    cdef uint32_t at = 0
    while at < FIRST_BYTES:
        prefetch(<const uint8_t*>user + at)
        at += LINE_BYTES


# Read the bodies of a quarter of the events: the work between two looks at fetched memory.
cdef void read_bodies(Machine* machine, Reading* reading, uint32_t quarter) noexcept nogil:
    cdef uint32_t index = quarter * (EVENTS_AHEAD // 4)
    cdef uint32_t end = min(index + EVENTS_AHEAD // 4, reading.count)
    cdef Item* item
    while index < end:
        item = &reading.items[index]
        item.status = read_event(machine.plan, &machine.ahead[index], item.body, item.size)
        renew(machine, &machine.ahead[index])
        index += 1


# Read the next events and fetch the memory that they will touch: key group, what it points to,
# place in the table, record, annex.
cdef Status read_ahead(Machine* machine, Reading* reading) noexcept nogil:
    cdef KeyGroup* group
    cdef User* user
    cdef User* users[EVENTS_AHEAD]
    cdef uint32_t index, at
    reading.count = 0
    while reading.count < EVENTS_AHEAD and left(&reading.cursor):
        if read_item(reading) != STATUS_OK:
            return STATUS_TRUNCATED
        if reading.count:
            group = &machine.groups[reading.items[reading.count - 1].user_key >> 52]
            prefetch(group)
            prefetch(<const uint8_t*>group + LINE_BYTES)
    read_bodies(machine, reading, 0)
    for index in range(reading.count):
        group = &machine.groups[reading.items[index].user_key >> 52]
        if group.entries != NULL:
            prefetch(&group.entries[first_place(group, reading.items[index].user_key)])
            if group.gateway_count > 1:
                prefetch(group.gateways)
            prefetch_print(group, reading.items[index].fingerprint)
    read_bodies(machine, reading, 1)
    for index in range(reading.count):
        group = &machine.groups[reading.items[index].user_key >> 52]
        users[index] = NULL
        if group.entries == NULL:
            continue
        users[index] = group.entries[first_place(group, reading.items[index].user_key)].user
        if users[index] != NULL:
            prefetch_user(users[index])
    read_bodies(machine, reading, 2)
    for index in range(reading.count):
        user = users[index]
        at = FIRST_BYTES
        if user == NULL:
            continue
        while at < min(user.size, <uint32_t>FETCHED_BYTES_MAX):
            prefetch(<const uint8_t*>user + at)
            at += LINE_BYTES
        if user.annex != NULL:
            prefetch_user(user.annex)
    read_bodies(machine, reading, 3)
    for index in range(reading.count):
        if users[index] != NULL and users[index].annex != NULL:
            fetch_chains(machine, users[index].annex, &machine.ahead[index])
    for index in range(reading.count):
        if users[index] != NULL and users[index].annex != NULL:
            fetch_partials(
                machine, users[index].annex, &machine.ahead[index],
                reading.items[index].watermark_ms
            )
    return STATUS_OK


# Numbers

# Applied once: the next number of the gateway's newest incarnation is to be applied, an older one
# was.
cdef bint is_next(
    Machine* machine, KeyGroup* group, uint32_t gateway, uint64_t incarnation, const Item* item
) noexcept nogil:
    cdef uint32_t index
    cdef GatewayMark* mark
    for index in range(group.gateway_count):
        mark = &group.gateways[index]
        if mark.gateway != gateway:
            continue
        if incarnation < mark.incarnation:
            refuse(machine, STATUS_OLD_INCARNATION, item)
            return False
        if incarnation == mark.incarnation:
            if item.number <= mark.number:
                machine.counters[COUNT_RESENT] += 1
                return False
            if item.number != mark.number + 1:
                refuse(machine, STATUS_GAP, item)
                return False
        mark.incarnation = incarnation
        mark.number = item.number
        return True
    return meet_gateway(machine, group, gateway, incarnation, item)


# The first event of a gateway that the key group has not seen: its number is where counting begins.
cdef bint meet_gateway(
    Machine* machine, KeyGroup* group, uint32_t gateway, uint64_t incarnation, const Item* item
) noexcept nogil:
    cdef GatewayMark* mark
    if group.gateway_count == GATEWAYS_MAX or not make_gateways(group, group.gateway_count + 1):
        refuse(machine, STATUS_NO_MEMORY, item)
        return False
    mark = &group.gateways[group.gateway_count]
    mark.gateway = gateway
    mark.unused = 0
    mark.incarnation = incarnation
    mark.number = item.number
    group.gateway_count += 1
    return True


# The clock

cdef void note_rise(
    Machine* machine, int64_t clock_ms, int64_t ingest_ms, int32_t record
) noexcept nogil:
    """Note for `fired_at` and the order of results that the shard's clock rises before this
    event."""
    cdef Rise rise
    if clock_ms <= machine.shard_clock_ms:
        return
    memset(&rise, 0, sizeof(Rise))
    rise.watermark_ms = clock_ms
    rise.ingest_ms = ingest_ms
    rise.record = record
    put_bytes(&machine.rises, &rise, sizeof(Rise))


cdef void advance_clock(Machine* machine, int64_t watermark_ms) noexcept nogil:
    cdef uint32_t[EVENTS_AHEAD] due
    cdef uint32_t key_group, count, index
    if watermark_ms <= machine.shard_clock_ms:
        return
    machine.shard_clock_ms = watermark_ms
    key_group = 0
    while key_group < KEY_GROUPS:
        count = 0
        while key_group < KEY_GROUPS and count < EVENTS_AHEAD:
            if machine.earliest[key_group] < watermark_ms:
                due[count] = key_group
                count += 1
                prefetch(&machine.groups[key_group])
            key_group += 1
        for index in range(count):
            prefetch(machine.groups[due[index]].heap)
        for index in range(count):
            if machine.groups[due[index]].heap_count:
                prefetch_user(machine.groups[due[index]].heap[0].user)
        for index in range(count):
            advance_group(machine, due[index], watermark_ms)


cdef void advance_group(
    Machine* machine, uint32_t key_group, int64_t watermark_ms
) noexcept nogil:
    cdef KeyGroup* group = &machine.groups[key_group]
    group.clock_ms = max(group.clock_ms, watermark_ms)
    face_group(machine, key_group)
    group.changed = True
    while group.heap_count and group.heap[0].deadline_ms < group.clock_ms:
        machine.keeper.user = group.heap[0].user
        machine.clock_ms = NO_TIME_MS       # from instant to instant, up to the group's clock
        machine.depth = -1
        run_due(machine, group.clock_ms)
    take_closed_panes(machine, group, <uint16_t>key_group)
    group.rearmed = True
    note_earliest(machine, key_group)


cdef void face_group(Machine* machine, uint32_t key_group) noexcept nogil:
    """Work on this key group from now on."""
    machine.group = &machine.groups[key_group]
    machine.key_group = <uint16_t>key_group
    machine.keeper.arena = &machine.arena
    machine.keeper.owner = NULL
    machine.keeper.group = machine.group
    machine.after_event = False
    machine.is_warm = False


# One event

cdef void name_user(Machine* machine, Event* event) noexcept nogil:
    """The id of an integer user is its decimal text."""
    if event.user.data != NULL:
        return
    event.user.size = <uint32_t>snprintf(
        <char*>machine.id_text, ID_TEXT_BYTES, "%lld", <long long>event.user_number
    )
    event.user.data = machine.id_text


# Face the event's user, with what was due before the event done.  False: the user is not known.
cdef bint face_user(Machine* machine, const Item* item, const Event* event) noexcept nogil:
    cdef Entry* entry = find_user(
        machine.group, item.user_key, event.user.data, <uint16_t>event.user.size
    )
    if entry == NULL:
        return False
    machine.keeper.user = entry.user
    if entry.user.armed_ms < machine.group.clock_ms or (
        machine.plan.schedules.count and may_be_put_off(machine, machine.group.clock_ms)
    ):
        machine.clock_ms = NO_TIME_MS
        run_due(machine, machine.group.clock_ms)
        machine.scratch.size = 0
    return machine.keeper.user != NULL


# Bytes of the cells that a user's first event makes, so that a record need not move at once.
cdef uint32_t first_room(Machine* machine, const Event* event) noexcept nogil:
    cdef const Dispatch* dispatch = dispatch_of(machine, event)
    cdef uint32_t room = <uint32_t>(sizeof(Cell) + sizeof(Session))
    cdef uint32_t index
    cdef const FeatureRule* rule
    for index in range(dispatch.features.count):
        rule = &machine.plan.features[listed(machine, &dispatch.features, index)]
        room += <uint32_t>sizeof(Cell) + header_bytes(rule) + 8 + rule.stride
        if rule.by != OPERAND_NONE:
            room += <uint32_t>sizeof(GroupHead) + 16
    return min(room, <uint32_t>FIRST_ROOM_MAX)


# A user that was not known.  False: there is no room for one more, and the event is refused.
cdef bint make_user(Machine* machine, const Item* item, const Event* event) noexcept nogil:
    cdef User* user
    if (
        machine.memory_bytes_max
        and <int64_t>machine.arena.used_bytes >= machine.memory_bytes_max
    ):
        refuse(machine, STATUS_USERS_FULL, item)
        return False
    user = new_record(
        &machine.arena, event.user.data, <uint16_t>event.user.size, first_room(machine, event)
    )
    if user != NULL:
        user.user_key = item.user_key
        if add_user(&machine.tables, machine.group, user) == NULL:
            arena_give(&machine.arena, user, user.capacity)
            user = NULL
    if user == NULL:
        refuse(machine, STATUS_NO_MEMORY, item)
        return False
    machine.keeper.user = user
    machine.users += 1
    return True


cdef void unmake_user(Machine* machine, const Item* item, const Event* event) noexcept nogil:
    """A late event that fits nowhere leaves no user behind."""
    cdef Entry* entry = find_user(
        machine.group, item.user_key, event.user.data, <uint16_t>event.user.size
    )
    free_record(&machine.arena, entry.user)
    remove_user(&machine.tables, machine.group, entry)
    machine.keeper.user = NULL
    machine.users -= 1


cdef void apply_event(
    Machine* machine, const Item* item, const Event* ahead
) noexcept nogil:
    cdef KeyGroup* group = machine.group
    cdef Event* event = &machine.events[0]
    cdef bint is_new
    cdef int64_t since_ms = item.ingest_ms - machine.plan.dedup_ms
    if item.fingerprint and is_duplicate(group, item.fingerprint, since_ms):
        machine.counters[COUNT_DUPLICATES] += 1
        return
    if item.status != STATUS_OK:
        refuse(machine, item.status, item)
        return
    event[0] = ahead[0]
    name_user(machine, event)
    machine.scratch.size = 0
    machine.depth = 0                   # the event's place is taken: timers stand above it
    is_new = not face_user(machine, item, event)
    if is_new and not make_user(machine, item, event):
        return
    machine.clock_ms = group.clock_ms
    event.time_ms = item.event_ms
    event.ingest_ms = item.ingest_ms
    event.warm = item.flags & FLAG_WARM
    event.late = item.event_ms < group.clock_ms
    machine.is_warm = event.warm
    if event.late and not late_fits(machine, event):
        machine.counters[COUNT_LATE_DROPPED] += 1
        refuse(machine, STATUS_LATE, item)
        if is_new:
            unmake_user(machine, item, event)
        return
    if item.fingerprint:
        note_print(
            &machine.tables, group, item.fingerprint, item.ingest_ms, since_ms,
            &machine.counters[COUNT_PRINTS_DROPPED]
        )
    run_event(machine, event)
    if machine.rivals.size:
        settle(machine)
    if is_new and machine.keeper.user.armed_ms == NEVER_MS:
        # no session: settle its time to live
        arm(&machine.tables, group, machine.keeper.user, group.clock_ms)
    if is_new and machine.plan.schedules.count:
        # looked at with the next step of the clock, and at the instants of schedules from then on
        next_schedule_ms(machine)
        arm(&machine.tables, group, machine.keeper.user, group.clock_ms)
    if machine.keeper.user.armed_ms < group.clock_ms:
        machine.after_event = True
        run_due(machine, group.clock_ms)


cdef uint32_t apply_stream(
    Machine* machine, const uint8_t* data, size_t size, uint32_t gateway, uint64_t incarnation,
    int64_t cap_ms
) noexcept nogil:
    cdef Reading reading
    cdef const Item* item
    cdef uint32_t index, key_group
    cdef uint32_t events = 0
    cdef int64_t clock_ms = NO_TIME_MS
    reading.cursor = cursor_over(data, size)
    reading.watermark_ms = reading.ingest_ms = NO_TIME_MS
    reading.is_marked = False
    while left(&reading.cursor):
        if read_ahead(machine, &reading) != STATUS_OK:
            return BROKEN_STREAM
        for index in range(reading.count):
            item = &reading.items[index]
            key_group = <uint32_t>(item.user_key >> 52)
            machine.record = <int32_t>events
            machine.fired_ms = item.ingest_ms if machine.ingest_is_now else machine.now_ms
            if min(item.watermark_ms, cap_ms) > clock_ms:
                clock_ms = min(item.watermark_ms, cap_ms)
                note_rise(machine, clock_ms, item.ingest_ms, machine.record)
            events += 1
            face_group(machine, key_group)
            machine.group.clock_ms = max(
                machine.group.clock_ms, max(clock_ms, machine.shard_clock_ms)
            )
            if item.number == 0 or is_next(machine, machine.group, gateway, incarnation, item):
                machine.group.changed = True
                apply_event(machine, item, &machine.ahead[index])
                note_earliest(machine, key_group)
    machine.record = -1
    if reading.is_marked:
        if min(reading.watermark_ms, cap_ms) > clock_ms:
            note_rise(machine, min(reading.watermark_ms, cap_ms), reading.ingest_ms, -1)
        advance_clock(machine, min(reading.watermark_ms, cap_ms))
    return events
