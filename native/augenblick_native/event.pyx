# cython: language_level=3
"""One event's map, read in place in one pass.

An event holds what JSON can say: maps with text keys, lists, UTF-8 text, finite numbers, integers
of 64 bits, true, false, null; msgpack's bin and ext are refused (bad_msgpack).  Own fields that are
null count as absent.  An own field that stands twice is refused as wrong, so that nobody behind the
router can read another user than the one it was routed by.
"""
from libc.math cimport fabs, floor
from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memcpy

from augenblick_native.buffer cimport pack_map, pack_str, put_bytes
from augenblick_native.cursor cimport left, likely, read_be32, read_u8, unlikely
from augenblick_native.msgpack cimport read_map_header
from augenblick_native.schema cimport (
    CLASS_BIG, CLASS_FLOAT, CLASS_INT, CLASS_LIST, CLASS_MAP, CLASS_STR, CLASS_WHOLE,
)
from augenblick_native.schema cimport find_event, takes_property
from augenblick_native.status cimport (
    STATUS_BAD_CONSENT, STATUS_BAD_CONTEXT, STATUS_BAD_EVENT, STATUS_BAD_ID, STATUS_BAD_MSGPACK,
    STATUS_BAD_PROPERTY, STATUS_BAD_PROPS, STATUS_BAD_SESSION, STATUS_BAD_TIME, STATUS_BAD_USER,
    STATUS_EVENT_TOO_LONG, STATUS_ID_TOO_LONG, STATUS_NOT_A_MAP, STATUS_NO_EVENT, STATUS_NO_USER,
    STATUS_OK, STATUS_RESERVED_EVENT, STATUS_TIME_RANGE, STATUS_TOO_LARGE, STATUS_TRUNCATED,
    STATUS_UNKNOWN_EVENT, STATUS_USER_TOO_LONG,
)
from augenblick_native.check cimport (
    WHOLE_MAX, check_head, check_whole, read_double, read_integer, read_key, write_decimal,
)

cdef extern from *:
    """
    /* The own keys as msgpack in its shortest form, read as little-endian words. */
    #define AB_KEY_USER 0x72657375A4ULL
    #define AB_KEY_TIME 0x656D6974A4ULL
    #define AB_KEY_EVENT 0x746E657665A5ULL
    #define AB_KEY_PROPS 0x73706F7270A5ULL
    #define AB_KEY_ID 0x6469A2ULL
    #define AB_KEY_SESSION 0x6E6F6973736573A7ULL
    #define AB_KEY_CONTEXT 0x747865746E6F63A7ULL
    #define AB_KEY_CONSENT 0x746E65736E6F63A7ULL
    """
    const uint64_t KEY_USER "AB_KEY_USER"
    const uint64_t KEY_TIME "AB_KEY_TIME"
    const uint64_t KEY_EVENT "AB_KEY_EVENT"
    const uint64_t KEY_PROPS "AB_KEY_PROPS"
    const uint64_t KEY_ID "AB_KEY_ID"
    const uint64_t KEY_SESSION "AB_KEY_SESSION"
    const uint64_t KEY_CONTEXT "AB_KEY_CONTEXT"
    const uint64_t KEY_CONSENT "AB_KEY_CONSENT"


# The own field whose key is at the cursor in its shortest form, which is then passed; else 0.
cdef inline uint32_t take_own_key(Cursor* cursor) noexcept nogil:
    cdef uint64_t word
    cdef uint32_t own = 0
    cdef size_t size
    if left(cursor) < 8:
        return 0
    memcpy(&word, cursor.at, 8)
    size = 1 + (<size_t>word & 0x1F)
    if size == 5:
        word &= 0xFFFFFFFFFFULL
        own = OWN_USER if word == KEY_USER else OWN_TIME if word == KEY_TIME else 0
    elif size == 6:
        word &= 0xFFFFFFFFFFFFULL
        own = OWN_EVENT if word == KEY_EVENT else OWN_PROPS if word == KEY_PROPS else 0
    elif size == 3:
        own = OWN_ID if word & 0xFFFFFF == KEY_ID else 0
    elif size == 8:
        own = OWN_CONTEXT if word == KEY_CONTEXT else OWN_SESSION if word == KEY_SESSION else 0
        own = OWN_CONSENT if word == KEY_CONSENT else own
    if own:
        cursor.at += size
    return own


