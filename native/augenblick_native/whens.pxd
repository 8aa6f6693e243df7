# `when` alone: read without and with the event.
from libc.stdint cimport uint8_t
from augenblick_native.machine cimport Event, Machine
from augenblick_native.program cimport Span, TriggerRule

cdef enum:                          # bits of Machine.when_before
    BEFORE_FED = 1
    BEFORE_AT = 2
    BEFORE_LATEST = 4

# Before the event is applied: is the condition true at its own time, and at the user's latest?
cdef void note_before(
    Machine* machine, Event* event, const Span* whens, uint8_t* before
) noexcept nogil

# After it: fire what rises.
cdef void run_whens(
    Machine* machine, Event* event, const Span* whens, const uint8_t* before
) noexcept nogil

# True if the condition reads a property of just this event.
cdef bint names_field_of(
    Machine* machine, const TriggerRule* rule, const Event* event
) noexcept nogil
