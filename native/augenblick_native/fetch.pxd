# Memory of partials fetched before the event that touches it is applied.
from libc.stdint cimport int64_t

from augenblick_native.machine cimport Event, Machine
from augenblick_native.state cimport User

# Fetch what the event will touch of the annex in its sequences: the index where its value is, both
# ends of the log; and then, once that is there, the partials of its value.
cdef void fetch_chains(Machine* machine, const User* annex, const Event* event) noexcept nogil
cdef void fetch_partials(
    Machine* machine, const User* annex, const Event* event, int64_t watermark_ms
) noexcept nogil
