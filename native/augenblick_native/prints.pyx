# cython: language_level=3
"""Fingerprints of applied events: a ring in ingest order with an open-addressing index over it.

A word of the index is the fingerprint's tag and, in the low PLACE_BITS, a place of the ring + 1; 0
is free.  The tag says where the search began and tells most strangers without a look at the ring.
"""
from libc.string cimport memset

from augenblick_native.arena cimport arena_give, arena_take
from augenblick_native.state cimport NEVER_MS, Print, Prints

cdef uint32_t TAG = ~<uint32_t>PLACE_MASK


cdef inline uint32_t find(const Prints* prints, uint64_t fingerprint) noexcept nogil:
    """Place in the index: of the fingerprint, or the free one where it would go."""
    cdef uint32_t tag = tag_of(fingerprint)
    cdef uint32_t at = home(prints, tag)
    cdef uint32_t word
    while True:
        word = prints.index[at]
        if word == 0 or (
            word & TAG == tag
            and prints.ring[(word & PLACE_MASK) - 1].fingerprint == fingerprint
        ):
            return at
        at = (at + 1) & (prints.capacity * 2 - 1)


cdef inline void note_place(Prints* prints, uint64_t fingerprint, uint32_t place) noexcept nogil:
    prints.index[find(prints, fingerprint)] = tag_of(fingerprint) | (place + 1)


cdef void drop_oldest(Prints* prints) noexcept nogil:
    cdef uint32_t mask = prints.capacity * 2 - 1
    cdef uint32_t hole = find(prints, prints.ring[prints.first].fingerprint)
    cdef uint32_t at = hole
    cdef uint32_t wanted
    # A fingerprint noted again later has its index on the later place: leave that.
    if prints.index[hole] & PLACE_MASK == prints.first + 1:
        while True:
            at = (at + 1) & mask
            if prints.index[at] == 0:
                break
            wanted = home(prints, prints.index[at])
            if ((at - wanted) & mask) >= ((at - hole) & mask):
                prints.index[hole] = prints.index[at]
                hole = at
        prints.index[hole] = 0
    prints.first = (prints.first + 1) & (prints.capacity - 1)
    prints.count -= 1
    prints.oldest_ms = prints.ring[prints.first].ingest_ms if prints.count else NEVER_MS


# Of the ring and its index: a size class of the arena.
cdef inline uint32_t bytes_of(uint32_t capacity) noexcept nogil:
    return capacity * <uint32_t>(sizeof(Print) + 2 * sizeof(uint32_t))


cdef void free_prints(Arena* arena, Prints* prints) noexcept nogil:
    if prints.ring != NULL:
        arena_give(arena, prints.ring, bytes_of(prints.capacity))


cdef bint grow(Arena* arena, Prints* prints) noexcept nogil:
    cdef uint32_t capacity = prints.capacity * 2 if prints.capacity else 16
    cdef uint32_t taken, place
    cdef Print* ring = <Print*>arena_take(arena, bytes_of(capacity), &taken)
    if ring == NULL:
        return False
    for place in range(prints.count):
        ring[place] = prints.ring[(prints.first + place) & (prints.capacity - 1)]
    free_prints(arena, prints)
    prints.ring = ring
    prints.index = <uint32_t*>(ring + capacity)
    memset(prints.index, 0, capacity * 2 * sizeof(uint32_t))
    prints.capacity = capacity
    prints.first = 0
    for place in range(prints.count):
        note_place(prints, ring[place].fingerprint, place)
    return True


cdef void note_print(
    Arena* arena, KeyGroup* group, uint64_t fingerprint, int64_t ingest_ms, uint64_t* dropped
) noexcept nogil:
    cdef Prints* prints = &group.prints
    cdef uint32_t place
    if prints.count == prints.capacity:
        if prints.capacity >= PRINTS_MAX:
            drop_oldest(prints)
            dropped[0] += 1
        elif not grow(arena, prints):
            dropped[0] += 1
            return
    place = (prints.first + prints.count) & (prints.capacity - 1)
    prints.ring[place].fingerprint = fingerprint
    prints.ring[place].ingest_ms = ingest_ms
    if prints.count == 0:
        prints.oldest_ms = ingest_ms
    prints.count += 1
    note_place(prints, fingerprint, place)


cdef bint is_duplicate(
    KeyGroup* group, uint64_t fingerprint, int64_t ingest_ms, int64_t dedup_ms
) noexcept nogil:
    cdef Prints* prints = &group.prints
    cdef uint32_t at
    while prints.count and prints.oldest_ms < ingest_ms - dedup_ms:
        drop_oldest(prints)
    if prints.count == 0:
        return False
    at = find(prints, fingerprint)
    return (
        prints.index[at] != 0
        and prints.ring[(prints.index[at] & PLACE_MASK) - 1].ingest_ms >= ingest_ms - dedup_ms
    )
