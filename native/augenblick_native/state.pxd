# The structs of a kernel's state.  No logic here; see record (cells), table (users), timer, dedup
# and panes for it.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from augenblick_native.arena cimport Arena

cdef extern from *:
    """
    #define AB_NEVER_MS INT64_MAX
    #define AB_NO_TIME_MS INT64_MIN
    #define AB_NO_HEAP UINT32_MAX
    """
    int64_t NEVER_MS "AB_NEVER_MS"          # no deadline
    int64_t NO_TIME_MS "AB_NO_TIME_MS"      # no event, no watermark yet
    uint32_t NO_HEAP "AB_NO_HEAP"

cdef enum:
    KEY_GROUPS = 4096
    KEY_GROUP_BYTES = 128                   # of its struct: two cache lines
    GATEWAYS_MAX = 64                       # per key group, DESIGN section 7
    SLOT_SESSIONS = 0
    # Session.events: its last event ended it, nothing later joins it
    SESSION_ENDED = 0x80000000


# One user: this header, the id's bytes padded to 8, then the cells.  Moves when it grows; held by
# its table entry.
cdef struct User:
    uint64_t user_key
    # its entry in the timer heap: no deadline of the user is earlier
    int64_t armed_ms
    # largest event time applied; NO_TIME_MS before the first
    int64_t latest_ms
    # latest pending deadline seen: the time to live counts from there
    int64_t kept_until_ms
    uint32_t capacity                       # bytes of the record
    uint32_t size                           # bytes in use, header included
    uint32_t heap_index                     # NO_HEAP when not armed
    # grows with each touch of a group and each session begun
    uint32_t stamp
    uint32_t id_bytes
    uint32_t unused
    # a second record, without an id, for the cells that grow long (partials): the first stays short
    User* annex


# One slot's state for one group: this header, the group's bytes if any, the payload; a multiple of
# 8 bytes.
cdef struct Cell:
    uint16_t slot
    uint16_t group_bytes                    # msgpack bytes of the group's value; 0: no group
    uint32_t size                           # whole cell

# follows the header of a grouped cell, then the group's bytes padded to 8
cdef struct GroupHead:
    uint32_t touched
    uint32_t hashed

cdef struct Session:
    int64_t start_ms
    int64_t last_ms
    uint32_t events                         # and SESSION_ENDED
    uint32_t serial                         # names the session in the panes of its features

cdef struct Entry:
    uint64_t user_key
    User* user                              # NULL: free

cdef struct HeapItem:
    int64_t deadline_ms
    User* user

cdef struct GatewayMark:
    uint32_t gateway
    uint32_t unused
    uint64_t incarnation
    uint64_t number                         # last number applied

cdef struct Print:
    uint64_t fingerprint
    int64_t ingest_ms

# fingerprints in sets of few; see prints.pxd
cdef struct Prints:
    Print* sets
    uint32_t set_count                      # a power of two; 0: none

# one metric's content of one window and group in one key group
cdef struct Pane:
    uint16_t metric
    uint16_t group_bytes
    uint32_t hashed
    int64_t start_ms
    int64_t end_ms
    int64_t count
    int64_t sum_high                        # 128-bit fixed point, 2^-32 units
    uint64_t sum_low
    uint8_t* group                          # malloc'ed msgpack value, NULL: none

cdef struct PaneTable:
    Pane* panes
    uint32_t* index                         # places + 1, open addressing
    uint32_t count
    uint32_t capacity                       # the index is twice as large
    int64_t earliest_end_ms

cdef struct KeyGroup:
    int64_t clock_ms
    Entry* entries
    uint32_t mask                           # entries - 1; no entries: NULL and 0
    uint32_t users
    HeapItem* heap
    uint32_t heap_count
    uint32_t heap_capacity
    GatewayMark* gateways                   # &one_gateway, or allocated
    uint32_t gateway_count
    uint16_t changed                        # since its last snapshot
    uint16_t rearmed                        # the timers, since its earliest one was noted
    Prints prints
    PaneTable panes
    GatewayMark one_gateway
