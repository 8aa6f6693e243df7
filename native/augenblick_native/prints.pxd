# Fingerprints of applied events, per key group: the oldest leave when they are too old or too many.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from augenblick_native.arena cimport Arena
from augenblick_native.cursor cimport prefetch
from augenblick_native.state cimport KeyGroup, Print, Prints

cdef enum:
    SET_PRINTS = 8              # of one set: two cache lines
    SETS_MAX = 128              # per key group
    # engine/augenblick/limits.py: dedup_max
    PRINTS_MAX = SETS_MAX * SET_PRINTS


# Where a fingerprint is, if anywhere: its set's first place.  There are sets.
cdef inline Print* set_of(const Prints* prints, uint64_t fingerprint) noexcept nogil:
    cdef uint64_t mixed = fingerprint * 0x9E3779B97F4A7C15ULL
    return prints.sets + (<uint32_t>(mixed >> 40) & (prints.set_count - 1)) * SET_PRINTS


# Fetch what a look at the fingerprint and noting it will touch.
cdef inline void prefetch_print(const KeyGroup* group, uint64_t fingerprint) noexcept nogil:
    cdef const Print* prints
    if group.prints.set_count:
        prints = set_of(&group.prints, fingerprint)
        prefetch(prints)
        prefetch(prints + SET_PRINTS // 2)


# True if the fingerprint was applied at or after `since_ms` of ingest time.
cdef bint is_duplicate(
    const KeyGroup* group, uint64_t fingerprint, int64_t since_ms
) noexcept nogil

# Note an applied event; those before `since_ms` count for nothing.  Past the bound the oldest of
# its set is forgotten and counted in `dropped`.
cdef void note_print(
    Arena* arena, KeyGroup* group, uint64_t fingerprint, int64_t ingest_ms, int64_t since_ms,
    uint64_t* dropped
) noexcept nogil

# Give back their memory.
cdef void free_prints(Arena* arena, Prints* prints) noexcept nogil
