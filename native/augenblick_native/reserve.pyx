# cython: language_level=3
"""Tables of a key group made at once: as table and timer would have grown them."""
from libc.stdint cimport uint64_t
from libc.string cimport memset

from augenblick_native.arena cimport ARENA_RECORD_BYTES_MAX, arena_take
from augenblick_native.state cimport Entry, HeapItem

cdef enum:
    ITEMS_MAX = ARENA_RECORD_BYTES_MAX // 16        # a record of the arena has no more

assert sizeof(Entry) == sizeof(HeapItem) == 16


cdef bint reserve(Arena* arena, KeyGroup* group, uint32_t users) noexcept nogil:
    cdef uint32_t entries = 8
    cdef uint32_t timers = 8
    cdef uint32_t taken
    if users == 0:
        return True
    while entries < ITEMS_MAX and entries * <uint64_t>3 < users * <uint64_t>4:
        entries *= 2                                # table: full at 3/4
    while timers < ITEMS_MAX and timers < users:
        timers *= 2
    group.entries = <Entry*>arena_take(arena, entries * <uint32_t>sizeof(Entry), &taken)
    if group.entries == NULL:
        return False
    memset(group.entries, 0, entries * sizeof(Entry))
    group.mask = entries - 1
    group.heap = <HeapItem*>arena_take(arena, timers * <uint32_t>sizeof(HeapItem), &taken)
    if group.heap == NULL:
        return False
    group.heap_capacity = timers
    return True
