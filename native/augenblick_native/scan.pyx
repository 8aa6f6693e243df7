# cython: language_level=3
"""The gateway's scanner: events of clients in, one stream per shard out.

`Router.route` takes a chunk of a client as it came and, without the GIL, checks each event, stamps
it (time, watermark, ingest time, user key, number, fingerprint) and appends it to the stream of the
shard that owns the user.  A refused event is listed with its reason and hurts no other.
Beside it the one scan that client protocols need: `skip`.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcpy, memset

from augenblick_native.buffer cimport (
    Buffer, buffer_free, buffer_room, pack_str, put_bytes,
)
from augenblick_native.check cimport is_text
from augenblick_native.cursor cimport Cursor, cursor_over, left, likely, unlikely
from augenblick_native.event cimport (
    CONTEXT_KEYS_MAX, EVENT_BYTES_MAX, EVENT_NAME_BYTES_MAX, ID_BYTES_MAX, PROPS_KEYS_MAX,
    SESSION_BYTES_MAX, SPLICE_BYTES_MAX, TAG_BYTES_MAX, TIME_MS_MAX, TIME_MS_MIN, USER_BYTES_MAX,
    Event, check_range, put_body, read_carrier_ms, scan_event,
)
from augenblick_native.hash cimport HashKey, siphash13
from augenblick_native.json cimport transcode_json
from augenblick_native.msgpack cimport NESTING_DEPTH_MAX, read_array_header, skip_frame, skip_nested
from augenblick_native.pseudonym cimport (
    PSEUDONYM_BYTES, PSEUDONYM_KEY_BYTES, PseudonymKey, set_pseudonym_key, write_pseudonym,
)
from augenblick_native.schema cimport Rules
from augenblick_native.stream cimport (
    FLAG_WARM, HEADER_BYTES, KEY_GROUPS, KEY_GROUP_SHIFT, MARK_BYTES, Header, Shard, is_mark_due,
    put_mark,
)
from augenblick_native.status cimport (
    STATUS_BAD_MSGPACK, STATUS_BAD_UTF8, STATUS_FUTURE, STATUS_NO_MEMORY, STATUS_NO_TIME,
    STATUS_OK, STATUS_TOO_LARGE, STATUS_TRUNCATED, Status,
)

from augenblick_native.status import STATUS_NAMES, ScanError

__all__ = ["LIMITS", "NO_TIME", "STATUS_NAMES", "Routed", "Router", "ScanError", "Source", "skip"]

cdef enum:
    NOBODY = 0xFFFF
    REFUSALS_MAX = 16384        # engine/augenblick/limits.py: refusals_max

cdef enum Format:
    FORMAT_ENTRIES = 0
    FORMAT_RECORDS = 1
    FORMAT_NDJSON = 2
    FORMAT_COUNT = 3

NO_TIME = INT64_MIN
"""No event yet: what a watermark and a largest time are then."""

LIMITS = {
    "context_keys_max": CONTEXT_KEYS_MAX,
    "event_bytes_max": EVENT_BYTES_MAX,
    "event_name_bytes_max": EVENT_NAME_BYTES_MAX,
    "id_bytes_max": ID_BYTES_MAX,
    "nesting_depth_max": NESTING_DEPTH_MAX,
    "props_keys_max": PROPS_KEYS_MAX,
    "refusals_max": REFUSALS_MAX,
    "session_bytes_max": SESSION_BYTES_MAX,
    "tag_bytes_max": TAG_BYTES_MAX,
    "time_ms_max": TIME_MS_MAX,
    "time_ms_min": TIME_MS_MIN,
    "user_bytes_max": USER_BYTES_MAX,
}
"""The bounds compiled in; a test holds them against augenblick.limits."""


cdef struct Refusal:
    uint64_t index
    uint64_t start
    uint64_t end
    Status status


# One call of route: what holds for all of its events, and what became of them.
cdef struct Batch:
    const uint8_t* data
    Format format
    int64_t ingest_ms
    bint has_carrier
    int64_t carrier_ms
    const uint8_t* tag
    uint32_t tag_size
    bint has_chunk
    uint64_t chunk_hash
    uint32_t flags
    uint64_t index
    uint64_t events
    int64_t last_event_ms
    Buffer refusals
    bint failed                 # out of memory


@cython.final
cdef class Source:
    """What the watermark needs to know of one source of events, and its counters.

    Made by the gateway core for each connection, partition or file; handed to Router.route with
    that source's chunks; used on the router's thread.  Times are NO_TIME before the first event.

    max_event_ms        largest event time
    ingest_ms           ingest time of its last event
    max_event_clock_ms  wall clock: largest min(event, ingest); event clock: largest event time
    events, late        accepted; those of them that were older than the gateway's watermark
    """

    cdef public int64_t max_event_ms
    cdef public int64_t ingest_ms
    cdef public int64_t max_event_clock_ms
    cdef public uint64_t events
    cdef public uint64_t late

    def __cinit__(self):
        self.max_event_ms = INT64_MIN
        self.ingest_ms = INT64_MIN
        self.max_event_clock_ms = INT64_MIN


@cython.final
cdef class Routed:
    """What one call of Router.route did.

    events         accepted
    refused        (index, start, end, status) each, in order; offsets into the data of the call
    consumed       the end of the range: nothing is left over
    last_event_ms  time of the last accepted event; NO_TIME: none
    """

    cdef readonly uint64_t events
    cdef readonly list refused
    cdef readonly size_t consumed
    cdef readonly int64_t last_event_ms


@cython.final
cdef class Router:
    """Checks, stamps and sorts the events of one gateway.

    Made and called by the gateway core (through binding.scanning), by one thread at a time.  Owns
    one stream per shard, which `take` empties; what `take` gave is the caller's.  The bytes given
    to `route` are not kept.

    watermark_ms   the gateway's; never goes back, whoever sets it; NO_TIME before the first event
    others_min_ms  least watermark of the other live sources that are not behind the gateway, set
                   before each chunk; INT64_MAX: none
    clock_event    the event clock: ingest time is the largest event time seen, and an event's own
                   time counts, whatever the wall clock says
    now_limit_ms   event clock: the largest event time that is not `future` (inclusive; the plan's
                   future is in it already); INT64_MAX: none
    time_required  an event without a time is refused (no_time); else it gets the carrier's, else
                   the ingest time
    max_event_ms   largest event time of all sources

    With a pseudonym key (32 bytes) each event goes on with the pseudonym of its user id in the id's
    place, and is routed by it.
    """

    cdef Rules _rules
    cdef HashKey _key
    cdef PseudonymKey _pseudonym
    cdef int64_t _watermark_ms
    cdef readonly int64_t max_event_ms
    cdef readonly int64_t lateness_ms
    cdef readonly int64_t future_ms
    cdef public int64_t others_min_ms
    cdef public int64_t now_limit_ms
    cdef public bint clock_event
    cdef public bint time_required
    cdef readonly uint32_t shard_count
    cdef Shard* _shards
    cdef uint16_t[KEY_GROUPS] _shard_of
    cdef uint64_t[KEY_GROUPS] _numbers          # last number given in each key group
    cdef Buffer _record                         # a JSON line as msgpack
    cdef Buffer _renamed                        # an event under its user's pseudonym

    def __cinit__(self, program, hash_key not None, pseudonym_key=None):
        cdef const uint8_t[::1] key = hash_key
        cdef const uint8_t[::1] secret
        if key.shape[0] != 16:
            raise ValueError("the hash key has 16 bytes")
        memcpy(&self._key.k0, &key[0], 8)
        memcpy(&self._key.k1, &key[8], 8)
        if pseudonym_key is not None:
            secret = pseudonym_key
            if secret.shape[0] != PSEUDONYM_KEY_BYTES:
                raise ValueError("the pseudonym key has 32 bytes")
            set_pseudonym_key(&self._pseudonym, &secret[0], b"augenblick-user\0")
        self._rules = Rules(program)
        self.lateness_ms = program.lateness_ms
        self.future_ms = program.future_ms
        self._watermark_ms = INT64_MIN
        self.max_event_ms = INT64_MIN
        self.others_min_ms = INT64_MAX
        self.now_limit_ms = INT64_MAX

    def __dealloc__(self):
        self._free_shards()
        buffer_free(&self._record)
        buffer_free(&self._renamed)

    cdef void _free_shards(self) noexcept:
        cdef uint32_t shard
        for shard in range(self.shard_count):
            buffer_free(&self._shards[shard].stream)
        free(self._shards)
        self._shards = NULL
        self.shard_count = 0

    @property
    def watermark_ms(self):
        return self._watermark_ms

    @watermark_ms.setter
    def watermark_ms(self, int64_t value):
        self._raise_watermark(value)

    cdef inline void _raise_watermark(self, int64_t value) noexcept nogil:
        if value > self._watermark_ms:
            self._watermark_ms = value

    def set_table(self, const uint16_t[::1] shard_of_key_group not None):
        """Who owns each key group: 4,096 shard indexes.  What waits for a shard stays with it.

        Raises ValueError for another size, for a key group without an owner (0xFFFF), and when
        something waits for a shard that the new table does not have.
        """
        cdef uint32_t count = 0
        cdef uint32_t at
        cdef Shard* shards
        if shard_of_key_group.shape[0] != KEY_GROUPS:
            raise ValueError(f"a table has {KEY_GROUPS} key groups")
        for at in range(<uint32_t>KEY_GROUPS):
            if shard_of_key_group[at] == NOBODY:
                raise ValueError(f"key group {at} has no owner")
            count = max(count, <uint32_t>shard_of_key_group[at] + 1)
        for at in range(count, self.shard_count):
            if self._shards[at].stream.size:
                raise ValueError(f"events wait for shard {at}, which the new table does not have")
        shards = <Shard*>calloc(count, sizeof(Shard))
        if shards == NULL:
            raise MemoryError
        for at in range(count):
            shards[at].watermark_ms = INT64_MIN
        for at in range(min(count, self.shard_count)):
            shards[at] = self._shards[at]
            self._shards[at].stream.data = NULL
        self._free_shards()
        self._shards = shards
        self.shard_count = count
        for at in range(<uint32_t>KEY_GROUPS):
            self._shard_of[at] = shard_of_key_group[at]

    def route(
        self, data not None, size_t start, size_t end, int format, Source source not None,
        int64_t ingest_ms, *, carrier_ms=None, const uint8_t[::1] tag=None,
        const uint8_t[::1] chunk=None, bint warm=False,
    ):
        """Route the events in data[start:end]; returns a Routed.

        format ENTRIES: msgpack [time, event] one after the other; RECORDS: msgpack events; NDJSON:
        lines of JSON, blank ones skipped.  Broken msgpack ends the call: the rest is one refusal.
        So does the 16,384th refusal; the rest is one more, too_large.
        A tag that cannot be kept (no UTF-8, too long) refuses everything as one.
        Raises ValueError for an impossible range or format and without a table; MemoryError.
        """
        cdef Batch batch
        cdef Py_buffer view
        cdef Status status
        if format < 0 or format >= FORMAT_COUNT:
            raise ValueError(f"no format {format}")
        if self._shards == NULL:
            raise ValueError("the router has no table yet")
        memset(&batch, 0, sizeof(Batch))
        batch.format = <Format>format
        batch.ingest_ms = ingest_ms
        batch.has_carrier = carrier_ms is not None
        batch.carrier_ms = carrier_ms if batch.has_carrier else 0
        batch.flags = FLAG_WARM if warm else 0
        batch.last_event_ms = INT64_MIN
        if chunk is not None and chunk.shape[0]:
            batch.has_chunk = True
            batch.chunk_hash = siphash13(&self._key, &chunk[0], <size_t>chunk.shape[0])
        status = STATUS_OK
        if tag is not None and tag.shape[0]:
            batch.tag = &tag[0]
            batch.tag_size = <uint32_t>tag.shape[0]
            status = STATUS_TOO_LARGE if tag.shape[0] > TAG_BYTES_MAX else STATUS_OK
            if status == STATUS_OK and not is_text(batch.tag, batch.tag_size):
                status = STATUS_BAD_UTF8
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            if start > end or end > <size_t>view.len:
                raise ValueError(f"no range {start}:{end} in {view.len} bytes")
            batch.data = <const uint8_t*>view.buf
            with nogil:
                if status != STATUS_OK and start < end:
                    self._refuse(&batch, batch.data + start, batch.data + end, status)
                elif status == STATUS_OK and batch.format == FORMAT_NDJSON:
                    self._route_lines(&batch, source, start, end)
                elif status == STATUS_OK:
                    self._route_msgpack(&batch, source, start, end)
            return routed_of(&batch, end)
        finally:
            buffer_free(&batch.refusals)
            PyBuffer_Release(&view)

    cdef inline void _refuse(
        self, Batch* batch, const uint8_t* start, const uint8_t* end, Status status,
    ) noexcept nogil:
        cdef Refusal refusal
        refusal.index = batch.index
        refusal.start = <uint64_t>(start - batch.data)
        refusal.end = <uint64_t>(end - batch.data)
        refusal.status = status
        put_bytes(&batch.refusals, &refusal, sizeof(Refusal))
        if batch.refusals.failed or status == STATUS_NO_MEMORY:
            batch.failed = True

    cdef void _route_msgpack(
        self, Batch* batch, Source source, size_t start, size_t end,
    ) noexcept nogil:
        cdef Cursor cursor = cursor_over(batch.data + start, end - start)
        cdef Cursor entry
        cdef Status status
        cdef Status framing
        while left(&cursor) and not batch.failed:
            entry = cursor
            status = self._route_entry(batch, source, &cursor)
            if unlikely(status != STATUS_OK):
                cursor = entry
                framing = skip_nested(&cursor)
                if framing != STATUS_OK:
                    self._refuse(batch, entry.at, cursor.end, framing)
                    return
                self._refuse(batch, entry.at, cursor.at, status)
                if unlikely(is_full(batch)) and left(&cursor):
                    batch.index += 1
                    self._refuse(batch, cursor.at, cursor.end, STATUS_TOO_LARGE)
                    return
            batch.index += 1

    cdef void _route_lines(
        self, Batch* batch, Source source, size_t start, size_t end,
    ) noexcept nogil:
        cdef const uint8_t* line
        cdef const uint8_t* line_end
        cdef Cursor record
        cdef Status status
        while start < end and not batch.failed:
            line = batch.data + start
            line_end = <const uint8_t*>memchr(line, c"\n", end - start)
            if line_end == NULL:
                line_end = batch.data + end
            start = <size_t>(line_end - batch.data) + 1
            if is_blank(line, line_end):
                continue
            self._record.size = 0
            self._record.failed = False
            status = transcode_json(line, <size_t>(line_end - line), &self._record)
            if likely(status == STATUS_OK):
                record = cursor_over(self._record.data, self._record.size)
                status = self._route_record(batch, source, &record, NULL)
            if unlikely(status != STATUS_OK):
                self._refuse(batch, line, line_end, status)
                if unlikely(is_full(batch)) and start < end:
                    batch.index += 1
                    self._refuse(batch, batch.data + start, batch.data + end, STATUS_TOO_LARGE)
                    return
            batch.index += 1

    # One entry of a msgpack format; the cursor moves past it, or anywhere if it is refused.
    cdef inline Status _route_entry(
        self, Batch* batch, Source source, Cursor* cursor,
    ) noexcept nogil:
        cdef uint32_t count = 0
        cdef Cursor carrier
        cdef Status status
        if batch.format == FORMAT_RECORDS:
            return self._route_record(batch, source, cursor, NULL)
        status = read_array_header(cursor, &count)
        if unlikely(status != STATUS_OK):
            return status
        if unlikely(count != 2):
            return STATUS_BAD_MSGPACK
        carrier = cursor[0]
        status = skip_nested(cursor)
        if unlikely(status != STATUS_OK):
            return status
        return self._route_record(batch, source, cursor, &carrier)

    # One event; `carrier`: where its carrier's own time stands, NULL if it has none.
    cdef Status _route_record(
        self, Batch* batch, Source source, Cursor* cursor, Cursor* carrier,
    ) noexcept nogil:
        cdef Event event
        cdef Status status = scan_event(cursor, &self._rules.rules, &event)
        if likely(status == STATUS_OK) and unlikely(self._pseudonym.is_set):
            status = self._rename(&event)
        if unlikely(status != STATUS_OK):
            return status
        if not event.has_time:
            status = self._default_time(batch, carrier, &event.event_ms)
            if unlikely(status != STATUS_OK):
                return status
        if unlikely(self._is_future(event.event_ms, batch.ingest_ms)):
            return STATUS_FUTURE
        return self._stamp(batch, source, &event)

    # The event once more, written anew with the pseudonym as its user.
    cdef Status _rename(self, Event* event) noexcept nogil:
        cdef uint8_t[PSEUDONYM_BYTES] pseudonym
        cdef Cursor renamed
        write_pseudonym(&self._pseudonym, event.user.data, event.user.size, pseudonym)
        self._renamed.size = 0
        self._renamed.failed = False
        put_bytes(&self._renamed, event.start, <size_t>(event.user_at - event.start))
        pack_str(&self._renamed, pseudonym, PSEUDONYM_BYTES)
        put_bytes(&self._renamed, event.user_end, <size_t>(event.end - event.user_end))
        if unlikely(self._renamed.failed):
            return STATUS_NO_MEMORY
        renamed = cursor_over(self._renamed.data, self._renamed.size)
        return scan_event(&renamed, &self._rules.rules, event)

    cdef Status _default_time(
        self, Batch* batch, Cursor* carrier, int64_t* event_ms,
    ) noexcept nogil:
        if carrier != NULL:
            return read_carrier_ms(carrier, event_ms)
        if not batch.has_carrier and self.time_required:
            return STATUS_NO_TIME
        event_ms[0] = batch.carrier_ms if batch.has_carrier else batch.ingest_ms
        return check_range(event_ms[0])

    cdef inline bint _is_future(self, int64_t event_ms, int64_t ingest_ms) noexcept nogil:
        if self.clock_event:
            return event_ms > self.now_limit_ms
        return event_ms - self.future_ms > ingest_ms

    # Note the time of an accepted event; returns the ingest time it is stamped with.
    cdef inline int64_t _advance(
        self, Source source, int64_t event_ms, int64_t ingest_ms,
    ) noexcept nogil:
        cdef int64_t clock_ms = event_ms
        if event_ms > self.max_event_ms:
            self.max_event_ms = event_ms
        if self.clock_event:
            ingest_ms = self.max_event_ms
        elif ingest_ms < clock_ms:
            clock_ms = ingest_ms
        if event_ms > source.max_event_ms:
            source.max_event_ms = event_ms
        if clock_ms > source.max_event_clock_ms:
            source.max_event_clock_ms = clock_ms
        source.ingest_ms = ingest_ms
        source.events = source.events + 1
        clock_ms = source.max_event_clock_ms - self.lateness_ms
        self._raise_watermark(clock_ms if clock_ms < self.others_min_ms else self.others_min_ms)
        source.late = source.late + (event_ms < self._watermark_ms)
        return ingest_ms

    cdef uint64_t _fingerprint(self, Batch* batch, Event* event, uint64_t user_key) noexcept nogil:
        cdef HashKey key = self._key
        cdef uint64_t fingerprint
        if event.id.size:
            key.k1 ^= user_key
            fingerprint = siphash13(&key, event.id.data, event.id.size)
        elif batch.has_chunk:
            key.k0 ^= batch.chunk_hash
            fingerprint = siphash13(&key, <const uint8_t*>&batch.index, 8)
        else:
            return 0
        return fingerprint if fingerprint else 1

    cdef inline Status _stamp(self, Batch* batch, Source source, Event* event) noexcept nogil:
        cdef uint64_t user_key = siphash13(&self._key, event.user.data, event.user.size)
        cdef uint32_t key_group = <uint32_t>(user_key >> KEY_GROUP_SHIFT)
        cdef Shard* shard = &self._shards[self._shard_of[key_group]]
        cdef size_t body_max = <size_t>(event.end - event.start) + batch.tag_size + SPLICE_BYTES_MAX
        cdef size_t header_at
        cdef Header header
        cdef int64_t ingest_ms
        if unlikely(buffer_room(&shard.stream, MARK_BYTES + HEADER_BYTES + body_max) == NULL):
            return STATUS_NO_MEMORY
        ingest_ms = self._advance(source, event.event_ms, batch.ingest_ms)
        if is_mark_due(shard, self._watermark_ms, ingest_ms):
            put_mark(shard, self._watermark_ms, ingest_ms)
        self._numbers[key_group] = self._numbers[key_group] + 1
        header.flags = batch.flags
        header.event_ms = event.event_ms
        header.user_key = user_key
        header.number = self._numbers[key_group]
        header.fingerprint = self._fingerprint(batch, event, user_key)
        header_at = shard.stream.size
        shard.stream.size += HEADER_BYTES
        put_body(event, batch.tag, batch.tag_size, &shard.stream)
        header.body_bytes = <uint32_t>(shard.stream.size - header_at - HEADER_BYTES)
        memcpy(shard.stream.data + header_at, &header, HEADER_BYTES)
        shard.events += 1
        batch.events += 1
        batch.last_event_ms = event.event_ms
        return STATUS_OK

    def mark(self, int64_t watermark_ms, int64_t ingest_ms):
        """Put a mark into every shard's stream: for a tick, or the end of the input.

        The gateway's watermark rises to `watermark_ms`; if it is larger already, the mark has that.
        """
        cdef uint32_t at
        self._raise_watermark(watermark_ms)
        for at in range(self.shard_count):
            put_mark(&self._shards[at], self._watermark_ms, ingest_ms)
            if self._shards[at].stream.failed:
                raise MemoryError

    def pending(self, uint32_t shard):
        """Bytes that wait for the shard."""
        return self._shard(shard).stream.size

    def marked_ms(self, uint32_t shard):
        """The watermark of the latest mark put into the shard's stream; NO_TIME: none yet."""
        return self._shard(shard).watermark_ms

    def take(self, uint32_t shard):
        """The stream that waits for the shard, and its events: (bytes, count).

        The next stream begins with a mark of its own.
        """
        cdef Shard* taken = self._shard(shard)
        cdef uint64_t events = taken.events
        stream = taken.stream.data[:taken.stream.size]
        taken.stream.size = 0
        taken.stream.failed = False
        taken.events = 0
        taken.has_mark = False
        return stream, events

    cdef Shard* _shard(self, uint32_t shard) except NULL:
        if shard >= self.shard_count:
            raise IndexError(f"no shard {shard}")
        return &self._shards[shard]


