# The values of an event, checked in one pass in place: what JSON can say, in msgpack.
from libc.math cimport fabs, floor, isfinite
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from augenblick_native.cursor cimport (
    Cursor, left, likely, read_be16, read_be32, read_be64, read_u8, take, unlikely,
)
from augenblick_native.msgpack cimport NESTING_DEPTH_MAX, is_utf8
from augenblick_native.schema cimport (
    CLASS_BIG, CLASS_BOOL, CLASS_FLOAT, CLASS_INT, CLASS_LIST, CLASS_MAP, CLASS_NULL, CLASS_STR,
    CLASS_WHOLE,
)
from augenblick_native.status cimport (
    STATUS_BAD_MSGPACK, STATUS_BAD_NUMBER, STATUS_BAD_UTF8, STATUS_OK, STATUS_TOO_DEEP,
    STATUS_TRUNCATED, Status,
)

cdef enum:
    DIGITS_MAX = 20             # of a 64-bit integer with its sign

cdef extern from *:
    """
    #define AB_HIGH_BITS 0x8080808080808080ULL
    static const char ab_digit_pairs[] =
        "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243"
        "4445464748495051525354555657585960616263646566676869707172737475767778798081828384858687"
        "888990919293949596979899";
    #define AB_WHOLE_MAX 9007199254740992.0     /* 2**53: beyond it a double skips integers */
    """
    const uint64_t HIGH_BITS "AB_HIGH_BITS"
    const double WHOLE_MAX "AB_WHOLE_MAX"
    const char* digit_pairs "ab_digit_pairs"


cdef struct Text:
    const uint8_t* data
    uint32_t size


# One open container while its elements are checked.
cdef struct Level:
    uint64_t remaining          # values, keys included
    bint is_map


cdef inline bint is_plain(const uint8_t* data, size_t size) noexcept nogil:
    cdef uint64_t high = 0
    cdef uint64_t word
    cdef uint32_t half
    cdef uint16_t quarter
    while size >= 8:
        memcpy(&word, data, 8)
        high |= word
        data += 8
        size -= 8
    if size & 4:
        memcpy(&half, data, 4)
        high |= half
        data += 4
    if size & 2:
        memcpy(&quarter, data, 2)
        high |= quarter
        data += 2
    if size & 1:
        high |= data[0]
    return high & HIGH_BITS == 0


cdef inline bint is_text(const uint8_t* data, size_t size) noexcept nogil:
    return likely(is_plain(data, size)) or is_utf8(data, size)


cdef inline Status check_text(Cursor* cursor, uint32_t size) noexcept nogil:
    cdef const uint8_t* data
    if take(cursor, size, &data) != STATUS_OK:
        return STATUS_TRUNCATED
    return STATUS_OK if likely(is_text(data, size)) else STATUS_BAD_UTF8


cdef inline Status check_double(double number, uint32_t* value_class) noexcept nogil:
    if unlikely(not isfinite(number)):
        return STATUS_BAD_NUMBER
    if fabs(number) <= WHOLE_MAX and floor(number) == number:
        value_class[0] = CLASS_WHOLE
    else:
        value_class[0] = CLASS_FLOAT
    return STATUS_OK


# The rarer heads of check_head: everything from 0xC0 to 0xDF.
cdef inline Status check_tagged(
    Cursor* cursor, uint8_t tag, uint32_t* value_class, uint32_t* count,
) noexcept nogil:
    cdef const uint8_t* data
    cdef uint8_t u8
    cdef uint16_t u16
    cdef uint64_t u64
    cdef float number32
    cdef double number64
    if tag == 0xC0:
        value_class[0] = CLASS_NULL
        return STATUS_OK
    if tag == 0xC2 or tag == 0xC3:
        value_class[0] = CLASS_BOOL
        return STATUS_OK
    if tag >= 0xCC and tag <= 0xD3:
        value_class[0] = CLASS_INT
        if take(cursor, <size_t>1 << (tag & 3), &data) != STATUS_OK:
            return STATUS_TRUNCATED
        if tag == 0xCF and data[0] & 0x80:
            value_class[0] = CLASS_BIG
        return STATUS_OK
    if tag == 0xCA:
        if read_be32(cursor, count) != STATUS_OK:
            return STATUS_TRUNCATED
        memcpy(&number32, count, 4)
        return check_double(number32, value_class)
    if tag == 0xCB:
        if read_be64(cursor, &u64) != STATUS_OK:
            return STATUS_TRUNCATED
        memcpy(&number64, &u64, 8)
        return check_double(number64, value_class)
    if tag == 0xD9:
        if read_u8(cursor, &u8) != STATUS_OK:
            return STATUS_TRUNCATED
        count[0] = u8
    elif tag == 0xDA or tag == 0xDC or tag == 0xDE:
        if read_be16(cursor, &u16) != STATUS_OK:
            return STATUS_TRUNCATED
        count[0] = u16
    elif tag == 0xDB or tag == 0xDD or tag == 0xDF:
        if read_be32(cursor, count) != STATUS_OK:
            return STATUS_TRUNCATED
    else:
        return STATUS_BAD_MSGPACK
    if tag <= 0xDB:
        value_class[0] = CLASS_STR
        return check_text(cursor, count[0])
    value_class[0] = CLASS_LIST if tag <= 0xDD else CLASS_MAP
    return STATUS_OK


