# cython: language_level=3
"""Index of the users of one key group."""
from libc.string cimport memset

from augenblick_native.arena cimport arena_give, arena_take


cdef bint grow(Arena* arena, KeyGroup* group) noexcept nogil:
    cdef uint32_t old = group.mask + 1 if group.entries != NULL else 0
    cdef uint32_t size = old * 2 if old else 8
    cdef uint32_t taken, index, at
    cdef Entry* entries = <Entry*>arena_take(arena, size * <uint32_t>sizeof(Entry), &taken)
    if entries == NULL:
        return False
    memset(entries, 0, size * sizeof(Entry))
    for index in range(old):
        if group.entries[index].user == NULL:
            continue
        at = <uint32_t>group.entries[index].user_key & (size - 1)
        while entries[at].user != NULL:
            at = (at + 1) & (size - 1)
        entries[at] = group.entries[index]
    free_entries(arena, group)
    group.entries = entries
    group.mask = size - 1
    return True


cdef void free_entries(Arena* arena, KeyGroup* group) noexcept nogil:
    if group.entries != NULL:
        arena_give(arena, group.entries, (group.mask + 1) * <uint32_t>sizeof(Entry))


cdef Entry* add_user(Arena* arena, KeyGroup* group, User* user) noexcept nogil:
    cdef uint32_t at
    if group.entries == NULL or (group.users + 1) * 4 > (group.mask + 1) * 3:
        if not grow(arena, group):
            return NULL
    at = first_place(group, user.user_key)
    while group.entries[at].user != NULL:
        at = (at + 1) & group.mask
    group.entries[at].user_key = user.user_key
    group.entries[at].user = user
    group.users += 1
    return &group.entries[at]


cdef void remove_user(Arena* arena, KeyGroup* group, Entry* entry) noexcept nogil:
    """Backward-shift deletion: no tombstones, so that churn costs no probes."""
    cdef uint32_t hole = <uint32_t>(entry - group.entries)
    cdef uint32_t at = hole
    cdef uint32_t home
    group.users -= 1
    while True:
        at = (at + 1) & group.mask
        if group.entries[at].user == NULL:
            break
        home = first_place(group, group.entries[at].user_key)
        if ((at - home) & group.mask) >= ((at - hole) & group.mask):
            group.entries[hole] = group.entries[at]
            hole = at
    group.entries[hole].user = NULL
    if group.users == 0:
        free_entries(arena, group)
        group.entries = NULL
        group.mask = 0


cdef Entry* entry_of(KeyGroup* group, const User* user) noexcept nogil:
    """By the record itself, not by its id: what is taken out is what was meant."""
    cdef uint32_t at
    if group.entries == NULL:
        return NULL
    at = first_place(group, user.user_key)
    while group.entries[at].user != NULL:
        if group.entries[at].user == user:
            return &group.entries[at]
        at = (at + 1) & group.mask
    return NULL
