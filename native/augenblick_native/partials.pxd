# Partials of sequences: begun and not yet complete.
from libc.stdint cimport int64_t, uint32_t, uint8_t

from augenblick_native.machine cimport Machine
from augenblick_native.program cimport TriggerRule
from augenblick_native.step cimport Match, Taken

cdef enum:
    # of one user and trigger, whatever the value; engine/augenblick/limits.py
    TRIGGER_PARTIALS_MAX = 16384

# Let an event take steps and begin.  True: it completed a match.  `arms`: it reached the trailing
# negation.
cdef bint step_partials(
    Machine* machine, const TriggerRule* rule, const Taken* taken, Match* match, bint* arms
) noexcept nogil

# A match of just the event at hand.
cdef bint match_alone(
    Machine* machine, const TriggerRule* rule, const Taken* taken, Match* match
) noexcept nogil

# The earliest instant at which all partials of one trigger are hopeless; NEVER_MS: none.  The user
# has an annex.
cdef int64_t last_hopeless_ms(Machine* machine) noexcept nogil

# Forget the hopeless partials.
cdef void sweep_partials(Machine* machine) noexcept nogil