# Advance past the scalar at the cursor, checked, or past the header of a container.  count: bytes
# of a text, elements of a container (of a map: pairs).
cdef inline Status check_head(
    Cursor* cursor, uint32_t* value_class, uint32_t* count,
) noexcept nogil:
    cdef uint8_t tag
    if read_u8(cursor, &tag) != STATUS_OK:
        return STATUS_TRUNCATED
    if tag & 0xE0 == 0xA0:
        value_class[0] = CLASS_STR
        count[0] = tag & 0x1F
        return check_text(cursor, count[0])
    if tag < 0x80 or tag >= 0xE0:
        value_class[0] = CLASS_INT
        return STATUS_OK
    if tag < 0xA0:
        value_class[0] = CLASS_MAP if tag < 0x90 else CLASS_LIST
        count[0] = tag & 0x0F
        return STATUS_OK
    return check_tagged(cursor, tag, value_class, count)


cdef inline Status open_level(
    Cursor* cursor, Level* level, uint32_t value_class, uint32_t count,
) noexcept nogil:
    level.is_map = value_class == CLASS_MAP
    level.remaining = <uint64_t>count << level.is_map
    return STATUS_TRUNCATED if level.remaining > left(cursor) else STATUS_OK


# The elements of a container whose header has been read and which is the `depth`-th level (the
# event itself is the first).
cdef inline Status check_elements(
    Cursor* cursor, uint32_t value_class, uint32_t count, int depth,
) noexcept nogil:
    cdef Level[NESTING_DEPTH_MAX + 1] levels
    cdef int base = depth
    cdef bint is_key
    cdef Status status = STATUS_TOO_DEEP
    if depth <= NESTING_DEPTH_MAX:
        status = open_level(cursor, &levels[depth], value_class, count)
    if status != STATUS_OK:
        return status
    while True:
        while levels[depth].remaining == 0:
            if depth == base:
                return STATUS_OK
            depth -= 1
        is_key = levels[depth].is_map and levels[depth].remaining & 1 == 0
        levels[depth].remaining -= 1
        status = check_head(cursor, &value_class, &count)
        if status != STATUS_OK:
            return status
        if is_key and value_class != CLASS_STR:
            return STATUS_BAD_MSGPACK
        if value_class & (CLASS_LIST | CLASS_MAP):
            if depth == NESTING_DEPTH_MAX:
                return STATUS_TOO_DEEP
            depth += 1
            status = open_level(cursor, &levels[depth], value_class, count)
            if status != STATUS_OK:
                return status


# One whole value that would be the `depth`-th level if it is a container.
cdef inline Status check_whole(Cursor* cursor, int depth, uint32_t* value_class) noexcept nogil:
    cdef uint32_t count = 0
    cdef Status status = check_head(cursor, value_class, &count)
    if likely(status == STATUS_OK) and unlikely(value_class[0] & (CLASS_LIST | CLASS_MAP)):
        return check_elements(cursor, value_class[0], count, depth)
    return status


cdef inline Status read_key(Cursor* cursor, Text* key) noexcept nogil:
    cdef uint32_t value_class = 0
    cdef Status status = check_head(cursor, &value_class, &key.size)
    if unlikely(status != STATUS_OK):
        return status
    if unlikely(value_class != CLASS_STR):
        return STATUS_BAD_MSGPACK
    key.data = cursor.at - key.size
    return STATUS_OK


# The integer at the cursor, which check_head has passed as CLASS_INT before.
cdef inline uint64_t read_integer(Cursor cursor) noexcept nogil:
    cdef uint8_t tag = 0
    cdef uint8_t u8 = 0
    cdef uint16_t u16 = 0
    cdef uint32_t u32 = 0
    cdef uint64_t u64 = 0
    read_u8(&cursor, &tag)
    if tag < 0x80 or tag >= 0xE0:
        return <uint64_t><int64_t><int8_t>tag
    if tag == 0xCC or tag == 0xD0:
        read_u8(&cursor, &u8)
        return u8 if tag == 0xCC else <uint64_t><int64_t><int8_t>u8
    if tag == 0xCD or tag == 0xD1:
        read_be16(&cursor, &u16)
        return u16 if tag == 0xCD else <uint64_t><int64_t><int16_t>u16
    if tag == 0xCE or tag == 0xD2:
        read_be32(&cursor, &u32)
        return u32 if tag == 0xCE else <uint64_t><int64_t><int32_t>u32
    read_be64(&cursor, &u64)
    return u64


cdef inline double read_double(Cursor cursor) noexcept nogil:
    cdef uint8_t tag = 0
    cdef uint32_t u32 = 0
    cdef uint64_t u64 = 0
    cdef float number32
    cdef double number64
    read_u8(&cursor, &tag)
    if tag == 0xCA:
        read_be32(&cursor, &u32)
        memcpy(&number32, &u32, 4)
        return number32
    read_be64(&cursor, &u64)
    memcpy(&number64, &u64, 8)
    return number64


# The text of an integer, at most DIGITS_MAX bytes; returns how many.
cdef inline uint32_t write_decimal(
    uint64_t value, bint is_negative, uint8_t* digits,
) noexcept nogil:
    cdef uint8_t[DIGITS_MAX] text
    cdef uint32_t at = DIGITS_MAX
    if is_negative:
        value = 0 - value
    while value >= 100:
        at -= 2
        memcpy(text + at, digit_pairs + 2 * (value % 100), 2)
        value //= 100
    if value >= 10:
        at -= 2
        memcpy(text + at, digit_pairs + 2 * value, 2)
    else:
        at -= 1
        text[at] = <uint8_t>(c"0" + value)
    if is_negative:
        at -= 1
        text[at] = c"-"
    memcpy(digits, text + at, DIGITS_MAX - at)
    return DIGITS_MAX - at
