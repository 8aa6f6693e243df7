# cython: language_level=3
"""Fingerprints of applied events: a table of small sets, the newest first in each.

A look is at one set, two neighbouring cache lines.  The table grows when a set is full of what
still counts; a full set of the largest table loses its oldest.  Free places have fingerprint 0.
"""
from libc.string cimport memmove, memset

from augenblick_native.arena cimport arena_give, arena_take


cdef enum:
    SETS_MIN = 2
    # few steps: what a table leaves behind is of a size that no other soon needs
    GROWTH = 4


cdef inline uint32_t bytes_of(uint32_t set_count) noexcept nogil:
    return set_count * <uint32_t>(SET_PRINTS * sizeof(Print))


cdef void free_prints(Arena* arena, Prints* prints) noexcept nogil:
    if prints.set_count:
        arena_give(arena, prints.sets, bytes_of(prints.set_count))


cdef inline void put_first(Print* place, uint32_t before, const Print* one) noexcept nogil:
    """Put a print first in its set; the `before` prints ahead of the place it takes move up."""
    cdef Print kept = one[0]
    memmove(place + 1, place, before * sizeof(Print))
    place[0] = kept


cdef bint grow(Arena* arena, Prints* prints) noexcept nogil:
    cdef Prints larger
    cdef uint32_t taken, index
    cdef const Print* one
    larger.set_count = prints.set_count * GROWTH if prints.set_count else SETS_MIN
    larger.sets = <Print*>arena_take(arena, bytes_of(larger.set_count), &taken)
    if larger.sets == NULL:
        return False
    memset(larger.sets, 0, bytes_of(larger.set_count))
    for index in range(prints.set_count * SET_PRINTS, 0, -1):       # each set's oldest first
        one = &prints.sets[index - 1]
        if one.fingerprint:
            put_first(set_of(&larger, one.fingerprint), SET_PRINTS - 1, one)
    free_prints(arena, prints)
    prints[0] = larger
    return True


cdef bint is_duplicate(
    const KeyGroup* group, uint64_t fingerprint, int64_t since_ms
) noexcept nogil:
    cdef const Print* prints
    cdef uint32_t index
    if group.prints.set_count == 0:
        return False
    prints = set_of(&group.prints, fingerprint)
    for index in range(SET_PRINTS):
        if prints[index].fingerprint == fingerprint:
            return prints[index].ingest_ms >= since_ms
    return False


cdef void note_print(
    Arena* arena, KeyGroup* group, uint64_t fingerprint, int64_t ingest_ms, int64_t since_ms,
    uint64_t* dropped
) noexcept nogil:
    cdef Prints* prints = &group.prints
    cdef Print* first = NULL
    cdef Print one
    cdef uint32_t index
    one.fingerprint = fingerprint
    one.ingest_ms = ingest_ms
    while prints.set_count or grow(arena, prints):
        first = set_of(prints, fingerprint)
        index = 0                           # the place to take: its own, a free one, else the last
        while index < SET_PRINTS - 1 and (
            first[index].fingerprint != 0 and first[index].fingerprint != fingerprint
        ):
            index += 1
        if (
            first[index].fingerprint == 0 or first[index].fingerprint == fingerprint
            or first[index].ingest_ms < since_ms
        ):
            break
        if prints.set_count == SETS_MAX or not grow(arena, prints):
            dropped[0] += 1
            break
    if prints.set_count:
        put_first(first, index, &one)
    else:
        dropped[0] += 1
