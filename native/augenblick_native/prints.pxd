# Fingerprints of applied events, per key group: the oldest leave when they are too old or too many.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from augenblick_native.state cimport KeyGroup

cdef enum:
    PRINTS_MAX = 1024           # per key group; engine/augenblick/limits.py: dedup_max

# True if the fingerprint was applied at most `dedup_ms` of ingest time ago.  Forgets what is older.
cdef bint is_duplicate(
    KeyGroup* group, uint64_t fingerprint, int64_t ingest_ms, int64_t dedup_ms
) noexcept nogil

# Note an applied event; past the bound the oldest is forgotten and counted in `dropped`.
cdef void note_print(
    KeyGroup* group, uint64_t fingerprint, int64_t ingest_ms, uint64_t* dropped
) noexcept nogil
