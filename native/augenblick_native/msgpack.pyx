# cython: language_level=3
"""msgpack reading in place: skipping, checking and reading values without copying them."""
from libc.math cimport isfinite

from augenblick_native.cursor cimport bswap32, bswap64

cdef enum Shape:
    SHAPE_SCALAR
    SHAPE_TEXT
    SHAPE_BYTES
    SHAPE_ARRAY
    SHAPE_MAP
    SHAPE_FLOAT32
    SHAPE_FLOAT64


cdef bint is_utf8(const uint8_t* data, size_t size) noexcept nogil:
    cdef const uint8_t* at = data
    cdef const uint8_t* end = data + size
    cdef uint64_t word
    cdef uint8_t lead
    cdef uint32_t point
    cdef int follow
    while at < end:
        while end - at >= 8:
            memcpy(&word, at, 8)
            if word & 0x8080808080808080ULL:
                break
            at += 8
        if at >= end:
            break
        lead = at[0]
        at += 1
        if lead < 0x80:
            continue
        if lead >= 0xC2 and lead <= 0xDF:
            follow = 1
            point = lead & 0x1F
        elif lead & 0xF0 == 0xE0:
            follow = 2
            point = lead & 0x0F
        elif lead >= 0xF0 and lead <= 0xF4:
            follow = 3
            point = lead & 0x07
        else:
            return False
        if end - at < follow:
            return False
        if follow == 1:
            if at[0] & 0xC0 != 0x80:
                return False
        else:
            for i in range(follow):
                if at[i] & 0xC0 != 0x80:
                    return False
                point = (point << 6) | (at[i] & 0x3F)
            if follow == 2 and (point < 0x800 or (point >= 0xD800 and point <= 0xDFFF)):
                return False
            if follow == 3 and (point < 0x10000 or point > 0x10FFFF):
                return False
        at += follow
    return True


# The rest of a head whose length stands behind the tag: bin, ext, str, array, map.
cdef inline Status read_counted_head(
    Cursor* cursor, uint8_t tag, Shape* shape, uint64_t* length,
) noexcept nogil:
    cdef uint8_t length8
    cdef uint16_t length16
    cdef uint32_t length32
    if tag == 0xD9 or tag == 0xC4 or tag == 0xC7:
        if read_u8(cursor, &length8) != STATUS_OK:
            return STATUS_TRUNCATED
        length[0] = length8
    elif tag == 0xDA or tag == 0xC5 or tag == 0xC8 or tag == 0xDC or tag == 0xDE:
        if read_be16(cursor, &length16) != STATUS_OK:
            return STATUS_TRUNCATED
        length[0] = length16
    else:
        if read_be32(cursor, &length32) != STATUS_OK:
            return STATUS_TRUNCATED
        length[0] = length32
    if tag >= 0xD9 and tag <= 0xDB:
        shape[0] = SHAPE_TEXT
    elif tag == 0xDC or tag == 0xDD:
        shape[0] = SHAPE_ARRAY
    elif tag == 0xDE or tag == 0xDF:
        shape[0] = SHAPE_MAP
        length[0] *= 2
    else:
        shape[0] = SHAPE_BYTES
        if tag >= 0xC7 and tag <= 0xC9:
            length[0] += 1
    return STATUS_OK


# Head of the value at the cursor: shape, payload bytes (of scalars, texts, bytes) or elements (of
# arrays, maps counted in values).
cdef inline Status read_head(Cursor* cursor, Shape* shape, uint64_t* length) noexcept nogil:
    cdef uint8_t tag
    if read_u8(cursor, &tag) != STATUS_OK:
        return STATUS_TRUNCATED
    length[0] = 0
    shape[0] = SHAPE_SCALAR
    if tag < 0x80 or tag >= 0xE0:
        return STATUS_OK
    if tag < 0x90:
        shape[0] = SHAPE_MAP
        length[0] = (tag & 0x0F) * 2
        return STATUS_OK
    if tag < 0xA0:
        shape[0] = SHAPE_ARRAY
        length[0] = tag & 0x0F
        return STATUS_OK
    if tag < 0xC0:
        shape[0] = SHAPE_TEXT
        length[0] = tag & 0x1F
        return STATUS_OK
    if tag == 0xC0 or tag == 0xC2 or tag == 0xC3:
        return STATUS_OK
    if tag == 0xC1:
        return STATUS_BAD_MSGPACK
    if tag == 0xCA:
        shape[0] = SHAPE_FLOAT32
        length[0] = 4
        return STATUS_OK
    if tag == 0xCB:
        shape[0] = SHAPE_FLOAT64
        length[0] = 8
        return STATUS_OK
    if tag >= 0xCC and tag <= 0xD3:
        length[0] = 1 << ((tag - 0xCC) & 3)
        return STATUS_OK
    if tag >= 0xD4 and tag <= 0xD8:
        shape[0] = SHAPE_BYTES
        length[0] = 1 + (1 << (tag - 0xD4))
        return STATUS_OK
    return read_counted_head(cursor, tag, shape, length)