cdef inline uint32_t own_key(const Text* key) noexcept nogil:
    if key.size == 4:
        if memcmp(key.data, b"user", 4) == 0:
            return OWN_USER
        if memcmp(key.data, b"time", 4) == 0:
            return OWN_TIME
    elif key.size == 5:
        if memcmp(key.data, b"event", 5) == 0:
            return OWN_EVENT
        if memcmp(key.data, b"props", 5) == 0:
            return OWN_PROPS
    elif key.size == 2:
        if memcmp(key.data, b"id", 2) == 0:
            return OWN_ID
    elif key.size == 7:
        if memcmp(key.data, b"context", 7) == 0:
            return OWN_CONTEXT
        if memcmp(key.data, b"session", 7) == 0:
            return OWN_SESSION
        if memcmp(key.data, b"consent", 7) == 0:
            return OWN_CONSENT
    return 0


cdef Status wrong(uint32_t own) noexcept nogil:
    if own == OWN_USER:
        return STATUS_BAD_USER
    if own == OWN_EVENT:
        return STATUS_BAD_EVENT
    if own == OWN_TIME:
        return STATUS_BAD_TIME
    if own == OWN_ID:
        return STATUS_BAD_ID
    if own == OWN_SESSION:
        return STATUS_BAD_SESSION
    if own == OWN_PROPS:
        return STATUS_BAD_PROPS
    if own == OWN_CONTEXT:
        return STATUS_BAD_CONTEXT
    return STATUS_BAD_CONSENT


# A name of something: non-empty text, or an integer of 63 bits, which is its decimal text
# (written to `digits`).
cdef inline Status read_name(
    Cursor* cursor, uint8_t* digits, uint32_t bytes_max, Status wrong_status, Status long_status,
    Text* out,
) noexcept nogil:
    cdef Cursor start = cursor[0]
    cdef uint32_t value_class = 0
    cdef Status status = check_head(cursor, &value_class, &out.size)
    cdef uint64_t value
    if unlikely(status != STATUS_OK):
        return status
    if likely(value_class == CLASS_STR):
        if out.size == 0:
            return wrong_status
        out.data = cursor.at - out.size
        return STATUS_OK if out.size <= bytes_max else long_status
    if digits == NULL or value_class != CLASS_INT:
        return wrong_status
    value = read_integer(start)
    out.size = write_decimal(value, <int64_t>value < 0, digits)
    out.data = digits
    return STATUS_OK


cdef inline Status read_time(Cursor* cursor, int64_t* event_ms) noexcept nogil:
    cdef Cursor start = cursor[0]
    cdef uint32_t value_class = 0
    cdef uint32_t count = 0
    cdef Status status = check_head(cursor, &value_class, &count)
    if unlikely(status != STATUS_OK):
        return status
    if likely(value_class == CLASS_INT):
        event_ms[0] = <int64_t>read_integer(start)
        return check_range(event_ms[0])
    if value_class == CLASS_WHOLE:
        event_ms[0] = <int64_t>read_double(start)
        return check_range(event_ms[0])
    if value_class == CLASS_BIG:
        return STATUS_TIME_RANGE
    if value_class == CLASS_FLOAT and fabs(read_double(start)) > WHOLE_MAX:
        return STATUS_TIME_RANGE
    return STATUS_BAD_TIME


