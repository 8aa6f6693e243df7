# cython: language_level=3
"""The frame that Forward clients send most, taken apart in one step.

A PackedForward message whose options are the usual ones.  Everything else, also what is broken,
incomplete or rare, is left to `ingest.dialects.forward`, which knows the whole protocol.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memcpy

from augenblick_native.check cimport is_text
from augenblick_native.cursor cimport (
    Cursor, cursor_over, read_be16, read_be32, read_u8, take, unlikely,
)
from augenblick_native.status cimport STATUS_OK

__all__ = ["IS_END", "IS_WARM", "packed_frame"]

cdef enum:
    CHUNK_BYTES_MAX = 128               # engine/augenblick/limits.py: chunk_id_bytes_max
    FRAME_BYTES_MAX = 16 * 1024 * 1024  # likewise: frame_bytes_max
    FLAG_END = 1
    FLAG_WARM = 2

IS_END = FLAG_END
IS_WARM = FLAG_WARM

LIMITS = {"chunk_id_bytes_max": CHUNK_BYTES_MAX, "frame_bytes_max": FRAME_BYTES_MAX}
"""The bounds compiled in; a test holds them against augenblick.limits."""


cdef struct Frame:
    const uint8_t* tag
    uint32_t tag_size
    const uint8_t* entries
    uint32_t entries_size
    const uint8_t* chunk                # the whole msgpack value, as an ack returns it
    uint32_t chunk_size
    uint32_t chunk_header               # bytes of it before the id
    uint32_t flags


def packed_frame(const uint8_t[::1] data not None, size_t start, size_t stop):
    """(offset after the frame, tag, start and end of its entries, chunk id, ack, IS_END | IS_WARM)
    of the frame that begins at `start`; None if it is not whole or not of the usual form.

    tag        text (UTF-8) of at most 255 bytes
    entries    uncompressed, in a bin or str; not looked into
    options    none, nil, or a map of at most 15 of: chunk (str or bin), size (unsigned), end and
               warm (bool)
    chunk, ack empty without the option; the ack is {"ack": chunk id as it came}

    Raises ValueError for an impossible range.
    """
    cdef Frame frame
    cdef Cursor cursor
    if start > stop or stop > <size_t>data.shape[0]:
        raise ValueError(f"no range {start}:{stop} in {data.shape[0]} bytes")
    if start == stop:
        return None
    cursor = cursor_over(&data[start], stop - start)
    if not read_frame(&cursor, &frame) or cursor.at - &data[start] > FRAME_BYTES_MAX:
        return None
    return (
        cursor.at - &data[0],
        bytes_of(frame.tag, frame.tag_size),
        frame.entries - &data[0],
        frame.entries - &data[0] + frame.entries_size,
        bytes_of(frame.chunk + frame.chunk_header, frame.chunk_size - frame.chunk_header),
        ack_of(&frame),
        frame.flags,
    )


cdef bytes bytes_of(const uint8_t* data, size_t size):
    return PyBytes_FromStringAndSize(<const char*>data, <Py_ssize_t>size) if size else b""


cdef bytes ack_of(const Frame* frame):
    cdef uint8_t[CHUNK_BYTES_MAX + 8] ack
    if not frame.chunk_size:
        return b""
    memcpy(ack, b"\x81\xa3ack", 5)
    memcpy(&ack[5], frame.chunk, frame.chunk_size)
    return bytes_of(ack, 5 + frame.chunk_size)


cdef bint read_frame(Cursor* cursor, Frame* frame) noexcept nogil:
    cdef uint8_t first
    cdef uint32_t header
    frame.chunk = NULL
    frame.chunk_size = frame.chunk_header = frame.flags = 0
    if read_u8(cursor, &first) != STATUS_OK or (first != 0x92 and first != 0x93):
        return False
    if not read_span(cursor, &frame.tag, &frame.tag_size, &header) or header > 2:
        return False
    if not is_text(frame.tag, frame.tag_size):
        return False
    if not read_span(cursor, &frame.entries, &frame.entries_size, &header):
        return False
    return first == 0x92 or read_options(cursor, frame)


# A str or bin; `header`: the bytes before `data`.
cdef bint read_span(
    Cursor* cursor, const uint8_t** data, uint32_t* size, uint32_t* header,
) noexcept nogil:
    cdef uint8_t first = 0
    cdef uint8_t small = 0
    cdef uint16_t middle = 0
    if read_u8(cursor, &first) != STATUS_OK:
        return False
    if first & 0xE0 == 0xA0:
        size[0] = first & 0x1F
        header[0] = 1
    elif first == 0xC4 or first == 0xD9:
        if read_u8(cursor, &small) != STATUS_OK:
            return False
        size[0] = small
        header[0] = 2
    elif first == 0xC5 or first == 0xDA:
        if read_be16(cursor, &middle) != STATUS_OK:
            return False
        size[0] = middle
        header[0] = 3
    elif first == 0xC6 or first == 0xDB:
        if read_be32(cursor, size) != STATUS_OK:
            return False
        header[0] = 5
    else:
        return False
    return take(cursor, size[0], data) == STATUS_OK


cdef bint read_options(Cursor* cursor, Frame* frame) noexcept nogil:
    cdef uint8_t first = 0
    if read_u8(cursor, &first) != STATUS_OK:
        return False
    if first == 0xC0:
        return True
    if first & 0xF0 != 0x80:
        return False
    for _ in range(<uint32_t>(first & 0x0F)):
        if unlikely(not read_option(cursor, frame)):
            return False
    return True


cdef bint read_option(Cursor* cursor, Frame* frame) noexcept nogil:
    cdef const uint8_t* key = NULL
    cdef uint32_t size = 0
    cdef uint32_t header = 0
    if not read_span(cursor, &key, &size, &header) or header != 1:
        return False
    if size == 5 and memcmp(key, b"chunk", 5) == 0:
        return read_chunk(cursor, frame)
    if size == 4 and memcmp(key, b"size", 4) == 0:
        return skip_unsigned(cursor)
    if size == 4 and memcmp(key, b"warm", 4) == 0:
        return read_flag(cursor, FLAG_WARM, &frame.flags)
    if size == 3 and memcmp(key, b"end", 3) == 0:
        return read_flag(cursor, FLAG_END, &frame.flags)
    return False


# In its shortest form: so it goes back as it came.
cdef bint read_chunk(Cursor* cursor, Frame* frame) noexcept nogil:
    cdef const uint8_t* data = NULL
    cdef uint32_t size = 0
    frame.chunk = cursor.at
    if not read_span(cursor, &data, &size, &frame.chunk_header) or size > CHUNK_BYTES_MAX:
        return False
    frame.chunk_size = frame.chunk_header + size
    if frame.chunk_header == 1:
        return True
    return frame.chunk_header == 2 and (frame.chunk[0] == 0xC4 or size > 31)


cdef bint skip_unsigned(Cursor* cursor) noexcept nogil:
    cdef uint8_t first = 0
    cdef const uint8_t* data = NULL
    if read_u8(cursor, &first) != STATUS_OK:
        return False
    if first < 0x80:
        return True
    return 0xCC <= first <= 0xCF and take(cursor, 1 << (first - 0xCC), &data) == STATUS_OK


cdef bint read_flag(Cursor* cursor, uint32_t flag, uint32_t* flags) noexcept nogil:
    cdef uint8_t first = 0
    if read_u8(cursor, &first) != STATUS_OK or (first != 0xC2 and first != 0xC3):
        return False
    flags[0] = flags[0] | flag if first == 0xC3 else flags[0] & ~flag
    return True
