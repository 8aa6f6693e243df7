# Fingerprints of applied events, per key group: the oldest leave when they are too old or too many.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from augenblick_native.arena cimport Arena
from augenblick_native.cursor cimport prefetch
from augenblick_native.state cimport KeyGroup, Prints

cdef enum:
    PRINTS_MAX = 1024           # per key group; engine/augenblick/limits.py: dedup_max
    PLACE_MASK = 0xFFF          # of a word in the index: a place of the ring + 1


# The high bits of the fingerprint, where its tag is in an index word.
cdef inline uint32_t tag_of(uint64_t fingerprint) noexcept nogil:
    return <uint32_t>(fingerprint >> 32) & ~<uint32_t>PLACE_MASK


# Where the search for a word's fingerprint begins.
cdef inline uint32_t home(const Prints* prints, uint32_t word) noexcept nogil:
    return (word >> 12) & (prints.capacity * 2 - 1)


# Fetch what a look at the fingerprint and noting it will touch.
cdef inline void prefetch_print(const KeyGroup* group, uint64_t fingerprint) noexcept nogil:
    cdef const Prints* prints = &group.prints
    if prints.capacity:
        prefetch(&prints.index[home(prints, tag_of(fingerprint))])
        prefetch(&prints.ring[(prints.first + prints.count) & (prints.capacity - 1)])


# And what the oldest one touches when it has to leave; its place in the ring is there by now.
cdef inline void prefetch_oldest(const KeyGroup* group) noexcept nogil:
    cdef const Prints* prints = &group.prints
    if prints.count == PRINTS_MAX:
        prefetch(&prints.index[home(prints, tag_of(prints.ring[prints.first].fingerprint))])


# True if the fingerprint was applied at most `dedup_ms` of ingest time ago.  Forgets what is older.
cdef bint is_duplicate(
    KeyGroup* group, uint64_t fingerprint, int64_t ingest_ms, int64_t dedup_ms
) noexcept nogil

# Note an applied event; past the bound the oldest is forgotten and counted in `dropped`.
cdef void note_print(
    Arena* arena, KeyGroup* group, uint64_t fingerprint, int64_t ingest_ms, uint64_t* dropped
) noexcept nogil

# Give back their memory.
cdef void free_prints(Arena* arena, Prints* prints) noexcept nogil