cdef Status read_carrier_ms(Cursor* cursor, int64_t* event_ms) noexcept nogil:
    cdef Cursor start = cursor[0]
    cdef uint32_t value_class = 0
    cdef uint32_t count = 0
    cdef uint32_t seconds
    cdef uint32_t nanoseconds
    cdef double number
    cdef int64_t whole
    cdef uint8_t tag = 0
    cdef uint8_t size = 8
    cdef uint8_t kind = 0
    read_u8(cursor, &tag)
    if tag == 0xD7 or tag == 0xC7:
        if tag == 0xC7 and read_u8(cursor, &size) != STATUS_OK:
            return STATUS_TRUNCATED
        if read_u8(cursor, &kind) != STATUS_OK:
            return STATUS_TRUNCATED
        if size != 8 or kind != 0:
            return STATUS_BAD_TIME
        if read_be32(cursor, &seconds) != STATUS_OK or read_be32(cursor, &nanoseconds) != STATUS_OK:
            return STATUS_TRUNCATED
        if nanoseconds >= 1000000000U:
            return STATUS_BAD_TIME
        event_ms[0] = <int64_t>seconds * 1000 + nanoseconds // 1000000
        return check_range(event_ms[0])
    cursor[0] = start
    if check_head(cursor, &value_class, &count) != STATUS_OK:
        return STATUS_BAD_TIME
    if value_class == CLASS_INT:
        whole = <int64_t>read_integer(start)
        if whole < TIME_MS_MIN // 1000 or whole >= TIME_MS_MAX // 1000:
            return STATUS_TIME_RANGE
        event_ms[0] = whole * 1000
        return STATUS_OK
    if value_class == CLASS_FLOAT or value_class == CLASS_WHOLE:
        number = floor(read_double(start) * 1000.0 + 0.5)
        if number < <double>TIME_MS_MIN or number >= <double>TIME_MS_MAX:
            return STATUS_TIME_RANGE
        event_ms[0] = <int64_t>number
        return STATUS_OK
    return STATUS_TIME_RANGE if value_class == CLASS_BIG else STATUS_BAD_TIME


# The pairs of props: any values under text keys; those the plan declares for this event are
# checked against it.
cdef Status scan_props(
    Cursor* cursor, EventRules* rules, EventRule* rule, uint32_t pairs, uint32_t* required,
) noexcept nogil:
    cdef Text key
    cdef uint32_t value_class = 0
    cdef uint32_t _index
    cdef Status status
    required[0] = 0
    rules.scans += 1
    for _index in range(pairs):
        status = read_key(cursor, &key)
        if unlikely(status != STATUS_OK):
            return status
        status = check_whole(cursor, 3, &value_class)
        if unlikely(status != STATUS_OK):
            return status
        if rule != NULL and not takes_property(
            rule, rules.scans, key.data, key.size, value_class, required,
        ):
            return STATUS_BAD_PROPERTY
    return STATUS_OK


# The pairs of the context; notes where `stream` stands.
cdef Status scan_context(Cursor* cursor, Event* event) noexcept nogil:
    cdef Text key
    cdef const uint8_t* pair_at
    cdef uint32_t value_class = 0
    cdef uint32_t _index
    cdef Status status
    event.context_at = cursor.at
    for _index in range(event.context_pairs):
        pair_at = cursor.at
        status = read_key(cursor, &key)
        if unlikely(status != STATUS_OK):
            return status
        status = check_whole(cursor, 3, &value_class)
        if unlikely(status != STATUS_OK):
            return status
        if key.size == 6 and memcmp(key.data, b"stream", 6) == 0:
            if event.stream_at != NULL:
                return STATUS_BAD_CONTEXT
            event.stream_at = pair_at
            event.stream_end = cursor.at
    event.context_end = cursor.at
    return STATUS_OK


cdef Status scan_consent(Cursor* cursor, uint32_t purposes) noexcept nogil:
    cdef uint32_t value_class = 0
    cdef uint32_t count = 0
    cdef uint32_t _index
    cdef Status status
    for _index in range(purposes):
        status = check_head(cursor, &value_class, &count)
        if status != STATUS_OK:
            return status
        if value_class != CLASS_STR:
            return STATUS_BAD_CONSENT
    return STATUS_OK


