# cython: language_level=3
"""Firings as they leave: a result row and its body to one packed message, in one step.

A release is the msgpack map {"record": the firing (DESIGN section 4), "actions": [...], "shadow":
bool}.  The firing's id is 128 bits of BLAKE2b, hex, over its parts, each after its byte length as
4-byte big endian: trigger name, trigger version, user, group or match value (its compact JSON text;
empty if none), time, the identities of the events that made it, k.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memset

from augenblick_native.blake2 cimport blake2b_128
from augenblick_native.buffer cimport (
    Buffer, buffer_free, pack_array, pack_bool, pack_int, pack_map, pack_nil, pack_str, put_bytes,
)
from augenblick_native.cursor cimport Cursor, bswap32, cursor_over
from augenblick_native.json_text cimport put_json
from augenblick_native.kernel cimport Block
from augenblick_native.machine cimport ROW_APPROXIMATE, ROW_SHADOW, Row
from augenblick_native.msgpack cimport (
    VALUE_STR, Value, read_array_header, read_map_header, read_value, skip_value,
)
from augenblick_native.policies cimport VARIANT_CONTROL
from augenblick_native.state cimport NO_TIME_MS
from augenblick_native.status cimport STATUS_OK

cdef enum:
    DIGEST_BYTES = 16
    FIRING_FIELDS = 11              # those that every firing has

cdef const char* HEX = b"0123456789abcdef"


def firing_id(parts):
    """The deterministic id of a firing over its parts, texts in their order."""
    cdef Buffer joined
    cdef uint8_t[2 * DIGEST_BYTES] hexed
    cdef bytes raw
    memset(&joined, 0, sizeof(Buffer))
    try:
        for part in parts:
            raw = part.encode()
            add_part(&joined, raw, len(raw))
        if joined.failed:
            raise MemoryError
        put_digest(&joined, hexed)
    finally:
        buffer_free(&joined)
    return PyUnicode_DecodeASCII(<char*>hexed, 2 * DIGEST_BYTES, NULL)


cdef class _Template:
    """What the firings of one trigger share, as bytes."""

    cdef bytes parts                # of the id: name and version
    cdef bytes name                 # packed, as the three that follow
    cdef bytes group_name
    cdef bytes match_name
    cdef bytes end                  # actions and shadow
    cdef bytes control_end          # without actions
    cdef list variants              # packed, by Row.variant
    cdef bint by_match


cdef class ReleaseMaker:
    """Makes releases of the firing rows of one program's kernel.  One thread at a time."""

    cdef list templates
    cdef Buffer out
    cdef Buffer parts
    cdef Buffer text

    def __cinit__(self, program):
        self.templates = [_template(trigger) for trigger in program.triggers]

    def __dealloc__(self):
        buffer_free(&self.out)
        buffer_free(&self.parts)
        buffer_free(&self.text)

    def firing(self, Block block not None, Py_ssize_t index):
        """(id of the firing, its release) of a row of kind firing or actor."""
        cdef const Row* rows = <const Row*>block.rows.buffer.data
        cdef const Row* row
        cdef _Template template
        cdef uint8_t[2 * DIGEST_BYTES] digest
        if index < 0 or (index + 1) * <Py_ssize_t>sizeof(Row) > <Py_ssize_t>block.rows.buffer.size:
            raise IndexError(f"no row {index}")
        row = &rows[index]
        template = self.templates[row.rule]
        self.out.size = self.parts.size = 0
        self._make(
            row, template,
            cursor_over(block.bodies.buffer.data + row.body_at, row.body_bytes), digest,
        )
        if self.out.failed or self.parts.failed or self.text.failed:
            raise MemoryError
        return (
            PyUnicode_DecodeASCII(<char*>digest, 2 * DIGEST_BYTES, NULL),
            PyBytes_FromStringAndSize(<char*>self.out.data, self.out.size),
        )

    cdef int _make(
        self, const Row* row, _Template template, Cursor body, uint8_t* digest
    ) except -1:
        cdef Buffer* out = &self.out
        cdef Value user, group, match
        cdef Cursor group_at, match_at, cause, identities
        cdef uint32_t extra = (row.flags & ROW_APPROXIMATE != 0) + (row.flags & ROW_SHADOW != 0)
        _expect_array(&body, 6)
        _read(&body, &user)
        group_at = body
        _read(&body, &group)
        match_at = body
        _read(&body, &match)
        cause = body
        _skip(&body)
        identities = body
        _skip(&body)
        self._identify(
            row, template, &user, match_at if template.by_match else group_at, identities, digest
        )
        put_bytes(out, b"\x83\xa6record", 8)
        pack_map(out, FIRING_FIELDS + extra)
        put_bytes(out, b"\xa4kind\xa6firing\xa2id", 15)
        pack_str(out, digest, 2 * DIGEST_BYTES)
        put_bytes(out, b"\xa7trigger", 8)
        _put(out, template.name)
        put_bytes(out, b"\xa4user", 5)
        pack_str(out, user.data, user.size)
        put_bytes(out, b"\xa2by", 3)
        _put_by(out, template, group_at, match_at)
        put_bytes(out, b"\xa4time", 5)
        pack_int(out, row.time_ms)
        put_bytes(out, b"\xa8fired_at", 9)
        pack_int(out, row.fired_ms)
        put_bytes(out, b"\xa5cause", 6)
        self._put_cause(&cause)
        put_bytes(out, b"\xa7session", 8)
        if row.start_ms == NO_TIME_MS:
            pack_nil(out)
        else:
            pack_int(out, row.start_ms)
        put_bytes(out, b"\xa6values", 7)
        self._put_values(&body)
        put_bytes(out, b"\xa7variant", 8)
        _put(out, template.variants[row.variant])
        if row.flags & ROW_APPROXIMATE:
            put_bytes(out, b"\xabapproximate\xc3", 13)
        if row.flags & ROW_SHADOW:
            put_bytes(out, b"\xa4mode\xa6shadow", 12)
        _put(out, template.control_end if row.variant == VARIANT_CONTROL else template.end)
        return 0

    # The id, as hex digits.
    cdef int _identify(
        self, const Row* row, _Template template, const Value* user, Cursor of_id,
        Cursor identities, uint8_t* hexed
    ) except -1:
        cdef uint32_t count = 0
        _put(&self.parts, template.parts)
        add_part(&self.parts, user.data, user.size)
        self.text.size = 0
        if of_id.at[0] != 0xC0:
            put_json(&self.text, &of_id, 0)
        add_part(&self.parts, self.text.data, self.text.size)
        self._add_number(row.time_ms)
        if read_array_header(&identities, &count) != STATUS_OK:
            raise ValueError("a firing's body is broken")
        for _ in range(count):
            self._read_text(&identities)
            add_part(&self.parts, self.text.data, self.text.size)
        self._add_number(row.k)
        put_digest(&self.parts, hexed)
        return 0

    cdef int _add_number(self, int64_t number) except -1:
        cdef Buffer packed
        cdef uint8_t[16] room
        cdef Cursor cursor
        memset(&packed, 0, sizeof(Buffer))
        packed.data, packed.capacity, packed.fixed = room, 16, True
        pack_int(&packed, number)
        cursor = cursor_over(room, packed.size)
        self._read_text(&cursor)
        add_part(&self.parts, self.text.data, self.text.size)
        return 0

    # A text as it is, a number as its digits.
    cdef int _read_text(self, Cursor* cursor) except -1:
        cdef Cursor before = cursor[0]
        cdef Value value
        self.text.size = 0
        _read(cursor, &value)
        if value.kind == VALUE_STR:
            put_bytes(&self.text, value.data, value.size)
        else:
            put_json(&self.text, &before, 0)
        return 0

    # The causing event's id is a text wherever there is one; a schedule has no cause.
    cdef int _put_cause(self, Cursor* cause) except -1:
        cdef uint32_t count = 0
        cdef const uint8_t* key
        if cause.at[0] == 0xC0:
            pack_nil(&self.out)
            return 0
        if read_map_header(cause, &count) != STATUS_OK:
            raise ValueError("a firing's body is broken")
        pack_map(&self.out, count)
        for _ in range(count):
            key = cause.at
            _skip(cause)
            put_bytes(&self.out, key, cause.at - key)
            if cause.at - key == 3 and key[1] == c"i" and key[2] == c"d" and cause.at[0] != 0xC0:
                self._read_text(cause)
                pack_str(&self.out, self.text.data, self.text.size)
            else:
                _copy(&self.out, cause)
        return 0

    cdef int _put_values(self, Cursor* values) except -1:
        cdef uint32_t count = 0
        if read_map_header(values, &count) != STATUS_OK:
            raise ValueError("a firing's body is broken")
        pack_map(&self.out, count)
        for _ in range(count):
            _copy(&self.out, values)
            if _is_map(values.at[0]):
                self._put_groups(values)
            else:
                _copy(&self.out, values)
        return 0

    # A map over groups gets text keys; a client's map keeps keys that no text can be made of.
    cdef int _put_groups(self, Cursor* groups) except -1:
        cdef uint32_t count = 0
        cdef Cursor key
        if read_map_header(groups, &count) != STATUS_OK:
            raise ValueError("a firing's body is broken")
        pack_map(&self.out, count)
        for _ in range(count):
            key = groups[0]
            try:
                self._read_text(groups)
                pack_str(&self.out, self.text.data, self.text.size)
            except ValueError:
                groups[0] = key
                _copy(&self.out, groups)
            _copy(&self.out, groups)
        return 0


