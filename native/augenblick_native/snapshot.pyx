# cython: language_level=3
"""A key group's state as versioned, checksummed bytes.

Little endian.  Head: magic "AUGKGRP2", u32 crc32c of the body ("AUGKGRP1": crc32, still read).
Body: u16 key group, i64 clock; u16 slots, each u16 slot, u8
kind, text name, text version; u32 gateways, each u32 gateway, u64 incarnation, u64 number; u32
fingerprints, each u64, i64
ingest; u32 panes, each text metric, i64 start, i64 end, i64 count, i64 sum high, u64 sum low, text
group; u32 users, each u64
key, i64 latest, i64 kept until, u32 stamp, text id, u32 bytes,
cells.  A text is u16 bytes and the bytes.
Cells are the kernel's own (state.pxd); the magic's last character is their version.  Features,
segments and triggers go by
kind, name and version, so that a plan that changed keeps the state of what did not.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint16_t, uint64_t, uint8_t
from libc.string cimport memcpy, memset
from zlib import crc32      # of what earlier versions wrote

from augenblick_native.buffer cimport (
    Buffer, buffer_free, put_bytes, put_i64, put_le16, put_le32, put_le64, put_u8,
)
from augenblick_native.checksum cimport crc32c_of
from augenblick_native.cursor cimport (
    Cursor, cursor_over, left, prefetch, read_i64, read_le16, read_le32, read_le64, read_u8, take,
)
from augenblick_native.hash cimport name_hash
from augenblick_native.machine cimport (
    COUNT_PRINTS_DROPPED, SLOT_KIND_CONTACTS, SLOT_KIND_FEATURE, SLOT_KIND_PARTIALS,
    SLOT_KIND_SCHEDULES,
    SLOT_KIND_SEGMENT, SLOT_KIND_SESSIONS,
)
from augenblick_native.groups cimport free_group, make_gateways
from augenblick_native.panes cimport restore_pane
from augenblick_native.prints cimport SET_PRINTS, note_print
from augenblick_native.program cimport Plan, Text
from augenblick_native.record cimport cell_at, first_cell, free_record, new_record
from augenblick_native.state cimport (
    GATEWAYS_MAX, KEY_GROUPS, NO_TIME_MS, Cell, GatewayMark, KeyGroup, Pane, Print, Prints,
    User,
)
from augenblick_native.status cimport STATUS_OK, STATUS_TRUNCATED, Status
from augenblick_native.reserve cimport reserve
from augenblick_native.table cimport add_user, user_id
from augenblick_native.timer cimport arm

cdef bytes MAGIC = b"AUGKGRP"
cdef bytes FORMAT = b"2"
cdef bytes FORMAT_BEFORE = b"1"             # the same body under another checksum
cdef uint16_t DROPPED = 0xFFFF              # a slot that this plan does not have

cdef enum:
    HEAD_BYTES = 12
    USER_BYTES = 34                         # of a user, beside id and cells
    AHEAD = 8                               # users fetched before their turn; annexes half as many

cdef struct Rooms:                          # bytes of a user's cells: in the record, in its annex
    uint32_t own
    uint32_t annex
    bint in_order                           # those of the annex come last, and no slot has moved


cdef inline void put_text(Buffer* buffer, const Text* text) noexcept nogil:
    put_le16(buffer, <uint16_t>text.size)
    put_bytes(buffer, text.data, text.size)


# What a slot is called: those of the whole user have no name, everything else those of its rule.
cdef void name_slot(
    const Plan* plan, const SlotRule* slot, Text* name, Text* version
) noexcept nogil:
    memset(name, 0, sizeof(Text))
    memset(version, 0, sizeof(Text))
    if (
        slot.kind == SLOT_KIND_SESSIONS or slot.kind == SLOT_KIND_CONTACTS
        or slot.kind == SLOT_KIND_SCHEDULES
    ):
        return
    if slot.kind == SLOT_KIND_FEATURE:
        name[0] = plan.features[slot.index].name
        version[0] = plan.features[slot.index].version
    elif slot.kind == SLOT_KIND_SEGMENT:
        name[0] = plan.segments[slot.index].name
        version[0] = plan.segments[slot.index].version
    else:
        name[0] = plan.triggers[slot.index].name
        version[0] = plan.triggers[slot.index].version


cdef void put_slots(const Plan* plan, const SlotRule* slots, Buffer* out) noexcept nogil:
    cdef uint32_t slot
    cdef Text name, version
    put_le16(out, <uint16_t>plan.slot_count)
    for slot in range(plan.slot_count):
        name_slot(plan, &slots[slot], &name, &version)
        put_le16(out, <uint16_t>slot)
        put_u8(out, <uint8_t>slots[slot].kind)
        put_text(out, &name)
        put_text(out, &version)


cdef uint32_t count_prints(const Prints* prints) noexcept nogil:
    cdef uint32_t count = 0
    cdef uint32_t index
    for index in range(prints.set_count * SET_PRINTS):
        count += prints.sets[index].fingerprint != 0
    return count


cdef void put_group(const Plan* plan, const KeyGroup* group, Buffer* out) noexcept nogil:
    cdef uint32_t index
    cdef const Pane* pane
    cdef Text text
    put_le32(out, group.gateway_count)
    for index in range(group.gateway_count):
        put_le32(out, group.gateways[index].gateway)
        put_le64(out, group.gateways[index].incarnation)
        put_le64(out, group.gateways[index].number)
    put_le32(out, count_prints(&group.prints))
    for index in range(group.prints.set_count * SET_PRINTS, 0, -1):     # each set's oldest first
        if group.prints.sets[index - 1].fingerprint:
            put_bytes(out, &group.prints.sets[index - 1], sizeof(Print))
    put_le32(out, group.panes.count)
    for index in range(group.panes.count):
        pane = &group.panes.panes[index]
        put_text(out, &plan.metrics[pane.metric].name)
        put_i64(out, pane.start_ms)
        put_i64(out, pane.end_ms)
        put_i64(out, pane.count)
        put_i64(out, pane.sum_high)
        put_le64(out, pane.sum_low)
        text.data = pane.group
        text.size = pane.group_bytes
        put_text(out, &text)


cdef inline uint32_t cells_bytes(const User* user) noexcept nogil:
    return user.size - first_cell(user)


cdef inline const User* user_at(const KeyGroup* group, uint32_t index) noexcept nogil:
    return group.entries[index].user if index <= group.mask else NULL


# What put_users writes; fetches the users' records on the way.
cdef size_t users_bytes(const KeyGroup* group) noexcept nogil:
    cdef uint32_t index
    cdef size_t size = 4
    cdef const User* user
    if group.entries == NULL:
        return size
    for index in range(group.mask + 1):
        prefetch(user_at(group, index + AHEAD))
        user = user_at(group, index + AHEAD // 2)
        if user != NULL:
            prefetch(user.annex)
        user = group.entries[index].user
        if user != NULL:
            size += USER_BYTES + user.id_bytes + cells_bytes(user)
            size += cells_bytes(user.annex) if user.annex != NULL else 0
    return size


cdef void put_users(const KeyGroup* group, Buffer* out) noexcept nogil:
    cdef uint32_t index
    cdef const User* user
    cdef Text id
    put_le32(out, group.users)
    if group.entries == NULL:
        return
    for index in range(group.mask + 1):
        user = group.entries[index].user
        if user == NULL:
            continue
        put_le64(out, user.user_key)
        put_i64(out, user.latest_ms)
        put_i64(out, user.kept_until_ms)
        put_le32(out, user.stamp)
        id.data = user_id(user)
        id.size = user.id_bytes
        put_text(out, &id)
        put_le32(out, cells_bytes(user) + (cells_bytes(user.annex) if user.annex != NULL else 0))
        put_bytes(out, <const uint8_t*>user + first_cell(user), cells_bytes(user))
        if user.annex != NULL:
            put_bytes(
                out, <const uint8_t*>user.annex + first_cell(user.annex), cells_bytes(user.annex)
            )


cdef bytes write_snapshot(
    Program program, Machine* machine, const SlotRule* slots, uint32_t key_group,
    int64_t shard_clock_ms
):
    cdef Buffer begin, out
    cdef KeyGroup* group = &machine.groups[key_group]
    cdef bytes whole
    memset(&begin, 0, sizeof(Buffer))
    memset(&out, 0, sizeof(Buffer))
    with nogil:
        put_le16(&begin, <uint16_t>key_group)
        put_i64(&begin, max(group.clock_ms, shard_clock_ms))
        put_slots(&program.plan, slots, &begin)
        put_group(&program.plan, group, &begin)
        out.capacity = HEAD_BYTES + begin.size + users_bytes(group)
    try:
        if begin.failed:
            raise MemoryError("no memory for a snapshot")
        whole = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>out.capacity)
        out.data = <uint8_t*>PyBytes_AS_STRING(whole)
        out.fixed = True
        with nogil:
            out.size = HEAD_BYTES
            put_bytes(&out, begin.data, begin.size)
            put_users(group, &out)
    finally:
        buffer_free(&begin)
    if out.size != out.capacity:
        raise AssertionError(f"a snapshot of {out.size} bytes, not of {out.capacity}")
    memcpy(out.data, PyBytes_AS_STRING(MAGIC + FORMAT), 8)
    out.size = 8
    put_le32(&out, crc32c_of(0, out.data + HEAD_BYTES, out.capacity - HEAD_BYTES))
    return whole


cdef Status read_short_text(Cursor* cursor, Text* text) noexcept nogil:
    cdef uint16_t size
    if read_le16(cursor, &size) != STATUS_OK:
        return STATUS_TRUNCATED
    text.size = size
    return take(cursor, size, &text.data)


cdef bytes as_bytes(const Text* text):
    return PyBytes_FromStringAndSize(<const char*>text.data, text.size)


cdef list read_slots(Program program, const SlotRule* slots, Cursor* cursor):
    """Index = slot in the snapshot, value = slot of this plan or DROPPED."""
    cdef Text name, version
    cdef uint16_t count, number
    cdef uint8_t kind
    cdef uint32_t slot
    cdef dict known = {}
    cdef list found = []
    for slot in range(program.plan.slot_count):
        name_slot(&program.plan, &slots[slot], &name, &version)
        known[int(slots[slot].kind), as_bytes(&name), as_bytes(&version)] = slot
    if read_le16(cursor, &count) != STATUS_OK:
        raise ValueError("the snapshot is cut short")
    for slot in range(count):
        if (
            read_le16(cursor, &number) != STATUS_OK or read_u8(cursor, &kind) != STATUS_OK
            or read_short_text(cursor, &name) != STATUS_OK or read_short_text(
                cursor, &version
            ) != STATUS_OK
        ):
            raise ValueError("the snapshot is cut short")
        if number != slot:
            raise ValueError("the snapshot's slots are out of order")
        found.append(known.get((int(kind), as_bytes(&name), as_bytes(&version)), int(DROPPED)))
    return found


cdef Status read_group(Machine* machine, KeyGroup* group, Cursor* cursor) noexcept nogil:
    cdef uint32_t count, index, _index
    cdef uint64_t fingerprint
    cdef int64_t ingest_ms
    cdef GatewayMark* mark
    if read_le32(cursor, &count) != STATUS_OK or count > GATEWAYS_MAX:
        return STATUS_TRUNCATED
    if count and not make_gateways(group, count):
        return STATUS_TRUNCATED
    for index in range(count):
        mark = &group.gateways[index]
        mark.unused = 0
        if (
            read_le32(cursor, &mark.gateway) != STATUS_OK or read_le64(
                cursor, &mark.incarnation
            ) != STATUS_OK
            or read_le64(cursor, &mark.number) != STATUS_OK
        ):
            return STATUS_TRUNCATED
        group.gateway_count += 1
    if read_le32(cursor, &count) != STATUS_OK:
        return STATUS_TRUNCATED
    for _index in range(count):
        if (
            read_le64(cursor, &fingerprint) != STATUS_OK
            or read_i64(cursor, &ingest_ms) != STATUS_OK
        ):
            return STATUS_TRUNCATED
        note_print(
            &machine.tables, group, fingerprint, ingest_ms, NO_TIME_MS,
            &machine.counters[COUNT_PRINTS_DROPPED]
        )
    return read_panes(machine, group, cursor)


cdef Status read_panes(Machine* machine, KeyGroup* group, Cursor* cursor) noexcept nogil:
    cdef uint32_t count, _index, metric
    cdef Text name, text
    cdef Pane pane
    if read_le32(cursor, &count) != STATUS_OK:
        return STATUS_TRUNCATED
    for _index in range(count):
        memset(&pane, 0, sizeof(Pane))
        if (
            read_short_text(cursor, &name) != STATUS_OK or read_i64(
                cursor, &pane.start_ms
            ) != STATUS_OK
            or read_i64(
                cursor, &pane.end_ms
            ) != STATUS_OK or read_i64(cursor, &pane.count) != STATUS_OK
            or read_i64(
                cursor, &pane.sum_high
            ) != STATUS_OK or read_le64(cursor, &pane.sum_low) != STATUS_OK
            or read_short_text(cursor, &text) != STATUS_OK
        ):
            return STATUS_TRUNCATED
        pane.group = <uint8_t*>text.data
        pane.group_bytes = <uint16_t>text.size
        pane.hashed = <uint32_t>name_hash(text.data, text.size) if text.size else 0
        for metric in range(machine.plan.metric_count):
            if (
                machine.plan.metrics[metric].name.size == name.size
                and machine.plan.metrics[metric].size_ms == pane.end_ms - pane.start_ms
                and same(machine.plan.metrics[metric].name.data, name.data, name.size)
            ):
                pane.metric = <uint16_t>metric
                if not restore_pane(group, &pane):
                    return STATUS_TRUNCATED
                break
    return STATUS_OK


cdef inline bint same(const uint8_t* one, const uint8_t* other, uint32_t size) noexcept nogil:
    cdef uint32_t index
    for index in range(size):
        if one[index] != other[index]:
            return False
    return True


cdef Status read_user(
    Machine* machine, KeyGroup* group, Cursor* cursor, const uint16_t* slot_of, uint32_t slots
) noexcept nogil:
    cdef uint64_t user_key
    cdef int64_t latest_ms, kept_until_ms
    cdef uint32_t stamp, size
    cdef Text id
    cdef const uint8_t* cells
    cdef User* user
    cdef Rooms rooms
    if (
        read_le64(cursor, &user_key) != STATUS_OK or read_i64(cursor, &latest_ms) != STATUS_OK
        or read_i64(cursor, &kept_until_ms) != STATUS_OK or read_le32(cursor, &stamp) != STATUS_OK
        or read_short_text(cursor, &id) != STATUS_OK or read_le32(cursor, &size) != STATUS_OK
        or take(cursor, size, &cells) != STATUS_OK
        or not measure_cells(machine, cells, size, slot_of, slots, &rooms)
    ):
        return STATUS_TRUNCATED
    user = new_record(&machine.arena, id.data, <uint16_t>id.size, rooms.own)
    if user == NULL:
        return STATUS_TRUNCATED
    if rooms.annex:
        user.annex = new_record(&machine.arena, NULL, 0, rooms.annex)
        if user.annex == NULL:
            free_record(&machine.arena, user)
            return STATUS_TRUNCATED
    user.user_key = user_key
    user.latest_ms = latest_ms
    user.kept_until_ms = kept_until_ms
    user.stamp = stamp
    if rooms.in_order:
        copy_all(user, cells, rooms.own)
        if rooms.annex:
            copy_all(user.annex, cells + rooms.own, rooms.annex)
    else:
        copy_cells(machine, user, cells, size, slot_of)
    if add_user(&machine.tables, group, user) == NULL:
        free_record(&machine.arena, user)
        return STATUS_TRUNCATED
    machine.users += 1
    # looked at once time passes: its deadlines are found anew
    arm(&machine.tables, group, user, NO_TIME_MS + 1)
    return STATUS_OK


# Check the cells, and add up the room of those whose slots the plan still has.  False: they are no
# cells.
cdef bint measure_cells(
    Machine* machine, const uint8_t* cells, uint32_t size, const uint16_t* slot_of,
    uint32_t slots, Rooms* rooms
) noexcept nogil:
    cdef uint32_t at = 0
    cdef Cell cell
    rooms.own = rooms.annex = 0
    rooms.in_order = True
    while at < size:
        if size - at < sizeof(Cell):
            return False
        memcpy(&cell, cells + at, sizeof(Cell))
        if cell.size < sizeof(Cell) or cell.size % 8 or cell.size > size - at or cell.slot >= slots:
            return False
        if cell.group_bytes and cell.size < sizeof(Cell) + 8 + cell.group_bytes:
            return False
        if slot_of[cell.slot] != cell.slot:
            rooms.in_order = False
        if slot_of[cell.slot] != DROPPED:
            if machine.slots[slot_of[cell.slot]].kind == SLOT_KIND_PARTIALS:
                rooms.annex += cell.size
            else:
                rooms.own += cell.size
                if rooms.annex:
                    rooms.in_order = False
        at += cell.size
    return True


cdef inline void copy_all(User* record, const uint8_t* cells, uint32_t size) noexcept nogil:
    memcpy(<uint8_t*>record + record.size, cells, size)
    record.size += size


# Copy the cells that were measured, partials to the annex.
cdef void copy_cells(
    Machine* machine, User* user, const uint8_t* cells, uint32_t size, const uint16_t* slot_of
) noexcept nogil:
    cdef uint32_t at = 0
    cdef Cell cell
    cdef User* record
    while at < size:
        memcpy(&cell, cells + at, sizeof(Cell))
        if slot_of[cell.slot] != DROPPED:
            record = user
            if machine.slots[slot_of[cell.slot]].kind == SLOT_KIND_PARTIALS:
                record = user.annex
            memcpy(<uint8_t*>record + record.size, cells + at, cell.size)
            cell_at(record, record.size).slot = slot_of[cell.slot]
            record.size += cell.size
        at += cell.size


# What a snapshot holds beside its clock.  Rooms are made for no more users than the bytes can hold.
cdef Status read_users(
    Machine* machine, KeyGroup* group, Cursor* cursor, const uint16_t* slot_of, uint32_t slots
) noexcept nogil:
    cdef uint32_t users, _index
    if (
        read_group(machine, group, cursor) != STATUS_OK or read_le32(cursor, &users) != STATUS_OK
        or users > left(cursor) // USER_BYTES
        or not reserve(&machine.tables, group, users)
    ):
        return STATUS_TRUNCATED
    for _index in range(users):
        if read_user(machine, group, cursor, slot_of, slots) != STATUS_OK:
            return STATUS_TRUNCATED
    return STATUS_OK


cdef uint32_t read_snapshot(
    Program program, Machine* machine, const SlotRule* slots, bytes data
) except? 0xFFFFFFFF:
    cdef Cursor cursor
    cdef uint16_t key_group
    cdef int64_t clock_ms
    cdef uint32_t known
    cdef const uint16_t* slot_of
    cdef KeyGroup* group
    cdef Status status
    cdef bytes mapped
    cdef const uint8_t* magic
    cdef uint32_t crc, wanted
    if len(data) < HEAD_BYTES or data[:7] != MAGIC:
        raise ValueError("these bytes are no snapshot of a key group")
    if data[7:8] != FORMAT and data[7:8] != FORMAT_BEFORE:
        raise ValueError(
            f"snapshot format {data[7:8]!r}: this build reads {FORMAT_BEFORE!r} and {FORMAT!r}"
        )
    cursor = cursor_over(<const uint8_t*>PyBytes_AS_STRING(data), len(data))
    if take(&cursor, 8, &magic) != STATUS_OK or read_le32(&cursor, &wanted) != STATUS_OK:
        raise ValueError("the snapshot is cut short")
    if data[7:8] == FORMAT:
        crc = crc32c_of(0, cursor.at, left(&cursor))
    else:
        crc = crc32(memoryview(data)[HEAD_BYTES:])
    if crc != wanted:
        raise ValueError("the snapshot is damaged: its checksum is wrong")
    if read_le16(&cursor, &key_group) != STATUS_OK or read_i64(&cursor, &clock_ms) != STATUS_OK:
        raise ValueError("the snapshot is cut short")
    if key_group >= KEY_GROUPS:
        raise ValueError(f"key group {key_group}: there are {KEY_GROUPS}")
    found = read_slots(program, slots, &cursor)
    mapped = b"".join(int(slot).to_bytes(2, "little") for slot in found) + b"\0\0"
    slot_of = <const uint16_t*>PyBytes_AS_STRING(mapped)
    known = <uint32_t>len(found)
    group = &machine.groups[key_group]
    free_group(machine, group)
    group.clock_ms = clock_ms
    with nogil:
        status = read_users(machine, group, &cursor, slot_of, known)
    if status != STATUS_OK or left(&cursor):
        free_group(machine, group)
        raise ValueError("the snapshot is cut short or holds what is no state")
    return key_group
