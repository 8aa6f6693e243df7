# Partials of sequences with `match`: a record of their own per (user, trigger, value), found by
# hash.
#
# A user may look at thousands of products within a sequence's reach; in their own record each would
# be a cell to walk past.
from libc.stdint cimport int64_t

from augenblick_native.machine cimport Group, Machine
from augenblick_native.program cimport TriggerRule
from augenblick_native.record cimport Keeper
from augenblick_native.state cimport User

cdef enum:
    MATCH_VALUES_MAX = 16384        # of one user; engine/augenblick/limits.py: match_values_max

# The record that holds the partials for the value: machine.matched, or the user's own where the
# sequence has no `match`.
# NULL: there is none.
cdef Keeper* find_matched(
    Machine* machine, const TriggerRule* rule, const Group* group
) noexcept nogil

# The same, made if need be.  NULL: too many values (counted), or no memory.
cdef Keeper* make_matched(
    Machine* machine, const TriggerRule* rule, const Group* group
) noexcept nogil

# Have the record looked at when the clock is past `at_ms`, its partials being hopeless then; or
# after its user's next timer, where that is beyond the time to live.
cdef void keep_matched(Machine* machine, Keeper* keeper, int64_t at_ms) noexcept nogil

# Whose record it is; NULL: the user is gone.
cdef User* owner_of(Keeper* keeper) noexcept nogil

# Give back the record (not the user's own).
cdef void free_matched(Machine* machine, Keeper* keeper) noexcept nogil