cdef inline Status walk(Cursor* cursor, bint strict, int depth_max) noexcept nogil:
    cdef uint64_t[FRAME_DEPTH_MAX + 1] remaining
    cdef int depth = 0
    cdef Shape shape
    cdef uint64_t length
    cdef const uint8_t* data
    cdef Status status
    cdef uint32_t bits32
    cdef uint64_t bits64
    cdef float number32
    cdef double number64
    remaining[0] = 1
    while True:
        while remaining[depth] == 0:
            if depth == 0:
                return STATUS_OK
            depth -= 1
        remaining[depth] -= 1
        status = read_head(cursor, &shape, &length)
        if status != STATUS_OK:
            return status
        if shape == SHAPE_ARRAY or shape == SHAPE_MAP:
            if length == 0:
                continue
            if length > left(cursor):
                return STATUS_TRUNCATED
            if depth == depth_max:
                return STATUS_TOO_DEEP
            depth += 1
            remaining[depth] = length
            continue
        if length == 0:
            continue
        if take(cursor, <size_t>length, &data) != STATUS_OK:
            return STATUS_TRUNCATED
        if not strict:
            continue
        if shape == SHAPE_TEXT:
            if not is_utf8(data, <size_t>length):
                return STATUS_BAD_UTF8
        elif shape == SHAPE_FLOAT64:
            memcpy(&bits64, data, 8)
            bits64 = bswap64(bits64)
            memcpy(&number64, &bits64, 8)
            if not isfinite(number64):
                return STATUS_BAD_NUMBER
        elif shape == SHAPE_FLOAT32:
            memcpy(&bits32, data, 4)
            bits32 = bswap32(bits32)
            memcpy(&number32, &bits32, 4)
            if not isfinite(number32):
                return STATUS_BAD_NUMBER


cdef Status skip_value(Cursor* cursor) noexcept nogil:
    return walk(cursor, False, NESTING_DEPTH_MAX)


cdef Status skip_frame(Cursor* cursor) noexcept nogil:
    return walk(cursor, False, FRAME_DEPTH_MAX)


cdef Status skip_nested(Cursor* cursor) noexcept nogil:
    cdef uint64_t remaining = 1
    cdef Shape shape
    cdef uint64_t length
    cdef const uint8_t* data
    cdef Status status
    while remaining:
        if remaining > left(cursor):
            return STATUS_TRUNCATED
        remaining -= 1
        status = read_head(cursor, &shape, &length)
        if status != STATUS_OK:
            return status
        if shape == SHAPE_ARRAY or shape == SHAPE_MAP:
            remaining += length
        elif length and take(cursor, <size_t>length, &data) != STATUS_OK:
            return STATUS_TRUNCATED
    return STATUS_OK


cdef Status check_value(Cursor* cursor) noexcept nogil:
    return walk(cursor, True, NESTING_DEPTH_MAX)


# The integer behind a head of 0xCC to 0xD3.
cdef inline Status read_integer(Cursor* cursor, uint8_t tag, Value* out) noexcept nogil:
    cdef const uint8_t* data = cursor.at
    cdef uint8_t u8 = 0
    cdef uint16_t u16 = 0
    cdef uint32_t u32 = 0
    cdef uint64_t u64 = 0
    cdef Status status
    out.kind = VALUE_INT
    if tag == 0xCC or tag == 0xD0:
        status = read_u8(cursor, &u8)
        out.integer = <int64_t>u8 if tag == 0xCC else <int64_t><int8_t>u8
    elif tag == 0xCD or tag == 0xD1:
        status = read_be16(cursor, &u16)
        out.integer = <int64_t>u16 if tag == 0xCD else <int64_t><int16_t>u16
    elif tag == 0xCE or tag == 0xD2:
        status = read_be32(cursor, &u32)
        out.integer = <int64_t>u32 if tag == 0xCE else <int64_t><int32_t>u32
    else:
        status = read_be64(cursor, &u64)
        out.integer = <int64_t>u64
        if tag == 0xCF and u64 > 0x7FFFFFFFFFFFFFFFULL:
            out.kind = VALUE_OTHER
            out.data = data - 1
            out.size = 9
    return status


cdef inline Status read_float(Cursor* cursor, uint8_t tag, Value* out) noexcept nogil:
    cdef uint32_t u32 = 0
    cdef uint64_t u64 = 0
    cdef float number32
    cdef Status status
    out.kind = VALUE_FLOAT
    if tag == 0xCA:
        status = read_be32(cursor, &u32)
        memcpy(&number32, &u32, 4)
        out.number = number32
        return status
    status = read_be64(cursor, &u64)
    memcpy(&out.number, &u64, 8)
    return status


cdef Status read_value(Cursor* cursor, Value* out) noexcept nogil:
    cdef const uint8_t* start = cursor.at
    cdef uint8_t tag
    cdef Status status
    out[0] = missing()
    if cursor.at >= cursor.end:
        return STATUS_TRUNCATED
    tag = cursor.at[0]
    if (tag & 0xE0) == 0xA0 or (tag >= 0xD9 and tag <= 0xDB):
        out.kind = VALUE_STR
        return read_text(cursor, &out.data, &out.size)
    if tag < 0x80 or tag >= 0xE0 or tag == 0xC0 or (tag >= 0xC2 and tag <= 0xC3):
        cursor.at += 1
        if tag == 0xC0:
            out.kind = VALUE_NULL
        elif tag == 0xC2 or tag == 0xC3:
            out.kind = VALUE_BOOL
            out.integer = tag & 1
        else:
            out.kind = VALUE_INT
            out.integer = <int8_t>tag
        return STATUS_OK
    if tag >= 0xCA and tag <= 0xD3:
        cursor.at += 1
        return read_integer(cursor, tag, out) if tag > 0xCB else read_float(cursor, tag, out)
    status = skip_value(cursor)
    if status != STATUS_OK:
        return status
    out.kind = VALUE_LIST if (tag & 0xF0) == 0x90 or tag == 0xDC or tag == 0xDD else VALUE_OTHER
    out.data = start
    out.size = <uint32_t>(cursor.at - start)
    return STATUS_OK
