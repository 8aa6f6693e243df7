# cython: language_level=3
"""What the native modules keep to themselves, for tests only."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from augenblick_native.aggregates.fixed cimport (
    FIXED_STATE_BYTES_MAX, fixed_add, fixed_merge, fixed_result,
)
from augenblick_native.aggregates.sketch cimport (
    Taking, sketch_changed, sketch_merge, sketch_put, sketch_result, taking_of,
)
from augenblick_native.buffer cimport Buffer, buffer_free, buffer_room
from augenblick_native.check cimport write_decimal
from augenblick_native.checksum cimport crc32c_of, crc32c_plain
from augenblick_native.cursor cimport Cursor, cursor_over
from augenblick_native.hash cimport HashKey, name_hash, siphash13
from augenblick_native.msgpack cimport (
    VALUE_BOOL, VALUE_FLOAT, VALUE_INT, VALUE_LIST, VALUE_MISSING, VALUE_NULL, VALUE_STR, Value,
    check_value, is_utf8, read_value, skip_frame, skip_nested, skip_value,
)
from augenblick_native.program cimport Aggregate, FeatureRule
from augenblick_native.status cimport STATUS_OK, Status
from augenblick_native.values cimport pack_value

from augenblick_native.program import AGGREGATES
from augenblick_native.status import STATUS_NAMES


cdef const uint8_t* pointer(const uint8_t[::1] data) noexcept:
    return &data[0] if data.shape[0] else NULL


def siphash(const uint8_t[::1] key not None, const uint8_t[::1] data not None):
    """SipHash-1-3 under a key of 16 bytes."""
    cdef HashKey hash_key
    if key.shape[0] != 16:
        raise ValueError("the hash key has 16 bytes")
    memcpy(&hash_key.k0, &key[0], 8)
    memcpy(&hash_key.k1, &key[8], 8)
    return siphash13(&hash_key, pointer(data), <size_t>data.shape[0])


def hash_name(const uint8_t[::1] data not None):
    """The unkeyed hash of the plan's own names."""
    return name_hash(pointer(data), <size_t>data.shape[0])


def checksums(const uint8_t[::1] data not None, uint32_t before):
    """CRC-32C behind `before`: as it is computed here, and without the processor's instruction."""
    cdef size_t size = data.shape[0]
    return crc32c_of(before, pointer(data), size), crc32c_plain(before, pointer(data), size)


def is_text(const uint8_t[::1] data not None):
    """Is it well-formed UTF-8?"""
    return is_utf8(pointer(data), <size_t>data.shape[0])


def decimal(value):
    """The text of a 64-bit integer."""
    cdef uint8_t[20] digits
    cdef uint64_t bits = value & 0xFFFFFFFFFFFFFFFF
    return bytes(digits[:write_decimal(bits, value < 0, digits)])


def walk(const uint8_t[::1] data not None, str how):
    """(status name, offset after the value) of the first value; how: skip, check, frame, nested."""
    cdef Cursor cursor = cursor_over(pointer(data), <size_t>data.shape[0])
    cdef Status status
    if how == "skip":
        status = skip_value(&cursor)
    elif how == "check":
        status = check_value(&cursor)
    elif how == "frame":
        status = skip_frame(&cursor)
    elif how == "nested":
        status = skip_nested(&cursor)
    else:
        raise ValueError(how)
    return STATUS_NAMES[status], data.shape[0] - (cursor.end - cursor.at)


def value(const uint8_t[::1] data not None):
    """(status name, value, offset after it); a list or another compound is its bytes."""
    cdef Cursor cursor = cursor_over(pointer(data), <size_t>data.shape[0])
    cdef Value read
    cdef Status status = read_value(&cursor, &read)
    offset = data.shape[0] - (cursor.end - cursor.at)
    if status != STATUS_OK:
        return STATUS_NAMES[status], None, offset
    if read.kind == VALUE_NULL:
        out = None
    elif read.kind == VALUE_BOOL:
        out = bool(read.integer)
    elif read.kind == VALUE_INT:
        out = read.integer
    elif read.kind == VALUE_FLOAT:
        out = read.number
    elif read.kind == VALUE_STR:
        out = read.data[:read.size].decode()
    else:
        out = read.data[:read.size]
    return "ok", out, offset


