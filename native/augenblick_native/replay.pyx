# cython: language_level=3
"""A stream of events and marks without the events of some key groups: for replaying a journal to
key groups that stand at different positions."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from augenblick_native.cursor cimport (
    Cursor, cursor_over, left, read_i64, read_le32, read_le64, take,
)
from augenblick_native.status cimport STATUS_OK

__all__ = ["events_of"]

cdef enum:
    KEY_GROUPS = 4096
    MARK = 0xFFFFFFFF               # in place of an event's size: a mark
    MARK_BYTES = 24
    EVENT_BYTES = 40                # before the body


def events_of(const uint8_t[::1] stream not None, const uint8_t[::1] mask not None):
    """The stream with all of its marks, in order, and the events of the key groups whose byte of
    the mask is not 0.

    mask       4,096 bytes, one for each key group

    Raises ValueError for bytes that are no stream, or a mask of another size.
    """
    cdef size_t size = stream.shape[0]
    cdef size_t kept = 0
    cdef bint is_whole
    cdef bytes out
    if mask.shape[0] != KEY_GROUPS:
        raise ValueError(f"a mask of {mask.shape[0]} bytes: there are {KEY_GROUPS} key groups")
    if size == 0:
        return b""
    out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)
    cdef uint8_t* target = <uint8_t*>PyBytes_AS_STRING(out)
    with nogil:
        is_whole = keep_some(&stream[0], size, &mask[0], target, &kept)
    if not is_whole:
        raise ValueError("the stream is cut short")
    return out[:kept]


cdef bint keep_some(
    const uint8_t* data, size_t size, const uint8_t* mask, uint8_t* out, size_t* kept,
) noexcept nogil:
    cdef Cursor cursor = cursor_over(data, size)
    cdef const uint8_t* begin
    cdef const uint8_t* body
    cdef uint32_t head = 0
    cdef uint32_t flags = 0
    cdef int64_t time_ms = 0
    cdef uint64_t user_key = 0
    cdef size_t item_bytes
    while left(&cursor):
        begin = cursor.at
        if (
            read_le32(&cursor, &head) != STATUS_OK or read_le32(&cursor, &flags) != STATUS_OK
            or read_i64(&cursor, &time_ms) != STATUS_OK
            or read_le64(&cursor, &user_key) != STATUS_OK
        ):
            return False
        item_bytes = MARK_BYTES
        if head != MARK:
            item_bytes = EVENT_BYTES + <size_t>head
            if take(&cursor, item_bytes - MARK_BYTES, &body) != STATUS_OK:
                return False
            if not mask[user_key >> 52]:
                continue
        memcpy(out + kept[0], begin, item_bytes)
        kept[0] += item_bytes
    return True
