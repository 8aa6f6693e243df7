# The panes of sketches inside a feature's cell: {key, bytes, state} in order of key, where the
# state of a pane grows with what it holds.  Lifetime and since have one pane, of key 0.
from libc.stdint cimport int64_t, uint32_t

from augenblick_native.machine cimport Machine
from augenblick_native.msgpack cimport Value
from augenblick_native.program cimport FeatureRule

# Take a value into the pane with this key, made in order if need be.  False: full.
cdef bint sketches_add(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t key, const Value* value
) noexcept nogil

# The panes with key in [first, last], merged; is there any?
cdef Value sketches_result(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t first, int64_t last
) noexcept nogil
cdef bint sketches_hold(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t first, int64_t last
) noexcept nogil

# Take out the panes with key in [first, last].
cdef void sketches_drop(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t first, int64_t last
) noexcept nogil

# The pane with key `merged` becomes part of the one with `key`.  False: full.
cdef bint sketches_join(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t key, int64_t merged
) noexcept nogil

# The first and last key; NEVER_MS: there is none.
cdef int64_t sketches_first(
    Machine* machine, const FeatureRule* rule, uint32_t offset
) noexcept nogil
cdef int64_t sketches_last(
    Machine* machine, const FeatureRule* rule, uint32_t offset
) noexcept nogil

# Sliding windows keep values (entries): the sketch of those with time in [from_ms, to_ms].
cdef Value sketch_of_entries(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t from_ms, int64_t to_ms
) noexcept nogil
