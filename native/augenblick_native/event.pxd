# One event's map, read and checked in place: the router's view of it, and its body as the engine
# hands it on.
from libc.stdint cimport int64_t, uint8_t, uint32_t

from augenblick_native.buffer cimport Buffer
from augenblick_native.cursor cimport Cursor
from augenblick_native.schema cimport EventRule, EventRules
from augenblick_native.status cimport STATUS_OK, STATUS_TIME_RANGE, Status
from augenblick_native.check cimport DIGITS_MAX, Text

cdef enum:                                      # engine/augenblick/limits.py, kept equal by a test
    CONTEXT_KEYS_MAX = 256
    EVENT_BYTES_MAX = 262144                    # as the client sent it; the tag comes on top
    EVENT_NAME_BYTES_MAX = 128
    ID_BYTES_MAX = 128
    PROPS_KEYS_MAX = 1024
    SESSION_BYTES_MAX = 128
    TAG_BYTES_MAX = 256
    USER_BYTES_MAX = 256
    SPLICE_BYTES_MAX = 64                       # keys and headers that come with a tag

cdef extern from *:
    """
    #define AB_TIME_MS_MIN (-2208988800000LL)   /* 1900-01-01, inclusive */
    #define AB_TIME_MS_MAX 7258118400000LL      /* 2200-01-01, exclusive */
    """
    const int64_t TIME_MS_MIN "AB_TIME_MS_MIN"
    const int64_t TIME_MS_MAX "AB_TIME_MS_MAX"

cdef enum OwnKey:
    OWN_USER = 1
    OWN_EVENT = 2
    OWN_TIME = 4
    OWN_ID = 8
    OWN_SESSION = 16
    OWN_PROPS = 32
    OWN_CONTEXT = 64
    OWN_CONSENT = 128


# A pair of the event's map that does not go on as it stands.
cdef struct Cut:
    const uint8_t* start
    const uint8_t* end
    bint is_context             # cut only where the context is written anew


# Points into the bytes it was read from (and into itself); valid as long as those stay.
cdef struct Event:
    const uint8_t* start
    const uint8_t* end
    const uint8_t* pairs_at
    uint32_t pairs
    uint32_t found              # OwnKeys seen, null ones too
    Text user                   # an integer as its decimal text
    const uint8_t* user_at      # where its value stands
    const uint8_t* user_end
    Text name
    Text id                     # likewise; size 0: none
    bint has_time
    int64_t event_ms
    EventRule* rule             # NULL: a name the plan does not know
    const uint8_t* props_at     # first pair; NULL: no props
    uint32_t props_pairs
    const uint8_t* context_at   # first pair; NULL: no context
    const uint8_t* context_end
    uint32_t context_pairs
    const uint8_t* stream_at    # the pair `stream` of the context; NULL: none
    const uint8_t* stream_end
    uint32_t cut_count
    Cut[8] cuts
    uint8_t[DIGITS_MAX] user_digits
    uint8_t[DIGITS_MAX] id_digits


# Read the event at the cursor: everything is checked but what needs a clock.  STATUS_OK: the
# cursor stands behind it; else anywhere inside.  The first fault in the order of the bytes
# decides; what is missing is found last.
cdef Status scan_event(Cursor* cursor, EventRules* rules, Event* event) noexcept nogil

cdef inline Status check_range(int64_t event_ms) noexcept nogil:
    return STATUS_OK if event_ms >= TIME_MS_MIN and event_ms < TIME_MS_MAX else STATUS_TIME_RANGE


# Time in ms as carriers give it beside an event: seconds as an integer or a float, or EventTime
# (ext 0: seconds, nanoseconds).
cdef Status read_carrier_ms(Cursor* cursor, int64_t* event_ms) noexcept nogil

# Append the body: the event without its null fields, with `context.stream` = tag where there is a
# tag.  At most (event.end - event.start) + tag_size + SPLICE_BYTES_MAX bytes.
cdef void put_body(
    const Event* event, const uint8_t* tag, uint32_t tag_size, Buffer* out,
) noexcept nogil