cdef inline Status scan_name(Cursor* cursor, EventRules* rules, Event* event) noexcept nogil:
    cdef Status status = read_name(
        cursor, NULL, EVENT_NAME_BYTES_MAX, STATUS_BAD_EVENT, STATUS_EVENT_TOO_LONG, &event.name,
    )
    if unlikely(status != STATUS_OK):
        return status
    event.rule = find_event(rules, event.name.data, event.name.size)
    if event.rule == NULL:
        return STATUS_UNKNOWN_EVENT if rules.unknown_refused else STATUS_OK
    return STATUS_RESERVED_EVENT if event.rule.is_reserved else STATUS_OK


# The value of an own field that is a container.
cdef Status scan_compound(
    Cursor* cursor, EventRules* rules, Event* event, uint32_t own, uint32_t* required,
) noexcept nogil:
    cdef uint32_t value_class = 0
    cdef uint32_t count = 0
    cdef Status status = check_head(cursor, &value_class, &count)
    if status != STATUS_OK:
        return status
    if value_class != (CLASS_LIST if own == OWN_CONSENT else CLASS_MAP):
        return wrong(own)
    if own == OWN_PROPS:
        if count > PROPS_KEYS_MAX:
            return STATUS_BAD_PROPS
        event.props_at = cursor.at
        event.props_pairs = count
        return scan_props(cursor, rules, event.rule, count, required)
    if own == OWN_CONTEXT:
        event.context_pairs = count
        return scan_context(cursor, event) if count <= CONTEXT_KEYS_MAX else STATUS_BAD_CONTEXT
    return scan_consent(cursor, count)


# The value of one own field of the event.
cdef inline Status scan_own(
    Cursor* cursor, EventRules* rules, Event* event, uint32_t own, uint32_t* required,
) noexcept nogil:
    cdef Text session
    cdef uint8_t[DIGITS_MAX] session_digits
    cdef Status status
    if own == OWN_USER:
        event.user_at = cursor.at
        status = read_name(
            cursor, event.user_digits, USER_BYTES_MAX, STATUS_BAD_USER, STATUS_USER_TOO_LONG,
            &event.user,
        )
        event.user_end = cursor.at
        return status
    if own == OWN_EVENT:
        return scan_name(cursor, rules, event)
    if own == OWN_TIME:
        event.has_time = True
        return read_time(cursor, &event.event_ms)
    if own == OWN_ID:
        return read_name(
            cursor, event.id_digits, ID_BYTES_MAX, STATUS_BAD_ID, STATUS_ID_TOO_LONG, &event.id,
        )
    if own == OWN_SESSION:
        return read_name(
            cursor, session_digits, SESSION_BYTES_MAX, STATUS_BAD_SESSION, STATUS_BAD_SESSION,
            &session,
        )
    return scan_compound(cursor, rules, event, own, required)


cdef inline void add_cut(
    Event* event, const uint8_t* start, const uint8_t* end, bint is_context,
) noexcept nogil:
    event.cuts[event.cut_count].start = start
    event.cuts[event.cut_count].end = end
    event.cuts[event.cut_count].is_context = is_context
    event.cut_count += 1


# One pair of the event's map.
cdef inline Status scan_pair(
    Cursor* cursor, EventRules* rules, Event* event, uint32_t* required,
) noexcept nogil:
    cdef const uint8_t* pair_at = cursor.at
    cdef Text key
    cdef uint32_t value_class = 0
    cdef uint32_t own
    cdef Status status
    own = take_own_key(cursor)
    if own == 0:
        status = read_key(cursor, &key)
        if unlikely(status != STATUS_OK):
            return status
        own = own_key(&key)
        if own == 0:
            return check_whole(cursor, 2, &value_class)
    if unlikely(event.found & own):
        return wrong(own)
    event.found |= own
    if unlikely(left(cursor) and cursor.at[0] == 0xC0):
        cursor.at += 1
        add_cut(event, pair_at, cursor.at, False)
        return STATUS_OK
    status = scan_own(cursor, rules, event, own, required)
    if own == OWN_CONTEXT:
        add_cut(event, pair_at, cursor.at, True)
    return status


