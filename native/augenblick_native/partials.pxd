# Partials of sequences: begun and not yet complete.
from libc.stdint cimport int64_t

from augenblick_native.machine cimport Machine
from augenblick_native.program cimport TriggerRule
from augenblick_native.record cimport Keeper
from augenblick_native.step cimport Match, Taken

# Let an event take steps and begin.  True: it completed a match.  `arms`: it reached the trailing
# negation.
cdef bint step_partials(
    Machine* machine, const TriggerRule* rule, const Taken* taken, Match* match, bint* arms
) noexcept nogil

# A match of just the event at hand.
cdef bint match_alone(Machine* machine, const Taken* taken, Match* match) noexcept nogil

# Forget the hopeless partials of the user's own record.
cdef void sweep_partials(Machine* machine, const TriggerRule* rule) noexcept nogil

# The timer of a record of partials (RECORD_MATCHED): forget the hopeless ones; give it back when
# none is left.
cdef void run_matched(Machine* machine, Keeper* keeper) noexcept nogil