cdef bytes packed(const Value* result, Buffer* out):
    """The value as msgpack; nothing for a missing one."""
    cdef size_t at = out.size
    if result.kind == VALUE_LIST:
        return result.data[:result.size]
    pack_value(out, result)
    return b"" if result.kind == VALUE_MISSING else out.data[at:out.size]


cdef class Sketch:
    """One state of distinct, quantile or top.  Owns its bytes; for one thread."""

    cdef FeatureRule rule
    cdef Buffer state
    cdef Buffer out

    def __cinit__(self, str aggregate, *, double q=0.5, uint32_t max=10):
        memset(&self.rule, 0, sizeof(FeatureRule))
        self.rule.aggregate = <Aggregate>(<int>AGGREGATES[aggregate])
        self.rule.option = q
        self.rule.list_max = max

    def __dealloc__(self):
        buffer_free(&self.state)
        buffer_free(&self.out)

    def add(self, const uint8_t[::1] packed_value not None):
        """Take a value, given as msgpack."""
        cdef Cursor cursor = cursor_over(pointer(packed_value), <size_t>packed_value.shape[0])
        cdef Value read
        cdef Taking taking
        cdef uint32_t size = <uint32_t>self.state.size
        cdef uint32_t changed
        if read_value(&cursor, &read) != STATUS_OK:
            raise ValueError("no msgpack")
        taking_of(&self.rule, &self.out, &read, &taking)
        changed = sketch_changed(&self.rule, self.state.data, size, &taking)
        if changed > size:
            if buffer_room(&self.state, changed - size) == NULL:
                raise MemoryError
            memset(self.state.data + size, 0, changed - size)
        sketch_put(&self.rule, self.state.data, size, changed, &taking)
        self.state.size = changed

    def merge(self, Sketch other not None):
        """Join another's state into this one."""
        if not sketch_merge(
            &self.rule, &self.state, other.state.data, <uint32_t>other.state.size
        ):
            raise MemoryError

    def result(self):
        """The value as msgpack."""
        cdef Value found = sketch_result(
            &self.rule, &self.out, self.state.data, <uint32_t>self.state.size
        )
        return packed(&found, &self.out)

    def state_bytes(self):
        """A copy of the state."""
        return self.state.data[:self.state.size]


cdef class Fixed:
    """One state of an aggregate with a fixed state.  For one thread."""

    cdef FeatureRule rule
    cdef uint8_t[FIXED_STATE_BYTES_MAX] state
    cdef Buffer out

    def __cinit__(self, str aggregate, *, double half_life_ms=1.0, int64_t size_ms=1000):
        memset(&self.rule, 0, sizeof(FeatureRule))
        memset(self.state, 0, FIXED_STATE_BYTES_MAX)
        self.rule.aggregate = <Aggregate>(<int>AGGREGATES[aggregate])
        self.rule.option = half_life_ms
        self.rule.size_ms = size_ms

    def __dealloc__(self):
        buffer_free(&self.out)

    def add(self, int64_t time_ms, double number):
        """Take a number at a time."""
        cdef Value value
        memset(&value, 0, sizeof(Value))
        value.kind = VALUE_FLOAT
        value.number = number
        fixed_add(&self.rule, self.state, time_ms, &value)

    def merge(self, Fixed other not None):
        """Join another's state into this one."""
        fixed_merge(&self.rule, self.state, other.state)

    def result(self, int64_t at_ms=0):
        """The value as msgpack."""
        cdef Value found = fixed_result(&self.rule, self.state, at_ms)
        self.out.size = 0
        return packed(&found, &self.out)
