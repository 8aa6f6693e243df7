# A user's open sessions, as cells: which one an instant belongs to, joining, closing.
from libc.stdint cimport int64_t, uint32_t

from augenblick_native.machine cimport Machine
from augenblick_native.state cimport Session

# The session that an event at `at_ms` would belong to; NULL: none.  Valid until the record changes.
cdef Session* session_holding(Machine* machine, int64_t at_ms) noexcept nogil

cdef enum:
    MERGED_MAX = 8              # sessions one event may join to the first; more stay apart

# Let the event in: it extends a session, joins it with the next ones (their serials go to
# `merged`), or begins one
# if `may_open`.  NULL: it belongs to none.
cdef Session* session_enter(
    Machine* machine, int64_t at_ms, bint may_open, bint* began, uint32_t* merged,
    uint32_t* merged_count
) noexcept nogil

# The event that has just entered is one that ends its session: it does if it is the last there.
cdef void session_end(Machine* machine, Session* session, int64_t at_ms) noexcept nogil

cdef uint32_t session_events(const Session* session) noexcept nogil

# The last instant that the session holds as it stands.
cdef int64_t session_still_ms(Machine* machine, const Session* session) noexcept nogil

# True if `ends_on` ended it, or another session begins within the gap after its last event, since
# `max` did.
cdef bint is_cut(Machine* machine, const Session* session) noexcept nogil

# Earliest instant at which an open session closes (the watermark must be strictly past it);
# NEVER_MS.
cdef int64_t sessions_next_close_ms(Machine* machine) noexcept nogil

# The session that closes at `at_ms`; NULL: none.  Valid until the record changes.
cdef Session* session_ending(Machine* machine, int64_t at_ms) noexcept nogil

# Take out the session that closes at `at_ms`.  False: none.
cdef bint session_close(Machine* machine, int64_t at_ms, Session* closed) noexcept nogil