# Enough refusals of one call are listed apart: a list of millions would be the gateway's end.
cdef inline bint is_full(const Batch* batch) noexcept nogil:
    return batch.refusals.size >= REFUSALS_MAX * sizeof(Refusal)


# White space only, as bytes.isspace has it.
cdef inline bint is_blank(const uint8_t* line, const uint8_t* end) noexcept nogil:
    while line < end:
        if line[0] != c" " and (line[0] < c"\t" or line[0] > c"\r"):
            return False
        line += 1
    return True


cdef Routed routed_of(Batch* batch, size_t end):
    cdef Routed routed = Routed.__new__(Routed)
    cdef const Refusal* refusals = <const Refusal*>batch.refusals.data
    cdef const Refusal* one
    cdef size_t at
    if batch.failed:
        raise MemoryError
    routed.events = batch.events
    routed.consumed = end
    routed.last_event_ms = batch.last_event_ms
    routed.refused = []
    for at in range(batch.refusals.size // sizeof(Refusal)):
        one = &refusals[at]
        routed.refused.append((one.index, one.start, one.end, <int>one.status))
    return routed


def skip(const uint8_t[::1] data not None, size_t offset, size_t end):
    """Where the msgpack value at `offset` ends; -1 if data[offset:end] does not hold all of it yet.

    For client protocols, around events: FRAME_DEPTH_MAX levels.  Texts are not looked into.  Raises
    ScanError.
    """
    cdef Cursor cursor
    cdef Status status
    if offset > end or end > <size_t>data.shape[0]:
        raise ValueError(f"no range {offset}:{end} in {data.shape[0]} bytes")
    if offset == end:
        return -1
    cursor = cursor_over(&data[offset], end - offset)
    with nogil:
        status = skip_frame(&cursor)
    if status == STATUS_OK:
        return <size_t>(cursor.at - &data[0])
    if status == STATUS_TRUNCATED:
        return -1
    raise ScanError(status, offset)
