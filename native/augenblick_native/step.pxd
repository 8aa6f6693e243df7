# What a sequence works with: an event as it sees it, and a match.
from libc.stdint cimport int64_t, uint8_t, uint32_t

from augenblick_native.machine cimport Group

cdef enum:
    MASK_NOT = 0x80000000           # Taken.mask: the event matches the trailing negation
    # the first of the negations between steps; engine/augenblick/limits.py: steps_max
    NEGATION_BIT = 16

# One event as a sequence sees it: which steps it may take, who it is.  Views stay valid during the
# call only.
cdef struct Taken:
    int64_t time_ms
    uint32_t mask               # bit i: positive step i, or NEGATION_BIT + i; MASK_NOT
    bint derived
    Group group                 # the value of `match`
    const uint8_t* identity     # msgpack values: its id, or its name and time
    uint32_t identity_bytes
    uint8_t identity_parts
    const uint8_t* cause        # msgpack map {event, id, time, props}
    uint32_t cause_bytes
    const uint8_t* row          # what conditions on earlier steps read of it
    uint32_t row_bytes

# A match or an absence: what its firing is made of.  Views into Machine.scratch.
cdef struct Match:
    int64_t time_ms
    Group group
    const uint8_t* identities   # msgpack values
    uint32_t identities_bytes
    uint32_t identity_parts
    const uint8_t* cause
    uint32_t cause_bytes
