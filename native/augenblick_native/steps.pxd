# Steps that repeat, negations between steps and conditions on earlier steps: what a plain sequence
# has not, so that it pays for none of it.
from libc.stdint cimport uint32_t, uint8_t

from augenblick_native.book cimport Partial
from augenblick_native.machine cimport Event, Machine
from augenblick_native.program cimport TriggerRule
from augenblick_native.step cimport Taken

# Which negations between steps the event matches, as bits of Taken.mask.
cdef uint32_t negation_bits(Machine* machine, const TriggerRule* rule, Event* event) noexcept nogil

# What conditions on earlier steps read of the event, into the call's scratch.
cdef void take_row(
    Machine* machine, const TriggerRule* rule, const Event* event, Taken* taken
) noexcept nogil

# The position to which the event takes the partial; 0: it is no step for it.
cdef uint32_t moved_to(
    Machine* machine, const TriggerRule* rule, const Partial* partial, const Taken* taken
) noexcept nogil

# True if the event may not come where the partial waits.  `moved`: what moved_to said.
cdef bint is_negated(
    Machine* machine, const TriggerRule* rule, const Partial* partial, const Taken* taken,
    uint32_t moved
) noexcept nogil

# Of the bytes behind a partial's value: those of its events' identities; the rest is rows.
cdef uint32_t identities_size(const TriggerRule* rule, const Partial* partial) noexcept nogil

# Bytes of the rows once the event has taken the step at `position`, and the rows themselves.
cdef uint32_t rows_size(
    Machine* machine, const TriggerRule* rule, const Partial* partial, const Taken* taken,
    uint32_t position
) noexcept nogil
cdef void write_rows(
    Machine* machine, const TriggerRule* rule, const Partial* partial, const Taken* taken,
    uint32_t position, uint8_t* out, uint32_t size
) noexcept nogil
