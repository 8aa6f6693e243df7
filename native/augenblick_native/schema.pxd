# What the plan says about events by name, as C tables: which names are reserved, which properties
# an event must have.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from augenblick_native.cursor cimport unlikely
from augenblick_native.hash cimport name_hash


# What a value of an event is; a bit each, so that a property rule is a mask.
cdef enum ValueClass:
    CLASS_NULL = 1
    CLASS_BOOL = 2
    CLASS_INT = 4
    CLASS_BIG = 8               # an integer beyond 63 bits: no property type takes it
    CLASS_FLOAT = 16
    CLASS_WHOLE = 32            # a float without a fraction, within 53 bits
    CLASS_STR = 64
    CLASS_LIST = 128
    CLASS_MAP = 256


cdef struct NameEntry:
    const uint8_t* data         # NULL: free
    uint64_t hashed
    uint32_t size
    uint32_t index


# Open addressing over the plan's own names; the bytes belong to the Rules that made it.
cdef struct NameTable:
    NameEntry* entries
    uint32_t mask


cdef struct PropertyRule:
    uint32_t classes            # mask of ValueClass
    bint is_required
    uint64_t seen               # number of the scan that saw it last


cdef struct EventRule:
    bint is_reserved
    bint has_schema
    uint32_t required_count
    NameTable names
    PropertyRule* properties


cdef struct EventRules:
    NameTable names
    EventRule* events
    bint unknown_refused
    uint64_t scans              # scans of props so far


cdef inline int64_t find_index(
    const NameTable* table, const uint8_t* data, uint32_t size,
) noexcept nogil:
    cdef uint64_t hashed
    cdef uint32_t at
    cdef const NameEntry* entry
    if table.entries == NULL:
        return -1
    hashed = name_hash(data, size)
    at = <uint32_t>hashed & table.mask
    while True:
        entry = &table.entries[at]
        if entry.data == NULL:
            return -1
        if entry.hashed == hashed and entry.size == size and memcmp(entry.data, data, size) == 0:
            return entry.index
        at = (at + 1) & table.mask


# The rule of an event's name; NULL if the plan has none.
cdef inline EventRule* find_event(
    EventRules* rules, const uint8_t* data, uint32_t size,
) noexcept nogil:
    cdef int64_t index = find_index(&rules.names, data, size)
    return &rules.events[index] if index >= 0 else NULL


# True if the value may stand in this property (undeclared ones take anything).  A required
# property that is seen for the first time in this scan raises `required_seen`.
cdef inline bint takes_property(
    EventRule* rule, uint64_t scan, const uint8_t* name, uint32_t name_size, uint32_t value_class,
    uint32_t* required_seen,
) noexcept nogil:
    cdef int64_t index = find_index(&rule.names, name, name_size)
    cdef PropertyRule* wanted
    if index < 0:
        return True
    wanted = &rule.properties[index]
    if unlikely(wanted.classes & value_class == 0):
        return False
    if wanted.seen != scan:
        wanted.seen = scan
        required_seen[0] += wanted.is_required
    return True


cdef class Rules:
    cdef EventRules rules
    cdef uint32_t event_count
    cdef list _kept             # the bytes objects that the tables point into
    cdef _add_schema(self, uint32_t event, props)
    cdef NameTable name_table(self, list names) except *
