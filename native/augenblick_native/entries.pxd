# first, last and list: a cell of entries in order of (time, arrival), each a kept value as msgpack.
from libc.stdint cimport int64_t, uint32_t

from augenblick_native.machine cimport Machine
from augenblick_native.msgpack cimport Value
from augenblick_native.program cimport FeatureRule


cdef struct EntryHead:
    int64_t time_ms
    uint32_t size               # whole entry, a multiple of 8
    uint32_t value_bytes


# Put the value in by its time, after those of the same time; `header` bytes of the payload come
# before the entries.
# False: no room.
cdef bint entries_add(
    Machine* machine, uint32_t offset, uint32_t header, int64_t time_ms, const Value* value
) noexcept nogil

# Of the entries with time in [from_ms, to_ms], keep what the aggregate needs: the earliest or the
# newest `keep`.
cdef void entries_trim(
    Machine* machine, const FeatureRule* rule, uint32_t offset, uint32_t header, int64_t from_ms,
    int64_t to_ms,
    uint32_t keep
) noexcept nogil

# Take out the entries with time in [from_ms, to_ms].
cdef void entries_drop(
    Machine* machine, uint32_t offset, uint32_t header, int64_t from_ms, int64_t to_ms
) noexcept nogil

# first, last or list of the entries with time in [from_ms, to_ms].  A list is written into the
# call's scratch.
cdef Value entries_result(
    Machine* machine, const FeatureRule* rule, uint32_t offset, uint32_t header, int64_t from_ms,
    int64_t to_ms
) noexcept nogil

# Time of the first entry after `after_ms`; NEVER_MS: none.
cdef int64_t entries_next_ms(
    Machine* machine, uint32_t offset, uint32_t header, int64_t after_ms
) noexcept nogil

cdef uint32_t entries_count(Machine* machine, uint32_t offset, uint32_t header) noexcept nogil
