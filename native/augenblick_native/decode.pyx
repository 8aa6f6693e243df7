# cython: language_level=3
"""Reading a routed event's map for the kernel."""
from libc.string cimport memcmp

from augenblick_native.cursor cimport Cursor, cursor_over, left
from augenblick_native.hash cimport name_hash
from augenblick_native.msgpack cimport (
    VALUE_INT, VALUE_STR, read_map_header, read_text, read_value, skip_value,
)
from augenblick_native.program cimport NameTable, find_name
from augenblick_native.status cimport (
    STATUS_BAD_PROPS, STATUS_BAD_USER, STATUS_NO_EVENT, STATUS_NOT_A_MAP, STATUS_OK,
)


cdef Status read_fields(Cursor* cursor, const NameTable* table, Value* fields) noexcept nogil:
    cdef uint32_t count = 0
    cdef uint32_t size = 0
    cdef const uint8_t* key = NULL
    cdef int32_t index
    cdef Status status = read_map_header(cursor, &count)
    if status != STATUS_OK:
        return STATUS_BAD_PROPS
    while count:
        count -= 1
        status = read_text(cursor, &key, &size)
        if status != STATUS_OK:
            return status
        index = find_name(table, name_hash(key, size), key, size)
        if index < 0:
            status = skip_value(cursor)
        else:
            status = read_value(cursor, &fields[index])
        if status != STATUS_OK:
            return status
    return STATUS_OK


cdef inline bint is_key(
    const uint8_t* key, uint32_t size, const char* text, uint32_t text_bytes
) noexcept nogil:
    return size == text_bytes and memcmp(key, text, text_bytes) == 0


# props or context, at the cursor: their fields, and for props the whole map as bytes.
cdef Status read_inner(
    const Plan* plan, Event* event, Cursor* cursor, bint is_props
) noexcept nogil:
    cdef const uint8_t* at = cursor.at
    cdef Status status
    if left(cursor) and at[0] == 0xC0:
        cursor.at += 1
        return STATUS_OK
    status = read_fields(cursor, &plan.props if is_props else &plan.context, event.fields)
    if is_props:
        event.props = at
        event.props_bytes = <uint32_t>(cursor.at - at)
    return status


cdef Status read_event(
    const Plan* plan, Event* event, const uint8_t* body, uint32_t size
) noexcept nogil:
    cdef Cursor cursor = cursor_over(body, size)
    cdef uint32_t count = 0
    cdef uint32_t key_bytes = 0
    cdef const uint8_t* key = NULL
    cdef Value value
    cdef Status status
    event.derived = False
    event.event_id = -1
    event.name.data = NULL
    event.user.data = NULL
    event.user.size = 0
    event.id.kind = VALUE_MISSING
    event.session.kind = VALUE_MISSING
    event.props = NULL
    event.props_bytes = 0
    clear_fields(plan, event)
    if read_map_header(&cursor, &count) != STATUS_OK:
        return STATUS_NOT_A_MAP
    while count:
        count -= 1
        status = read_text(&cursor, &key, &key_bytes)
        if status != STATUS_OK:
            return status
        if is_key(key, key_bytes, "user", 4):
            status = read_value(&cursor, &value)
            if status == STATUS_OK and value.kind == VALUE_STR:
                event.user.data = value.data
                event.user.size = value.size
            elif value.kind == VALUE_INT:
                event.user_number = value.integer
            else:
                return STATUS_BAD_USER
        elif is_key(key, key_bytes, "event", 5):
            status = read_text(&cursor, &event.name.data, &event.name.size)
        elif is_key(key, key_bytes, "time", 4):
            status = read_value(&cursor, &value)
            if status == STATUS_OK and value.kind == VALUE_INT:
                event.time_ms = value.integer
        elif is_key(key, key_bytes, "id", 2):
            status = read_value(&cursor, &event.id)
        elif is_key(key, key_bytes, "session", 7):
            status = read_value(&cursor, &event.session)
        elif is_key(key, key_bytes, "props", 5):
            status = read_inner(plan, event, &cursor, True)
        elif is_key(key, key_bytes, "context", 7):
            status = read_inner(plan, event, &cursor, False)
        else:
            status = skip_value(&cursor)
        if status != STATUS_OK:
            return status
    if event.name.data == NULL:
        return STATUS_NO_EVENT
    event.event_id = find_name(
        &plan.events, name_hash(event.name.data, event.name.size), event.name.data, event.name.size
    )
    return STATUS_OK