cdef Status scan_event(Cursor* cursor, EventRules* rules, Event* event) noexcept nogil:
    cdef uint32_t _index
    cdef uint32_t required = 0
    cdef Cursor props
    cdef EventRule* scanned_by = NULL
    cdef Status status
    event.start = cursor.at
    event.found = 0
    event.user.size = 0
    event.name.size = 0
    event.id.size = 0
    event.has_time = False
    event.rule = NULL
    event.props_at = NULL
    event.context_at = NULL
    event.stream_at = NULL
    event.cut_count = 0
    if left(cursor) == 0:
        return STATUS_TRUNCATED
    status = read_map_header(cursor, &event.pairs)
    if unlikely(status != STATUS_OK):
        return STATUS_NOT_A_MAP if status == STATUS_BAD_MSGPACK else status
    if event.pairs > left(cursor):
        return STATUS_TRUNCATED
    event.pairs_at = cursor.at
    for _index in range(event.pairs):
        if event.props_at == NULL:
            scanned_by = event.rule
        status = scan_pair(cursor, rules, event, &required)
        if unlikely(status != STATUS_OK):
            return status
    event.end = cursor.at
    if unlikely(event.end - event.start > EVENT_BYTES_MAX):
        return STATUS_TOO_LARGE
    if event.user.size == 0:
        return STATUS_NO_USER
    if event.name.size == 0:
        return STATUS_NO_EVENT
    if event.rule == NULL or not event.rule.has_schema:
        return STATUS_OK
    if event.props_at != NULL and scanned_by != event.rule:
        props.at = event.props_at
        props.end = event.end
        status = scan_props(&props, rules, event.rule, event.props_pairs, &required)
        if status != STATUS_OK:
            return status
    return STATUS_OK if required == event.rule.required_count else STATUS_BAD_PROPERTY


# The context with the tag as its stream.
cdef inline void put_context(
    const Event* event, const uint8_t* tag, uint32_t tag_size, Buffer* out,
) noexcept nogil:
    pack_str(out, b"context", 7)
    if event.context_at == NULL:
        pack_map(out, 1)
    elif event.stream_at == NULL:
        pack_map(out, event.context_pairs + 1)
        put_bytes(out, event.context_at, <size_t>(event.context_end - event.context_at))
    else:
        pack_map(out, event.context_pairs)
        put_bytes(out, event.context_at, <size_t>(event.stream_at - event.context_at))
        put_bytes(out, event.stream_end, <size_t>(event.context_end - event.stream_end))
    pack_str(out, b"stream", 6)
    pack_str(out, tag, tag_size)


cdef void put_body(
    const Event* event, const uint8_t* tag, uint32_t tag_size, Buffer* out,
) noexcept nogil:
    cdef const uint8_t* at = event.pairs_at
    cdef uint32_t pairs = event.pairs + (tag_size != 0)
    cdef uint32_t index
    if event.cut_count == 0 and tag_size == 0:
        put_bytes(out, event.start, <size_t>(event.end - event.start))
        return
    for index in range(event.cut_count):
        pairs -= not event.cuts[index].is_context or tag_size != 0
    pack_map(out, pairs)
    for index in range(event.cut_count):
        if event.cuts[index].is_context and tag_size == 0:
            continue
        put_bytes(out, at, <size_t>(event.cuts[index].start - at))
        at = event.cuts[index].end
    put_bytes(out, at, <size_t>(event.end - at))
    if tag_size:
        put_context(event, tag, tag_size, out)
