# Partials of sequences: begun and not yet complete.
from libc.stdint cimport int64_t, uint32_t, uint8_t

from augenblick_native.cursor cimport prefetch
from augenblick_native.machine cimport Machine
from augenblick_native.program cimport TriggerRule
from augenblick_native.record cimport first_cell, payload
from augenblick_native.state cimport User
from augenblick_native.step cimport Match, Taken

cdef enum:
    # of one user and trigger, whatever the value; engine/augenblick/limits.py
    TRIGGER_PARTIALS_MAX = 16384

# Payload of a cell of the annex: this, the index of `match` values, the log of partials.
cdef struct Head:
    uint32_t slots                          # of the index, a power of two
    uint32_t values                         # in the index
    uint32_t count                          # partials alive
    uint32_t alive_bytes                    # of the log
    uint32_t front                          # place of the first that may be alive
    uint32_t end                            # of the log
    int64_t front_ms                        # its first time, or an earlier one

# A `match` value in the index; `count` 0: a free slot.
cdef struct Chain:
    uint32_t hashed
    uint32_t count
    uint32_t first                          # places, in order of (first time, arrival)
    uint32_t last


# Fetch where a long annex is read and written next: its first cell's index and the log's end.
cdef inline void prefetch_partials(const User* annex) noexcept nogil:
    cdef uint32_t offset = first_cell(annex)
    cdef const Head* head
    cdef const uint8_t* log
    if offset >= annex.size:
        return
    head = <const Head*>payload(annex, offset)
    log = <const uint8_t*>head + sizeof(Head) + head.slots * sizeof(Chain)
    prefetch(log - 64)
    prefetch(log + head.end)
    prefetch(log + head.end + 63)


# Let an event take steps and begin.  True: it completed a match.  `arms`: it reached the trailing
# negation.
cdef bint step_partials(
    Machine* machine, const TriggerRule* rule, const Taken* taken, Match* match, bint* arms
) noexcept nogil

# A match of just the event at hand.
cdef bint match_alone(Machine* machine, const Taken* taken, Match* match) noexcept nogil

# The earliest instant at which all partials of one trigger are hopeless; NEVER_MS: none.  The user
# has an annex.
cdef int64_t last_hopeless_ms(Machine* machine) noexcept nogil

# Forget the hopeless partials.
cdef void sweep_partials(Machine* machine) noexcept nogil
