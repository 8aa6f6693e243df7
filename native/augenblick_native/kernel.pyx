# cython: language_level=3
"""The kernel: batches of events and their marks in, blocks of results out.

It reads no clock: each call carries the stream (events with their marks), a bound on the watermark
and `now`.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint16_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from augenblick_native.arena cimport arena_free, arena_is_low, arena_prepare
from augenblick_native.batch cimport (
    BROKEN_STREAM, advance_clock, apply_stream, begin_call, note_earliest,
)
from augenblick_native.buffer cimport buffer_free
from augenblick_native.due cimport forget_user
from augenblick_native.groups cimport free_group
from augenblick_native.layout cimport is_windowed
from augenblick_native.machine cimport (
    COUNTERS, EVENTS_AHEAD, EVENT_DEPTH_MAX, GROUP_BYTES_MAX, VALUE_BYTES_MAX, SLOT_KIND_ABSENCES,
    SCHEDULE_SPREAD_MS, SLOT_KIND_ALARMS, SLOT_KIND_CAP, SLOT_KIND_CONTACTS, SLOT_KIND_FEATURE,
    SLOT_KIND_FIRED, SLOT_KIND_PARTIALS, SLOT_KIND_SCHEDULES, SLOT_KIND_SEGMENT,
    SLOT_KIND_SESSIONS, SLOT_KIND_WAITING, SUPPRESSIONS, Caused, Event, FieldGroup,
)
from augenblick_native.partials cimport TRIGGER_PARTIALS_MAX
from augenblick_native.msgpack cimport Value
from augenblick_native.panes cimport METRIC_GROUPS_MAX
from augenblick_native.pattern cimport ABSENCE_VALUES_MAX, WAITING_MAX
from augenblick_native.portrait cimport portray
from augenblick_native.prints cimport PRINTS_MAX
from augenblick_native.program cimport TRIGGER_AT
from augenblick_native.record cimport RECORD_BYTES_MAX
from augenblick_native.snapshot cimport read_snapshot, write_snapshot
from augenblick_native.state cimport (
    KEY_GROUP_BYTES, KEY_GROUPS, NEVER_MS, NO_TIME_MS, Entry, KeyGroup, User,
)
from augenblick_native.table cimport find_user, user_id

cdef extern from "stdlib.h" nogil:
    void* aligned_alloc(size_t, size_t)

cdef enum:
    SCRATCH_BYTES = 4 << 20

COUNTER_NAMES = (
    "events", "duplicates", "resent", "refused", "late", "late_dropped", "late_partly",
    "sessions_started", "sessions_closed", "firings", "firings_cooldown", "firings_warm",
    "groups_evicted", "sliding_folded", "since_ignored", "partials_dropped", "waiting_forced",
    "values_too_long", "users_expired", "prints_dropped", "metric_groups_other", "state_full",
    "depth_exceeded",
)
assert len(COUNTER_NAMES) == COUNTERS
SUPPRESSION_NAMES = ("cooldown", "cap", "slot", "contact_cap")
assert len(SUPPRESSION_NAMES) == SUPPRESSIONS
assert sizeof(KeyGroup) == KEY_GROUP_BYTES
LIMITS = {
    "absence_values_max": ABSENCE_VALUES_MAX, "dedup_max": PRINTS_MAX,
    "group_bytes_max": GROUP_BYTES_MAX, "metric_groups_max": METRIC_GROUPS_MAX,
    "schedule_spread_ms": SCHEDULE_SPREAD_MS,
    "trigger_partials_max": TRIGGER_PARTIALS_MAX, "user_state_bytes_max": RECORD_BYTES_MAX,
    "value_bytes_max": VALUE_BYTES_MAX, "waiting_max": WAITING_MAX,
}
NO_WATERMARK_MS = NO_TIME_MS
NEVER = NEVER_MS


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
        self.machine.shard_clock_ms = NO_TIME_MS
        self.machine.groups = <KeyGroup*>aligned_alloc(
            KEY_GROUP_BYTES, KEY_GROUPS * sizeof(KeyGroup)
        )
        if self.machine.groups == NULL:
            raise MemoryError
        memset(self.machine.groups, 0, KEY_GROUPS * sizeof(KeyGroup))
        self.machine.earliest = <int64_t*>malloc(KEY_GROUPS * sizeof(int64_t))
        self.machine.scratch.data = <uint8_t*>malloc(SCRATCH_BYTES)
        self.machine.scratch.capacity = SCRATCH_BYTES
        self.machine.scratch.fixed = True
        self.machine.plan = &self.program.plan
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
        self.machine.suppressed = <uint64_t*>calloc(
            self.program.plan.trigger_count + 1, SUPPRESSIONS * sizeof(uint64_t)
        )
        per_depth = (self.program.plan.field_count + 1) * (sizeof(Value) + sizeof(FieldGroup))
        per_depth += ((self.program.plan.selector_count + 2) * sizeof(uint32_t) + 7) & ~<size_t>7
        self.fields = <uint8_t*>calloc(EVENT_DEPTH_MAX + EVENTS_AHEAD, per_depth)
        if (
            self.machine.earliest == NULL or self.machine.scratch.data == NULL
            or self.machine.when_before == NULL or self.machine.caused == NULL
            or self.fields == NULL or self.machine.suppressed == NULL
        ):
            raise MemoryError
        for depth in range(KEY_GROUPS):
            self.machine.groups[depth].clock_ms = NO_TIME_MS
            self.machine.groups[depth].panes.earliest_end_ms = NEVER_MS
            self.machine.earliest[depth] = NEVER_MS
        for depth in range(EVENT_DEPTH_MAX + EVENTS_AHEAD):
            if depth < EVENT_DEPTH_MAX:
                event = &self.machine.events[depth]
            else:
                event = &self.machine.ahead[depth - EVENT_DEPTH_MAX]
            event.fields = <Value*>(self.fields + depth * per_depth)
            event.groups = <FieldGroup*>(event.fields + self.program.plan.field_count + 1)
            event.selected = <uint32_t*>(event.groups + self.program.plan.field_count + 1)
        if emit_windows:
            for depth in range(self.program.plan.feature_count):
                if is_windowed(&self.program.plan.features[depth]):
                    self.program.plan.features[depth].emitted = True
        self._make_slots()

    def __dealloc__(self):
        cdef uint32_t key_group
        if self.machine.groups != NULL:
            for key_group in range(KEY_GROUPS):
                free_group(&self.machine, &self.machine.groups[key_group])
        free(self.machine.groups)
        free(self.machine.earliest)
        free(self.slots)
        free(self.fields)
        free(self.machine.when_before)
        free(self.machine.caused)
        free(self.machine.suppressed)
        arena_free(&self.machine.arena)
        arena_free(&self.machine.tables)
        buffer_free(&self.machine.rows)
        buffer_free(&self.machine.bodies)
        buffer_free(&self.machine.panes)
        buffer_free(&self.machine.scratch)
        buffer_free(&self.machine.rises)
        buffer_free(&self.machine.sketch)
        buffer_free(&self.machine.rivals)

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
                SLOT_KIND_ALARMS if self.program.plan.triggers[index].kind == TRIGGER_AT
                else SLOT_KIND_ABSENCES, index
            )
            self.slots[self.program.plan.triggers[index].waiting_slot] = SlotRule(
                SLOT_KIND_WAITING, index
            )
            if self.program.plan.triggers[index].policies.cap_firings:
                self.slots[self.program.plan.triggers[index].policies.cap_slot] = SlotRule(
                    SLOT_KIND_CAP, index
                )
        if self.program.plan.contact_firings:
            self.slots[self.program.plan.contact_slot].kind = SLOT_KIND_CONTACTS
        if self.program.plan.schedule_slot:
            self.slots[self.program.plan.schedule_slot].kind = SLOT_KIND_SCHEDULES
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
                begin_call(&self.machine, now_ms)
                events = apply_stream(
                    &self.machine, <const uint8_t*>view.buf, view.len, gateway, incarnation,
                    cap_watermark_ms
                )
        finally:
            PyBuffer_Release(&view)
        if events == BROKEN_STREAM:
            raise ValueError("the stream is cut short or does not begin with a mark")
        return self._end(events)

    def advance(self, int64_t watermark_ms, int64_t now_ms):
        """Let time pass: everything whose instant the watermark is strictly past happens.  Returns
        a Block."""
        with nogil:
            begin_call(&self.machine, now_ms)
            advance_clock(&self.machine, watermark_ms)
        return self._end(0)

    def snapshot(self, uint32_t key_group):
        """The key group's state as versioned, checksummed bytes that name features and triggers,
        never their index."""
        if key_group >= KEY_GROUPS:
            raise ValueError(f"key group {key_group}: there are {KEY_GROUPS}")
        snapshot = write_snapshot(
            self.program, &self.machine, self.slots, key_group, self.machine.shard_clock_ms
        )
        self.machine.groups[key_group].changed = False
        return snapshot

    def changed_groups(self):
        """One byte per key group: 1 where events or timers have touched it since its last snapshot,
        or since it was restored."""
        cdef uint32_t key_group
        changed = bytearray(KEY_GROUPS)
        for key_group in range(KEY_GROUPS):
            changed[key_group] = self.machine.groups[key_group].changed
        return bytes(changed)

    def restore(self, data):
        """Take a key group from a snapshot, replacing what is there.  Returns its number.

        State of features and triggers that the plan no longer has, or that mean something else now,
        is left out.
        Raises ValueError for bytes that are damaged, cut short or of a format version this build
        does not read.
        """
        cdef bytes copied = bytes(data)
        cdef uint32_t key_group = read_snapshot(self.program, &self.machine, self.slots, copied)
        self.machine.groups[key_group].rearmed = True
        note_earliest(&self.machine, key_group)
        return key_group

    def drop(self, uint32_t key_group):
        """Forget a key group."""
        if key_group >= KEY_GROUPS:
            raise ValueError(f"key group {key_group}: there are {KEY_GROUPS}")
        free_group(&self.machine, &self.machine.groups[key_group])
        self.machine.earliest[key_group] = NEVER_MS

    def users_with(self, uint64_t user_key):
        """The ids (bytes) of the users with this key: one, unless two keys happen to be equal."""
        cdef KeyGroup* group = &self.machine.groups[user_key >> 52]
        cdef User* user
        cdef uint32_t index
        cdef list found = []
        for index in range(group.mask + 1 if group.entries != NULL else 0):
            user = group.entries[index].user
            if user != NULL and user.user_key == user_key:
                found.append((<const char*>user_id(user))[:user.id_bytes])
        return found

    def erase_user(self, uint64_t user_key, const uint8_t[::1] user not None):
        """Forget a user and all timers; nothing comes of it.  False: there is no such user."""
        cdef uint32_t key_group = <uint32_t>(user_key >> 52)
        cdef User* found = self._find(user_key, user)
        if found == NULL:
            return False
        forget_user(&self.machine, &self.machine.groups[key_group], found)
        self.machine.groups[key_group].changed = True
        note_earliest(&self.machine, key_group)
        return True

    def show_user(self, uint64_t user_key, const uint8_t[::1] user not None):
        """All that is held of a user, as portrait.portray gives it; None: there is no such user."""
        cdef KeyGroup* group = &self.machine.groups[user_key >> 52]
        cdef User* found = self._find(user_key, user)
        if found == NULL:
            return None
        begin_call(&self.machine, 0)
        return portray(self.program, &self.machine, self.slots, group, found)

    cdef User* _find(self, uint64_t user_key, const uint8_t[::1] user):
        cdef KeyGroup* group = &self.machine.groups[user_key >> 52]
        cdef Entry* entry
        if not 0 < user.shape[0] <= 0xFFFF:
            return NULL
        entry = find_user(group, user_key, &user[0], <uint16_t>user.shape[0])
        return entry.user if entry != NULL else NULL

    def limit_memory(self, int64_t memory_bytes_max):
        """From now on new users are refused once records hold so many bytes; 0: never."""
        self.machine.memory_bytes_max = memory_bytes_max

    @property
    def needs_memory(self):
        """Is it time to call `prepare`?"""
        return arena_is_low(&self.machine.arena) or arena_is_low(&self.machine.tables)

    def prepare(self):
        """Have memory ready that is soon to be needed; may run on a thread of its own beside the
        other calls, but not beside itself."""
        with nogil:
            arena_prepare(&self.machine.arena)
            arena_prepare(&self.machine.tables)

    def counters(self):
        """What was counted since the kernel was made, by name."""
        return {name: self.machine.counters[index] for index, name in enumerate(COUNTER_NAMES)}

    def suppressed(self):
        """Firings that a policy held back since the kernel was made: (trigger's index, reason,
        count) where there were some."""
        cdef uint32_t at
        return [
            (at // SUPPRESSIONS, SUPPRESSION_NAMES[at % SUPPRESSIONS], self.machine.suppressed[at])
            for at in range(self.program.plan.trigger_count * SUPPRESSIONS)
            if self.machine.suppressed[at]
        ]

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
        return None if self.machine.shard_clock_ms == NO_TIME_MS else self.machine.shard_clock_ms

    @property
    def next_deadline_ms(self):
        """The next instant at which time alone makes something happen, or None."""
        cdef int64_t next_ms = NEVER_MS
        cdef uint32_t key_group
        for key_group in range(KEY_GROUPS):
            next_ms = min(next_ms, self.machine.earliest[key_group])
        return None if next_ms == NEVER_MS else next_ms

    cdef Block _end(self, uint32_t events):
        cdef Block block = Block.__new__(Block)
        if (
            self.machine.rows.failed
            or self.machine.bodies.failed
            or self.machine.panes.failed
            or self.machine.rises.failed
            or self.machine.rivals.failed
        ):
            raise MemoryError("no memory for the results of a batch")
        block.rows = slab_of(&self.machine.rows)
        block.bodies = slab_of(&self.machine.bodies)
        block.panes = slab_of(&self.machine.panes)
        block.rises = slab_of(&self.machine.rises)
        block.events = events
        return block
