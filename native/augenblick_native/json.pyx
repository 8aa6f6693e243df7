# cython: language_level=3
"""JSON text to msgpack: strict RFC 8259, one pass, no Python object, the shortest forms.

Refused: anything behind the value, control characters in strings (bad_json), text that is no UTF-8
and lone surrogates (bad_utf8), integers beyond 64 bits, numbers beyond a double, NaN and Infinity
(bad_number), nesting beyond NESTING_DEPTH_MAX (too_deep).  Duplicate keys go on as they stand.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove, memset

from augenblick_native.buffer cimport (
    Buffer, buffer_free, buffer_room, pack_bool, pack_float, pack_int, pack_nil, pack_str,
    pack_uint, put_bytes, put_u8,
)
from augenblick_native.cursor cimport (
    Cursor, bswap16, bswap32, cursor_over, left, likely, take, unlikely,
)
from augenblick_native.msgpack cimport NESTING_DEPTH_MAX, is_utf8
from augenblick_native.status cimport (
    STATUS_BAD_JSON, STATUS_BAD_NUMBER, STATUS_BAD_UTF8, STATUS_NO_MEMORY, STATUS_OK,
    STATUS_TOO_DEEP, STATUS_TOO_LARGE,
)

from augenblick_native.status import ScanError


cdef extern from *:
    """
    #include <locale.h>
    #include <stdlib.h>
    #define AB_ONES 0x0101010101010101ULL
    #define AB_HIGHS 0x8080808080808080ULL
    #define AB_LOW_ZEROS(x) ((unsigned)__builtin_ctzll(x))

    /* The decimal point of the process's locale must not decide what a number is. */
    static double ab_strtod(const char *text) {
        static locale_t plain = (locale_t)0;
        if (plain == (locale_t)0) plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        return plain == (locale_t)0 ? strtod(text, NULL) : strtod_l(text, NULL, plain);
    }

    /* The powers of ten that a double holds exactly. */
    static const double ab_powers[23] = {
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
        1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    };
    """
    const uint64_t ONES "AB_ONES"
    const uint64_t HIGHS "AB_HIGHS"
    unsigned int low_zeros "AB_LOW_ZEROS"(uint64_t) noexcept nogil
    double text_to_double "ab_strtod"(const char* text) noexcept nogil
    const double* powers_of_ten "ab_powers"

cdef enum:
    EXPONENT_MAX = 100000       # larger exponents are as good as this one: 0 or beyond a double


# One open container: where its header stands in the output, how many elements or pairs it has so
# far.
cdef struct Level:
    size_t header_at
    uint32_t count
    bint is_map


cdef inline void skip_space(Cursor* text) noexcept nogil:
    cdef uint8_t byte
    while text.at < text.end:
        byte = text.at[0]
        if byte != c" " and byte != c"\n" and byte != c"\r" and byte != c"\t":
            return
        text.at += 1


cdef inline bint starts_with(const Cursor* text, const char* word, size_t size) noexcept nogil:
    return left(text) >= size and memcmp(text.at, word, size) == 0


cdef inline bint at_digit(const Cursor* text) noexcept nogil:
    return text.at < text.end and text.at[0] >= c"0" and text.at[0] <= c"9"


# Advance over bytes that stand for themselves: to the first quote, backslash, control character,
# byte above 127, or the end.
cdef inline void skip_plain(Cursor* text) noexcept nogil:
    cdef uint64_t word
    cdef uint64_t found
    cdef uint64_t quotes
    cdef uint64_t slashes
    cdef uint8_t byte
    while left(text) >= 8:
        memcpy(&word, text.at, 8)
        quotes = word ^ (ONES * 0x22)
        slashes = word ^ (ONES * 0x5C)
        found = (
            ((word - ONES * 0x20) & ~word)
            | ((quotes - ONES) & ~quotes)
            | ((slashes - ONES) & ~slashes)
            | word
        ) & HIGHS
        if found:
            text.at += low_zeros(found) >> 3
            return
        text.at += 8
    while text.at < text.end:
        byte = text.at[0]
        if byte == 0x22 or byte == 0x5C or byte < 0x20 or byte >= 0x80:
            return
        text.at += 1


cdef inline int hex_digit(uint8_t byte) noexcept nogil:
    if byte >= c"0" and byte <= c"9":
        return byte - c"0"
    byte |= 0x20
    if byte >= c"a" and byte <= c"f":
        return byte - c"a" + 10
    return -1


cdef inline Status read_hex4(Cursor* text, uint32_t* point) noexcept nogil:
    cdef const uint8_t* digits
    cdef int digit
    cdef int index
    if take(text, 4, &digits) != STATUS_OK:
        return STATUS_BAD_JSON
    point[0] = 0
    for index in range(4):
        digit = hex_digit(digits[index])
        if digit < 0:
            return STATUS_BAD_JSON
        point[0] = (point[0] << 4) | <uint32_t>digit
    return STATUS_OK


# The code point of a \u escape whose "\u" has been read; two escapes for one beyond U+FFFF.
cdef Status read_point(Cursor* text, uint32_t* point) noexcept nogil:
    cdef uint32_t low
    cdef const uint8_t* mark
    if read_hex4(text, point) != STATUS_OK:
        return STATUS_BAD_JSON
    if point[0] < 0xD800 or point[0] > 0xDFFF:
        return STATUS_OK
    if point[0] > 0xDBFF:
        return STATUS_BAD_UTF8
    if take(text, 2, &mark) != STATUS_OK or mark[0] != c"\\" or mark[1] != c"u":
        return STATUS_BAD_UTF8
    if read_hex4(text, &low) != STATUS_OK:
        return STATUS_BAD_JSON
    if low < 0xDC00 or low > 0xDFFF:
        return STATUS_BAD_UTF8
    point[0] = 0x10000 + ((point[0] - 0xD800) << 10) + (low - 0xDC00)
    return STATUS_OK


cdef void put_point(Buffer* out, uint32_t point) noexcept nogil:
    if point < 0x80:
        put_u8(out, <uint8_t>point)
        return
    if point < 0x800:
        put_u8(out, <uint8_t>(0xC0 | (point >> 6)))
    else:
        if point < 0x10000:
            put_u8(out, <uint8_t>(0xE0 | (point >> 12)))
        else:
            put_u8(out, <uint8_t>(0xF0 | (point >> 18)))
            put_u8(out, <uint8_t>(0x80 | ((point >> 12) & 0x3F)))
        put_u8(out, <uint8_t>(0x80 | ((point >> 6) & 0x3F)))
    put_u8(out, <uint8_t>(0x80 | (point & 0x3F)))


# Append what the escape at the cursor (behind its backslash) stands for.
cdef Status put_escape(Cursor* text, Buffer* out) noexcept nogil:
    cdef uint8_t byte
    cdef uint32_t point
    cdef Status status
    if text.at >= text.end:
        return STATUS_BAD_JSON
    byte = text.at[0]
    text.at += 1
    if byte == c'"' or byte == c"\\" or byte == c"/":
        put_u8(out, byte)
    elif byte == c"b":
        put_u8(out, 0x08)
    elif byte == c"f":
        put_u8(out, 0x0C)
    elif byte == c"n":
        put_u8(out, 0x0A)
    elif byte == c"r":
        put_u8(out, 0x0D)
    elif byte == c"t":
        put_u8(out, 0x09)
    elif byte == c"u":
        status = read_point(text, &point)
        if status != STATUS_OK:
            return status
        put_point(out, point)
    else:
        return STATUS_BAD_JSON
    return STATUS_OK


# Make `wanted` bytes of room at `at`, where `reserved` stand now; moves what is behind.
cdef Status resize_header(Buffer* out, size_t at, size_t reserved, size_t wanted) noexcept nogil:
    if wanted > reserved and buffer_room(out, wanted - reserved) == NULL:
        return STATUS_NO_MEMORY
    if wanted != reserved:
        memmove(out.data + at + wanted, out.data + at + reserved, out.size - at - reserved)
        out.size = out.size - reserved + wanted
    return STATUS_OK


# A string with escapes: decoded behind a header of five bytes, which then shrinks to the shortest.
cdef Status put_escaped(Cursor* text, const uint8_t* start, Buffer* out) noexcept nogil:
    cdef size_t header_at = out.size
    cdef const uint8_t* run = start
    cdef size_t size
    cdef size_t wanted
    cdef uint16_t big16
    cdef uint32_t big32
    cdef uint8_t* header
    cdef bint is_end
    cdef Status status
    if buffer_room(out, 5) == NULL:
        return STATUS_NO_MEMORY
    out.size += 5
    while True:
        skip_plain(text)
        if text.at >= text.end or text.at[0] < 0x20:
            return STATUS_BAD_JSON
        if text.at[0] >= 0x80:
            text.at += 1
            continue
        put_bytes(out, run, <size_t>(text.at - run))
        is_end = text.at[0] == c'"'
        text.at += 1
        if is_end:
            break
        status = put_escape(text, out)
        if status != STATUS_OK:
            return status
        run = text.at
    if out.failed:
        return STATUS_NO_MEMORY
    size = out.size - header_at - 5
    if not is_utf8(out.data + header_at + 5, size):
        return STATUS_BAD_UTF8
    wanted = 1 if size < 32 else 2 if size < 0x100 else 3 if size < 0x10000 else 5
    status = resize_header(out, header_at, 5, wanted)
    header = out.data + header_at
    if size < 32:
        header[0] = <uint8_t>(0xA0 | size)
    elif size < 0x100:
        header[0] = 0xD9
        header[1] = <uint8_t>size
    elif size < 0x10000:
        header[0] = 0xDA
        big16 = bswap16(<uint16_t>size)
        memcpy(header + 1, &big16, 2)
    else:
        header[0] = 0xDB
        big32 = bswap32(<uint32_t>size)
        memcpy(header + 1, &big32, 4)
    return status


# The string whose opening quote is at the cursor.
cdef Status put_string(Cursor* text, Buffer* out) noexcept nogil:
    cdef const uint8_t* start
    cdef bint is_ascii = True
    if text.at >= text.end or text.at[0] != c'"':
        return STATUS_BAD_JSON
    text.at += 1
    start = text.at
    while True:
        skip_plain(text)
        if text.at >= text.end or text.at[0] < 0x20:
            return STATUS_BAD_JSON
        if text.at[0] == c"\\":
            return put_escaped(text, start, out)
        if text.at[0] == c'"':
            break
        is_ascii = False
        text.at += 1
    if not is_ascii and not is_utf8(start, <size_t>(text.at - start)):
        return STATUS_BAD_UTF8
    pack_str(out, start, <size_t>(text.at - start))
    text.at += 1
    return STATUS_OK


# strtod on a copy of the token, which is known to be a JSON number.
cdef Status put_double(const uint8_t* start, const uint8_t* end, Buffer* out) noexcept nogil:
    cdef char[NUMBER_BYTES_MAX + 1] token
    cdef size_t size = <size_t>(end - start)
    cdef double number
    if size > NUMBER_BYTES_MAX:
        return STATUS_BAD_NUMBER
    memcpy(token, start, size)
    token[size] = 0
    number = text_to_double(token)
    if not isfinite(number):
        return STATUS_BAD_NUMBER
    pack_float(out, number)
    return STATUS_OK


# Digits at the cursor are added to the mantissa; false if it would not fit 64 bits.
cdef inline bint read_digits(Cursor* text, uint64_t* mantissa) noexcept nogil:
    cdef bint fits = True
    cdef uint64_t digit
    while at_digit(text):
        digit = text.at[0] - c"0"
        if unlikely(mantissa[0] > (0xFFFFFFFFFFFFFFFFULL - digit) // 10):
            fits = False
        else:
            mantissa[0] = mantissa[0] * 10 + digit
        text.at += 1
    return fits


# The number at the cursor.  A mantissa within 53 bits and a power of ten that a double holds
# exactly need one correctly rounded operation (Clinger 1990); everything else goes through
# strtod.
cdef Status put_number(Cursor* text, Buffer* out) noexcept nogil:
    cdef const uint8_t* start = text.at
    cdef const uint8_t* digits
    cdef bint is_negative = text.at[0] == c"-"
    cdef bint minus
    cdef bint fits
    cdef uint64_t mantissa = 0
    cdef int64_t exponent = 0
    cdef int64_t shift = 0
    cdef double number
    text.at += is_negative
    if not at_digit(text):
        return STATUS_BAD_NUMBER if starts_with(text, b"Infinity", 8) else STATUS_BAD_JSON
    if text.at[0] == c"0":
        text.at += 1
        fits = True
    else:
        fits = read_digits(text, &mantissa)
    if text.at >= text.end or (text.at[0] != c"." and text.at[0] | 0x20 != c"e"):
        if not fits or (is_negative and mantissa > 0x8000000000000000ULL):
            return STATUS_BAD_NUMBER
        if is_negative:
            pack_int(out, <int64_t>(0 - mantissa))
        else:
            pack_uint(out, mantissa)
        return STATUS_OK
    if text.at[0] == c".":
        text.at += 1
        if not at_digit(text):
            return STATUS_BAD_JSON
        digits = text.at
        fits = read_digits(text, &mantissa) and fits
        shift = text.at - digits
    if text.at < text.end and text.at[0] | 0x20 == c"e":
        text.at += 1
        minus = text.at < text.end and text.at[0] == c"-"
        if minus or (text.at < text.end and text.at[0] == c"+"):
            text.at += 1
        if not at_digit(text):
            return STATUS_BAD_JSON
        while at_digit(text):
            if exponent < EXPONENT_MAX:
                exponent = exponent * 10 + (text.at[0] - c"0")
            text.at += 1
        if minus:
            exponent = -exponent
    exponent -= shift
    if not fits or mantissa > (1ULL << 53) or exponent < -22 or exponent > 22:
        return put_double(start, text.at, out)
    number = <double>mantissa
    if exponent < 0:
        number /= powers_of_ten[-exponent]
    else:
        number *= powers_of_ten[exponent]
    pack_float(out, -number if is_negative else number)
    return STATUS_OK


# Any value but a container.
cdef Status put_scalar(Cursor* text, Buffer* out) noexcept nogil:
    cdef uint8_t byte = text.at[0]
    if byte == c'"':
        return put_string(text, out)
    if byte == c"-" or (byte >= c"0" and byte <= c"9"):
        return put_number(text, out)
    if starts_with(text, b"true", 4):
        pack_bool(out, True)
        text.at += 4
    elif starts_with(text, b"false", 5):
        pack_bool(out, False)
        text.at += 5
    elif starts_with(text, b"null", 4):
        pack_nil(out)
        text.at += 4
    elif starts_with(text, b"NaN", 3) or starts_with(text, b"Infinity", 8):
        return STATUS_BAD_NUMBER
    else:
        return STATUS_BAD_JSON
    return STATUS_OK


# A key and its colon.
cdef inline Status put_key(Cursor* text, Buffer* out) noexcept nogil:
    cdef Status status
    skip_space(text)
    status = put_string(text, out)
    if status != STATUS_OK:
        return status
    skip_space(text)
    if text.at >= text.end or text.at[0] != c":":
        return STATUS_BAD_JSON
    text.at += 1
    return STATUS_OK


# Write the header of a container that is complete, in its shortest form.
cdef Status close_level(Level* level, Buffer* out) noexcept nogil:
    cdef uint32_t count = level.count
    cdef uint8_t* header
    cdef uint16_t big16
    cdef uint32_t big32
    if out.failed:
        return STATUS_NO_MEMORY
    if likely(count < 16):
        out.data[level.header_at] = <uint8_t>((0x80 if level.is_map else 0x90) | count)
        return STATUS_OK
    if resize_header(out, level.header_at, 1, 3 if count < 0x10000 else 5) != STATUS_OK:
        return STATUS_NO_MEMORY
    header = out.data + level.header_at
    header[0] = <uint8_t>((0xDE if level.is_map else 0xDC) + (count >= 0x10000))
    if count < 0x10000:
        big16 = bswap16(<uint16_t>count)
        memcpy(header + 1, &big16, 2)
    else:
        big32 = bswap32(count)
        memcpy(header + 1, &big32, 4)
    return STATUS_OK


# After one value: close every container that ends here.  `done` if that was the whole text, else
# the next value follows.
cdef Status end_value(
    Cursor* text, Buffer* out, Level* levels, int* depth, bint* done,
) noexcept nogil:
    cdef Level* level
    while True:
        skip_space(text)
        if depth[0] == 0:
            done[0] = True
            return STATUS_OK if text.at == text.end else STATUS_BAD_JSON
        if text.at >= text.end:
            return STATUS_BAD_JSON
        level = &levels[depth[0] - 1]
        level.count += 1
        if text.at[0] == c",":
            text.at += 1
            return put_key(text, out) if level.is_map else STATUS_OK
        if text.at[0] != (c"}" if level.is_map else c"]"):
            return STATUS_BAD_JSON
        text.at += 1
        if close_level(level, out) != STATUS_OK:
            return STATUS_NO_MEMORY
        depth[0] -= 1


# The bracket at the cursor opens a container; `is_empty` if it closes at once.
cdef inline Status open_level(
    Cursor* text, Buffer* out, Level* level, bint* is_empty,
) noexcept nogil:
    level.is_map = text.at[0] == c"{"
    level.count = 0
    level.header_at = out.size
    put_u8(out, 0)
    text.at += 1
    skip_space(text)
    is_empty[0] = text.at < text.end and text.at[0] == (c"}" if level.is_map else c"]")
    if is_empty[0]:
        text.at += 1
        return close_level(level, out)
    return put_key(text, out) if level.is_map else STATUS_OK


cdef Status transcode_json(const uint8_t* data, size_t size, Buffer* out) noexcept nogil:
    cdef Level[NESTING_DEPTH_MAX] levels
    cdef int depth = 0
    cdef bint done = False
    cdef bint is_empty = False
    cdef Status status
    cdef Cursor text = cursor_over(data, size)
    if size > 0xFFFFFFFFU:
        return STATUS_TOO_LARGE
    while not done:
        skip_space(&text)
        if text.at >= text.end:
            return STATUS_BAD_JSON
        if text.at[0] == c"{" or text.at[0] == c"[":
            if depth == NESTING_DEPTH_MAX:
                return STATUS_TOO_DEEP
            status = open_level(&text, out, &levels[depth], &is_empty)
            if status != STATUS_OK:
                return status
            if not is_empty:
                depth += 1
                continue
        else:
            status = put_scalar(&text, out)
            if status != STATUS_OK:
                return status
        status = end_value(&text, out, levels, &depth, &done)
        if status != STATUS_OK:
            return status
    return STATUS_NO_MEMORY if out.failed else STATUS_OK


def to_msgpack(const uint8_t[::1] text not None):
    """One JSON text as msgpack bytes in its shortest form.  Raises ScanError, with offset 0."""
    cdef Buffer out
    cdef Status status
    cdef const uint8_t* data = &text[0] if text.shape[0] else NULL
    memset(&out, 0, sizeof(Buffer))
    with nogil:
        status = transcode_json(data, <size_t>text.shape[0], &out)
    try:
        if status == STATUS_NO_MEMORY:
            raise MemoryError
        if status != STATUS_OK:
            raise ScanError(status, 0)
        return PyBytes_FromStringAndSize(<const char*>out.data, <Py_ssize_t>out.size)
    finally:
        buffer_free(&out)
