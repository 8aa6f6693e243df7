# Panes that end: with their session, or as windows close.
from libc.stdint cimport int64_t, uint32_t

from augenblick_native.machine cimport Machine
from augenblick_native.msgpack cimport Value
from augenblick_native.program cimport FeatureRule
from augenblick_native.state cimport NEVER_MS

# Join the panes of session `merged` into those of `serial`; drop those of a closed session.
cdef void merge_session(Machine* machine, uint32_t serial, uint32_t merged) noexcept nogil
cdef void drop_session(
    Machine* machine, uint32_t serial, int64_t start_ms, int64_t end_ms
) noexcept nogil

# An event came into pane `pane_ms` of a hopping feature: note the first of its windows still open.
cdef void note_next_end(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t pane_ms
) noexcept nogil

# Emitted windows: the earliest end not yet closed of one cell; NEVER_MS: not emitted.
cdef int64_t next_end_ms(Machine* machine, const FeatureRule* rule, uint32_t offset) noexcept nogil

# The value of the window that ends at `end_ms`.  False: it is empty.
cdef bint close_window(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t end_ms, Value* value
) noexcept nogil

# Take out the panes of which every window ends at or before `end_ms`.  True: the cell went with the
# last.
cdef bint purge_window(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t end_ms
) noexcept nogil