cdef inline void add_part(Buffer* parts, const uint8_t* data, size_t size) noexcept:
    cdef uint32_t big = bswap32(<uint32_t>size)
    put_bytes(parts, &big, 4)
    put_bytes(parts, data, size)


cdef inline void put_digest(const Buffer* parts, uint8_t* hexed) noexcept:
    cdef uint8_t[DIGEST_BYTES] digest
    cdef int index
    blake2b_128(parts.data, parts.size, digest)
    for index in range(DIGEST_BYTES):
        hexed[2 * index] = HEX[digest[index] >> 4]
        hexed[2 * index + 1] = HEX[digest[index] & 15]


cdef _Template _template(trigger):
    cdef _Template made = _Template()
    made.parts = b"".join([
        len(raw).to_bytes(4, "big") + raw
        for raw in (trigger.name.encode(), trigger.version.encode())
    ])
    made.name = _packed(trigger.name)
    made.group_name = _packed(trigger.group_name)
    made.match_name = _packed(trigger.match_name)
    made.by_match = trigger.match != -1
    made.end = _end(trigger.actions, trigger.mode == "shadow")
    made.control_end = _end((), trigger.mode == "shadow")
    made.variants = [b"\xc0", _packed("control")]
    made.variants += [_packed(name) for name, _ in trigger.policies.variants]
    return made


