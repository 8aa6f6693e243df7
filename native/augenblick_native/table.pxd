# Index of the users of one key group: open addressing by user key, the id's bytes compared on every
# hit.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from augenblick_native.arena cimport Arena
from augenblick_native.hash cimport same_bytes
from augenblick_native.state cimport Entry, KeyGroup, User


cdef inline const uint8_t* user_id(const User* user) noexcept nogil:
    return <const uint8_t*>user + sizeof(User)


cdef inline uint32_t first_place(const KeyGroup* group, uint64_t user_key) noexcept nogil:
    return <uint32_t>user_key & group.mask          # the top 12 bits are the key group: equal here


# The user's entry, or NULL.  A collision of keys costs a probe and never joins two users.
cdef inline Entry* find_user(
    KeyGroup* group, uint64_t user_key, const uint8_t* id, uint16_t id_bytes
) noexcept nogil:
    cdef uint32_t at
    cdef Entry* entry
    if group.entries == NULL:
        return NULL
    at = first_place(group, user_key)
    while True:
        entry = &group.entries[at]
        if entry.user == NULL:
            return NULL
        if (
            entry.user_key == user_key
            and entry.user.id_bytes == id_bytes
            and same_bytes(user_id(entry.user), id, id_bytes)
        ):
            return entry
        at = (at + 1) & group.mask


# A place for a new user; the table grows at 3/4.  NULL: no memory.  Moves entries.
cdef Entry* add_user(Arena* arena, KeyGroup* group, User* user) noexcept nogil
cdef void remove_user(Arena* arena, KeyGroup* group, Entry* entry) noexcept nogil

# Give back the memory of the index, not of the users.
cdef void free_entries(Arena* arena, KeyGroup* group) noexcept nogil
cdef Entry* entry_of(KeyGroup* group, const User* user) noexcept nogil
