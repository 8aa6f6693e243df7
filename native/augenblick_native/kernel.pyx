# cython: language_level=3
"""The kernel: batches of events and their marks in, blocks of results out.

It reads no clock: each call carries the stream (events with their marks), a bound on the watermark
and `now`.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memset

from augenblick_native.arena cimport arena_free, arena_give
from augenblick_native.buffer cimport (
    buffer_free, buffer_room, pack_array, pack_bin, pack_str, put_bytes,
)
from augenblick_native.cursor cimport (
    Cursor, cursor_over, left, prefetch, read_i64, read_le32, read_le64, take,
)
from augenblick_native.decode cimport read_event
from augenblick_native.due cimport run_due
from augenblick_native.groups cimport free_group
from augenblick_native.machine cimport (
    COUNT_DEPTH_EXCEEDED, COUNT_DUPLICATES, COUNT_LATE_DROPPED, COUNT_PRINTS_DROPPED, COUNT_REFUSED,
    COUNT_RESENT,
    COUNTERS, EVENT_DEPTH_MAX, ROW_REFUSED, SLOT_KIND_ABSENCES, SLOT_KIND_FEATURE, SLOT_KIND_FIRED,
    SLOT_KIND_PARTIALS, SLOT_KIND_SEGMENT, SLOT_KIND_SESSIONS, SLOT_KIND_WAITING, Caused, Event,
    FieldGroup, Rise, Row,
)
from augenblick_native.msgpack cimport Value
from augenblick_native.panes cimport take_closed_panes
from augenblick_native.prints cimport is_duplicate, note_print
from augenblick_native.program cimport WINDOW_HOPPING, WINDOW_TUMBLING
from augenblick_native.record cimport new_record
from augenblick_native.snapshot cimport read_snapshot, write_snapshot
from augenblick_native.state cimport (
    GATEWAYS_MAX, NEVER_MS, NO_TIME_MS, Entry, GatewayMark, HeapItem, User,
)
from augenblick_native.status cimport (
    STATUS_GAP, STATUS_LATE, STATUS_NO_MEMORY, STATUS_OK, STATUS_OLD_INCARNATION, STATUS_USERS_FULL,
    Status,
)
from augenblick_native.table cimport add_user, find_user, first_place, remove_user
from augenblick_native.timer cimport arm, disarm
from augenblick_native.user cimport late_fits, run_event

cdef enum:
    MARK = 0xFFFFFFFF               # in place of an event's size: a mark
    FLAG_WARM = 1
    EVENT_HEAD_BYTES = 40
    # events whose memory is fetched before the first of them is applied
    LOOKAHEAD = 24
    SCRATCH_BYTES = 4 << 20

COUNTER_NAMES = (
    "events", "duplicates", "resent", "refused", "late", "late_dropped", "late_partly",
    "sessions_started",
    "sessions_closed", "firings", "firings_cooldown", "firings_warm", "groups_evicted",
    "sliding_folded",
    "since_ignored", "partials_dropped", "waiting_forced", "values_too_long", "users_expired",
    "prints_dropped",
    "metric_groups_other", "state_full", "depth_exceeded",
)
assert len(COUNTER_NAMES) == COUNTERS
NO_WATERMARK_MS = NO_TIME_MS
NEVER = NEVER_MS

# One event of the stream whose memory is being fetched.
cdef struct Ahead:
    uint32_t flags
    uint32_t size
    int64_t event_ms
    int64_t watermark_ms
    int64_t ingest_ms
    uint64_t user_key
    uint64_t number
    uint64_t fingerprint
    const uint8_t* body


cdef class Slab:
    """Bytes of a block, handed over by the kernel: it owns them and frees them when nobody views
    them any more."""

    def __dealloc__(self):
        buffer_free(&self.buffer)

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.buffer.data, self.buffer.size, 1, flags)

    def __len__(self):
        return self.buffer.size


cdef class Block:
    """Results of one call: arrays of machine.Row, PaneRow and Rise, and `bodies`, what rows and
    panes point into.

    `events`: how many events the stream held.  Immutable, valid as long as it is referenced.
    """


cdef Slab slab_of(Buffer* buffer):
    cdef Slab slab = Slab.__new__(Slab)
    slab.buffer = buffer[0]
    memset(buffer, 0, sizeof(Buffer))
    return slab


cdef class Kernel:
    """State of the key groups of one shard, and the rules that run over it.

    Created by binding.engine and the shard.  Owns all of its memory and frees it when it is
    collected.  One thread at
    a time; the GIL is released for the whole of a call.
    """

    def __cinit__(
        self, program, *, int64_t memory_bytes_max=0, bint emit_sessions=False,
        bint emit_windows=False,
        bint stamp_ingest=False,
    ):
        cdef size_t depth, per_depth
        cdef Event* event
        self.program = Program(program)
        self.shard_clock_ms = NO_TIME_MS
        self.groups = <KeyGroup*>calloc(KEY_GROUPS, sizeof(KeyGroup))
        self.earliest = <int64_t*>malloc(KEY_GROUPS * sizeof(int64_t))
        self.machine.scratch.data = <uint8_t*>malloc(SCRATCH_BYTES)
        self.machine.scratch.capacity = SCRATCH_BYTES
        self.machine.scratch.fixed = True
        self.machine.plan = &self.program.plan
        self.machine.groups = self.groups
        self.machine.memory_bytes_max = memory_bytes_max
        self.machine.emits_sessions = emit_sessions or self.program.plan.emits_sessions
        self.machine.ingest_is_now = stamp_ingest
        self.machine.depth = -1
        self.machine.when_before = <uint8_t*>calloc(
            EVENT_DEPTH_MAX, self.program.plan.trigger_count + 1
        )
        self.machine.caused = <Caused*>calloc(
            EVENT_DEPTH_MAX * (self.program.plan.segment_count + 1), sizeof(Caused)
        )
        per_depth = (self.program.plan.field_count + 1) * (sizeof(Value) + sizeof(FieldGroup))
        per_depth += ((self.program.plan.selector_count + 2) * sizeof(uint32_t) + 7) & ~<size_t>7
        self.fields = <uint8_t*>calloc(EVENT_DEPTH_MAX, per_depth)
        if (
            self.groups == NULL or self.earliest == NULL or self.machine.scratch.data == NULL
            or self.machine.when_before == NULL or self.machine.caused == NULL
            or self.fields == NULL
        ):
            raise MemoryError
        for depth in range(KEY_GROUPS):
            self.groups[depth].clock_ms = NO_TIME_MS
            self.groups[depth].panes.earliest_end_ms = NEVER_MS
            self.earliest[depth] = NEVER_MS
        for depth in range(EVENT_DEPTH_MAX):
            event = &self.machine.events[depth]
            event.fields = <Value*>(self.fields + depth * per_depth)
            event.groups = <FieldGroup*>(event.fields + self.program.plan.field_count + 1)
            event.selected = <uint32_t*>(event.groups + self.program.plan.field_count + 1)
        if emit_windows:
            for depth in range(self.program.plan.feature_count):
                if self.program.plan.features[depth].window in (WINDOW_TUMBLING, WINDOW_HOPPING):
                    self.program.plan.features[depth].emitted = True
        self._make_slots()

    def __dealloc__(self):
        cdef uint32_t key_group
        if self.groups != NULL:
            for key_group in range(KEY_GROUPS):
                free_group(&self.machine, &self.groups[key_group])
        free(self.groups)
        free(self.earliest)
        free(self.slots)
        free(self.fields)
        free(self.machine.when_before)
        free(self.machine.caused)
        arena_free(&self.machine.arena)
        buffer_free(&self.machine.rows)
        buffer_free(&self.machine.bodies)
        buffer_free(&self.machine.panes)
        buffer_free(&self.machine.scratch)
        buffer_free(&self.rises)

    cdef int _make_slots(self) except -1:
        cdef uint32_t index
        self.slots = <SlotRule*>calloc(self.program.plan.slot_count, sizeof(SlotRule))
        if self.slots == NULL:
            raise MemoryError
        self.machine.slots = self.slots
        self.slots[0].kind = SLOT_KIND_SESSIONS
        for index in range(self.program.plan.feature_count):
            self.slots[self.program.plan.features[index].slot] = SlotRule(SLOT_KIND_FEATURE, index)
        for index in range(self.program.plan.segment_count):
            self.slots[self.program.plan.segments[index].slot] = SlotRule(SLOT_KIND_SEGMENT, index)
        for index in range(self.program.plan.trigger_count):
            self.slots[self.program.plan.triggers[index].slot] = SlotRule(SLOT_KIND_FIRED, index)
            self.slots[self.program.plan.triggers[index].partial_slot] = SlotRule(
                SLOT_KIND_PARTIALS, index
            )
            self.slots[self.program.plan.triggers[index].absence_slot] = SlotRule(
                SLOT_KIND_ABSENCES, index
            )
            self.slots[self.program.plan.triggers[index].waiting_slot] = SlotRule(
                SLOT_KIND_WAITING, index
            )
        return 0

    # Calls

    def apply(
        self, stream, uint32_t gateway, uint64_t incarnation, int64_t cap_watermark_ms,
        int64_t now_ms
    ):
        """Apply a stream of one gateway's events and marks (bytes-like), then let time pass up to
        its last mark.

        `cap_watermark_ms`: the smallest watermark of the other gateways (2**63 - 1: none); the
        clock goes no further.
        `now_ms`: the engine's clock, the `fired_at` of what comes of it.  Returns a Block.  Refused
        events are rows of
        it and never abort the rest.  Raises ValueError for a stream that is not one: that is a bug
        of the sender.
        """
        cdef Py_buffer view
        cdef uint32_t events
        PyObject_GetBuffer(stream, &view, PyBUF_SIMPLE)
        try:
            with nogil:
                self._begin(now_ms)
                events = self._apply(
                    <const uint8_t*>view.buf, view.len, gateway, incarnation, cap_watermark_ms
                )
        finally:
            PyBuffer_Release(&view)
        if events == 0xFFFFFFFF:
            raise ValueError("the stream is cut short or does not begin with a mark")
        return self._end(events)

    def advance(self, int64_t watermark_ms, int64_t now_ms):
        """Let time pass: everything whose instant the watermark is strictly past happens.  Returns
        a Block."""
        with nogil:
            self._begin(now_ms)
            self._advance(watermark_ms)
        return self._end(0)

    def snapshot(self, uint32_t key_group):
        """The key group's state as versioned, checksummed bytes that name features and triggers,
        never their index."""
        if key_group >= KEY_GROUPS:
            raise ValueError(f"key group {key_group}: there are {KEY_GROUPS}")
        return write_snapshot(
            self.program, &self.machine, self.slots, key_group, self.shard_clock_ms
        )

    def restore(self, data):
        """Take a key group from a snapshot, replacing what is there.  Returns its number.

        State of features and triggers that the plan no longer has, or that mean something else now,
        is left out.
        Raises ValueError for bytes that are damaged, cut short or of a format version this build
        does not read.
        """
        cdef bytes copied = bytes(data)
        cdef uint32_t key_group = read_snapshot(self.program, &self.machine, self.slots, copied)
        self._note_earliest(key_group)
        return key_group

    def drop(self, uint32_t key_group):
        """Forget a key group."""
        if key_group >= KEY_GROUPS:
            raise ValueError(f"key group {key_group}: there are {KEY_GROUPS}")
        free_group(&self.machine, &self.groups[key_group])
        self.earliest[key_group] = NEVER_MS

    def counters(self):
        """What was counted since the kernel was made, by name."""
        return {name: self.machine.counters[index] for index, name in enumerate(COUNTER_NAMES)}

    @property
    def users(self):
        return self.machine.users

    @property
    def memory_bytes(self):
        """Bytes in use by user records."""
        return self.machine.arena.used_bytes

    @property
    def clock_ms(self):
        """The shard's clock, or None before the first mark."""
        return None if self.shard_clock_ms == NO_TIME_MS else self.shard_clock_ms

    @property
    def next_deadline_ms(self):
        """The next instant at which time alone makes something happen, or None."""
        cdef int64_t next_ms = NEVER_MS
        cdef uint32_t key_group
        for key_group in range(KEY_GROUPS):
            next_ms = min(next_ms, self.earliest[key_group])
        return None if next_ms == NEVER_MS else next_ms

    cdef void _begin(self, int64_t now_ms) noexcept nogil:
        self.machine.now_ms = now_ms
        self.machine.fired_ms = now_ms
        self.machine.record = -1
        self.machine.due_ms = NO_TIME_MS
        self.machine.depth = -1
        self.machine.scratch.size = 0
        self.rises.size = 0
        self.machine.rise_count = 0

    cdef Block _end(self, uint32_t events):
        cdef Block block = Block.__new__(Block)
        if (
            self.machine.rows.failed
            or self.machine.bodies.failed
            or self.machine.panes.failed
            or self.rises.failed
        ):
            raise MemoryError("no memory for the results of a batch")
        block.rows = slab_of(&self.machine.rows)
        block.bodies = slab_of(&self.machine.bodies)
        block.panes = slab_of(&self.machine.panes)
        block.rises = slab_of(&self.rises)
        block.events = events
        return block

    # The batch

    cdef inline void _note_earliest(self, uint32_t key_group) noexcept nogil:
        cdef KeyGroup* group = &self.groups[key_group]
        cdef int64_t next_ms = group.panes.earliest_end_ms
        if group.heap_count:
            next_ms = min(next_ms, group.heap[0].deadline_ms)
        self.earliest[key_group] = next_ms

    cdef inline void _refuse(
        self, int status, const uint8_t* body, uint32_t size, int64_t event_ms
    ) noexcept nogil:
        cdef Row row
        self.machine.counters[COUNT_REFUSED] += 1
        memset(&row, 0, sizeof(Row))
        row.kind = ROW_REFUSED
        row.rule = <uint32_t>status
        row.record = self.machine.record
        row.fired_ms = self.machine.fired_ms
        row.time_ms = event_ms
        row.start_ms = NO_TIME_MS
        row.end_ms = NO_TIME_MS
        row.body_at = self.machine.bodies.size
        put_bytes(&self.machine.bodies, body, size)
        row.body_bytes = size
        put_bytes(&self.machine.rows, &row, sizeof(Row))

    cdef inline bint _is_next(
        self, KeyGroup* group, uint32_t gateway, uint64_t incarnation, uint64_t number, int* status
    ) noexcept nogil:
        """Applied once: the next number of the gateway's newest incarnation is applied, an older
        one was."""
        cdef uint32_t index
        cdef GatewayMark* mark
        cdef void* grown
        status[0] = STATUS_OK
        for index in range(group.gateway_count):
            mark = &group.gateways[index]
            if mark.gateway != gateway:
                continue
            if incarnation < mark.incarnation:
                status[0] = STATUS_OLD_INCARNATION
                return False
            if incarnation > mark.incarnation:
                mark.incarnation = incarnation
                mark.number = number
                return True
            if number <= mark.number:
                self.machine.counters[COUNT_RESENT] += 1
                return False
            if number != mark.number + 1:
                status[0] = STATUS_GAP
                return False
            mark.number = number
            return True
        if group.gateway_count == GATEWAYS_MAX:
            status[0] = STATUS_NO_MEMORY
            return False
        grown = realloc(group.gateways, (group.gateway_count + 1) * sizeof(GatewayMark))
        if grown == NULL:
            status[0] = STATUS_NO_MEMORY
            return False
        group.gateways = <GatewayMark*>grown
        mark = &group.gateways[group.gateway_count]
        mark.gateway = gateway
        mark.unused = 0
        mark.incarnation = incarnation
        mark.number = number
        group.gateway_count += 1
        return True

    cdef uint32_t _apply(
        self, const uint8_t* data, size_t size, uint32_t gateway, uint64_t incarnation,
        int64_t cap_ms
    ) noexcept nogil:
        """Events applied or refused, 0xFFFFFFFF for a broken stream (nothing of the rest is
        applied)."""
        cdef Cursor cursor = cursor_over(data, size)
        cdef Ahead[LOOKAHEAD] ahead
        cdef Ahead* item
        cdef KeyGroup* group
        cdef User* user
        cdef Rise rise
        cdef uint32_t count, index, head, key_group
        cdef uint32_t events = 0
        cdef int64_t watermark_ms = NO_TIME_MS
        cdef int64_t ingest_ms = NO_TIME_MS
        cdef int64_t clock_ms = NO_TIME_MS
        cdef int64_t mark_ms
        cdef int status
        cdef bint marked = False
        while left(&cursor):
            count = 0
            while count < LOOKAHEAD and left(&cursor):
                if read_le32(&cursor, &head) != STATUS_OK:
                    return 0xFFFFFFFF
                item = &ahead[count]
                if (
                    read_le32(&cursor, &item.flags) != STATUS_OK
                    or read_i64(&cursor, &item.event_ms) != STATUS_OK
                ):
                    return 0xFFFFFFFF
                if head == MARK:
                    watermark_ms = item.event_ms
                    marked = True
                    if read_i64(&cursor, &ingest_ms) != STATUS_OK:
                        return 0xFFFFFFFF
                    continue
                if (
                    not marked or read_le64(&cursor, &item.user_key) != STATUS_OK
                    or read_le64(&cursor, &item.number) != STATUS_OK
                    or read_le64(&cursor, &item.fingerprint) != STATUS_OK
                    or take(&cursor, head, &item.body) != STATUS_OK
                ):
                    return 0xFFFFFFFF
                item.size = head
                item.watermark_ms = watermark_ms
                item.ingest_ms = ingest_ms
                prefetch(&self.groups[item.user_key >> 52])
                count += 1
            for index in range(count):
                group = &self.groups[ahead[index].user_key >> 52]
                if group.entries != NULL:
                    prefetch(&group.entries[first_place(group, ahead[index].user_key)])
            for index in range(count):
                group = &self.groups[ahead[index].user_key >> 52]
                if group.entries != NULL:
                    user = group.entries[first_place(group, ahead[index].user_key)].user
                    if user != NULL:
                        prefetch(user)
                        prefetch(<const uint8_t*>user + 64)
                        prefetch(<const uint8_t*>user + 128)
            for index in range(count):
                item = &ahead[index]
                key_group = <uint32_t>(item.user_key >> 52)
                group = &self.groups[key_group]
                self.machine.record = <int32_t>events
                self.machine.fired_ms = self.machine.now_ms
                if self.machine.ingest_is_now:
                    self.machine.fired_ms = item.ingest_ms
                mark_ms = min(item.watermark_ms, cap_ms)
                if mark_ms > clock_ms:
                    clock_ms = mark_ms
                    if clock_ms > self.shard_clock_ms:
                        rise.watermark_ms = clock_ms
                        rise.ingest_ms = item.ingest_ms
                        rise.record = self.machine.record
                        put_bytes(&self.rises, &rise, sizeof(Rise))
                        self.machine.rises = <const Rise*>self.rises.data
                        self.machine.rise_count = <uint32_t>(self.rises.size // sizeof(Rise))
                group.clock_ms = max(group.clock_ms, max(clock_ms, self.shard_clock_ms))
                events += 1
                if (
                    item.number
                    and not self._is_next(group, gateway, incarnation, item.number, &status)
                ):
                    if status != STATUS_OK:
                        self._refuse(status, item.body, item.size, item.event_ms)
                    continue
                self._apply_event(
                    key_group, item.flags, item.event_ms, item.ingest_ms, item.user_key,
                    item.fingerprint, item.body,
                    item.size,
                )
                self._note_earliest(key_group)
        self.machine.record = -1
        if marked:
            if (
                min(watermark_ms, cap_ms) > clock_ms
                and min(watermark_ms, cap_ms) > self.shard_clock_ms
            ):
                rise.watermark_ms = min(watermark_ms, cap_ms)
                rise.ingest_ms = ingest_ms
                rise.record = -1
                put_bytes(&self.rises, &rise, sizeof(Rise))
                self.machine.rises = <const Rise*>self.rises.data
                self.machine.rise_count = <uint32_t>(self.rises.size // sizeof(Rise))
            self._advance(min(watermark_ms, cap_ms))
        return events

    cdef void _apply_event(
        self, uint32_t key_group, uint32_t flags, int64_t event_ms, int64_t ingest_ms,
        uint64_t user_key,
        uint64_t fingerprint, const uint8_t* body, uint32_t size
    ) noexcept nogil:
        cdef Machine* machine = &self.machine
        cdef KeyGroup* group = &self.groups[key_group]
        cdef Event* event = &machine.events[0]
        cdef Entry* entry
        cdef Status status
        cdef bint is_new = False
        if fingerprint and is_duplicate(group, fingerprint, ingest_ms, machine.plan.dedup_ms):
            machine.counters[COUNT_DUPLICATES] += 1
            return
        status = read_event(machine.plan, event, body, size)
        if status != STATUS_OK:
            self._refuse(status, body, size, event_ms)
            return
        self._name_user(event)
        machine.group = group
        machine.key_group = <uint16_t>key_group
        machine.scratch.size = 0
        # the event's place is taken: timers stand above it
        machine.depth = 0
        machine.after_event = False
        machine.is_warm = False
        machine.keeper.arena = &machine.arena
        machine.keeper.group = group
        entry = find_user(group, user_key, event.user.data, <uint16_t>event.user.size)
        if entry != NULL:
            machine.keeper.user = entry.user
            if entry.user.armed_ms < group.clock_ms:
                # from instant to instant, up to the group's clock
                machine.clock_ms = NO_TIME_MS
                run_due(machine, group.clock_ms)
                machine.scratch.size = 0
            if machine.keeper.user == NULL:
                entry = NULL
        if entry == NULL:
            is_new = True
            if (
                machine.memory_bytes_max
                and <int64_t>machine.arena.used_bytes >= machine.memory_bytes_max
            ):
                self._refuse(STATUS_USERS_FULL, body, size, event_ms)
                return
            machine.keeper.user = new_record(
                &machine.arena, event.user.data, <uint16_t>event.user.size, 0
            )
            if machine.keeper.user == NULL:
                self._refuse(STATUS_NO_MEMORY, body, size, event_ms)
                return
            machine.keeper.user.user_key = user_key
            entry = add_user(group, machine.keeper.user)
            if entry == NULL:
                arena_give(&machine.arena, machine.keeper.user, machine.keeper.user.capacity)
                self._refuse(STATUS_NO_MEMORY, body, size, event_ms)
                return
            machine.users += 1
        machine.clock_ms = group.clock_ms
        event.time_ms = event_ms
        event.ingest_ms = ingest_ms
        event.warm = flags & FLAG_WARM
        event.late = event_ms < group.clock_ms
        event.generation += 1
        machine.is_warm = event.warm
        if event.late and not late_fits(machine, event):
            machine.counters[COUNT_LATE_DROPPED] += 1
            self._refuse(STATUS_LATE, body, size, event_ms)
            if is_new:
                entry = find_user(group, user_key, event.user.data, <uint16_t>event.user.size)
                arena_give(&machine.arena, machine.keeper.user, machine.keeper.user.capacity)
                remove_user(group, entry)
                machine.users -= 1
            return
        if fingerprint:
            note_print(group, fingerprint, ingest_ms, &machine.counters[COUNT_PRINTS_DROPPED])
        run_event(machine, event)
        if is_new and machine.keeper.user.armed_ms == NEVER_MS:
            # a user without a session: settle its time to live
            arm(group, machine.keeper.user, group.clock_ms)
        if machine.keeper.user.armed_ms < group.clock_ms:
            machine.after_event = True
            run_due(machine, group.clock_ms)

    cdef inline void _name_user(self, Event* event) noexcept nogil:
        """The id of an integer user is its decimal text."""
        cdef int length
        if event.user.data != NULL:
            return
        length = snprintf(<char*>self.id_text, ID_TEXT_BYTES, "%lld", <long long>event.user_number)
        event.user.data = self.id_text
        event.user.size = <uint32_t>length

    cdef void _advance(self, int64_t watermark_ms) noexcept nogil:
        cdef uint32_t key_group
        cdef KeyGroup* group
        cdef Machine* machine = &self.machine
        if watermark_ms <= self.shard_clock_ms:
            return
        self.shard_clock_ms = watermark_ms
        for key_group in range(KEY_GROUPS):
            if self.earliest[key_group] >= watermark_ms:
                continue
            group = &self.groups[key_group]
            group.clock_ms = max(group.clock_ms, watermark_ms)
            machine.group = group
            machine.key_group = <uint16_t>key_group
            machine.keeper.arena = &machine.arena
            machine.keeper.group = group
            while group.heap_count and group.heap[0].deadline_ms < group.clock_ms:
                machine.keeper.user = group.heap[0].user
                machine.clock_ms = NO_TIME_MS
                machine.depth = -1
                machine.after_event = False
                machine.is_warm = False
                run_due(machine, group.clock_ms)
            take_closed_panes(machine, group, <uint16_t>key_group)
            self._note_earliest(key_group)