cdef bytes _end(actions, bint is_shadow):
    cdef Buffer end
    memset(&end, 0, sizeof(Buffer))
    try:
        put_bytes(&end, b"\xa7actions", 8)
        pack_array(&end, len(actions))
        for name in actions:
            _put(&end, _packed(name))
        put_bytes(&end, b"\xa6shadow", 7)
        pack_bool(&end, is_shadow)
        return PyBytes_FromStringAndSize(<char*>end.data, end.size)
    finally:
        buffer_free(&end)


cdef bytes _packed(str text):
    cdef Buffer out
    cdef bytes raw = text.encode()
    memset(&out, 0, sizeof(Buffer))
    try:
        pack_str(&out, raw, len(raw))
        return PyBytes_FromStringAndSize(<char*>out.data, out.size)
    finally:
        buffer_free(&out)


cdef inline void _put(Buffer* out, bytes raw) noexcept:
    put_bytes(out, <const uint8_t*>raw, len(raw))


# The group and the match value by their names; nil without either.
cdef int _put_by(
    Buffer* out, _Template template, Cursor group, Cursor match
) except -1:
    cdef uint32_t count = (group.at[0] != 0xC0) + (match.at[0] != 0xC0)
    if count == 0:
        pack_nil(out)
        return 0
    pack_map(out, count)
    if group.at[0] != 0xC0:
        _put(out, template.group_name)
        _copy(out, &group)
    if match.at[0] != 0xC0:
        _put(out, template.match_name)
        _copy(out, &match)
    return 0


cdef inline bint _is_map(uint8_t tag) noexcept:
    return tag & 0xF0 == 0x80 or tag == 0xDE or tag == 0xDF


cdef int _expect_array(Cursor* cursor, uint32_t wanted) except -1:
    cdef uint32_t count = 0
    if read_array_header(cursor, &count) != STATUS_OK or count != wanted:
        raise ValueError("a firing's body is broken")
    return 0


cdef int _read(Cursor* cursor, Value* value) except -1:
    if read_value(cursor, value) != STATUS_OK:
        raise ValueError("a firing's body is broken")
    return 0


cdef int _skip(Cursor* cursor) except -1:
    if skip_value(cursor) != STATUS_OK:
        raise ValueError("a firing's body is broken")
    return 0


cdef int _copy(Buffer* out, Cursor* cursor) except -1:
    cdef const uint8_t* start = cursor.at
    _skip(cursor)
    put_bytes(out, start, cursor.at - start)
    return 0
