# cython: language_level=3
"""Cells inside a user's record."""
from libc.string cimport memcpy, memmove, memset

from augenblick_native.arena cimport arena_give, arena_take
from augenblick_native.state cimport Entry, NEVER_MS, NO_HEAP, NO_TIME_MS
from augenblick_native.table cimport entry_of


cdef enum:
    # past this a record is one of those that grow and grow: each move makes room for half as much
    STEADY_BYTES = 512
    ANNEX_BYTES = 192               # of cells, to begin with


cdef bint move(Keeper* keeper, uint32_t size) noexcept nogil:
    cdef User* old = keeper.user
    cdef uint32_t capacity
    cdef Entry* entry
    cdef User* user = <User*>arena_take(keeper.arena, size, &capacity)
    if user == NULL:
        return False
    memcpy(user, old, old.size)
    user.capacity = capacity
    if keeper.owner != NULL:
        keeper.owner.annex = user
    else:
        entry = entry_of(keeper.group, old)
        if entry != NULL:
            entry.user = user
        if user.heap_index != NO_HEAP:
            keeper.group.heap[user.heap_index].user = user
    arena_give(keeper.arena, old, old.capacity)
    keeper.user = user
    return True


cdef inline bint reserve(Keeper* keeper, uint32_t size) noexcept nogil:
    cdef uint32_t wanted = keeper.user.size + size
    if wanted <= keeper.user.capacity:
        return True
    if wanted > RECORD_BYTES_MAX:
        return False
    wanted += wanted // 2 if wanted > STEADY_BYTES else 0
    return move(keeper, min(wanted, <uint32_t>RECORD_BYTES_MAX))


cdef uint32_t add_cell(
    Keeper* keeper, uint16_t slot, const uint8_t* group, uint16_t group_bytes, uint32_t hashed,
    uint32_t size
) noexcept nogil:
    cdef uint32_t whole = <uint32_t>sizeof(Cell) + pad8(size)
    cdef uint32_t offset
    cdef Cell* cell
    if group_bytes:
        whole += <uint32_t>sizeof(GroupHead) + pad8(group_bytes)
    if not reserve(keeper, whole):
        return 0
    offset = keeper.user.size
    cell = cell_at(keeper.user, offset)
    memset(cell, 0, whole)
    cell.slot = slot
    cell.group_bytes = group_bytes
    cell.size = whole
    if group_bytes:
        group_head(cell).hashed = hashed
        memcpy(group_data(cell), group, group_bytes)
    keeper.user.size += whole
    return offset


cdef bint widen(Keeper* keeper, uint32_t offset, uint32_t at, uint32_t size) noexcept nogil:
    cdef uint8_t* place
    if not reserve(keeper, size):
        return False
    place = payload(keeper.user, offset) + at
    memmove(place + size, place, <uint8_t*>keeper.user + keeper.user.size - place)
    memset(place, 0, size)
    cell_at(keeper.user, offset).size += size
    keeper.user.size += size
    return True


cdef void narrow(User* user, uint32_t offset, uint32_t at, uint32_t size) noexcept nogil:
    cdef uint8_t* place = payload(user, offset) + at
    memmove(place, place + size, <uint8_t*>user + user.size - (place + size))
    cell_at(user, offset).size -= size
    user.size -= size


cdef void remove_cell(User* user, uint32_t offset) noexcept nogil:
    cdef uint32_t size = cell_at(user, offset).size
    cdef uint8_t* place = <uint8_t*>user + offset
    memmove(place, place + size, user.size - offset - size)
    user.size -= size


cdef User* new_record(
    Arena* arena, const uint8_t* id, uint16_t id_bytes, uint32_t room
) noexcept nogil:
    cdef uint32_t capacity
    cdef uint32_t size = <uint32_t>sizeof(User) + pad8(id_bytes)
    cdef User* user = <User*>arena_take(arena, size + room, &capacity)
    if user == NULL:
        return NULL
    memset(user, 0, size)
    user.armed_ms = NEVER_MS
    user.latest_ms = NO_TIME_MS
    user.kept_until_ms = NO_TIME_MS
    user.capacity = capacity
    user.size = size
    user.heap_index = NO_HEAP
    user.id_bytes = id_bytes
    if id_bytes:                            # memcpy takes no NULL, whatever the size
        memcpy(<uint8_t*>user + sizeof(User), id, id_bytes)
    return user


cdef bint make_annex(Keeper* annex) noexcept nogil:
    if annex.user == NULL:
        annex.user = annex.owner.annex = new_record(annex.arena, NULL, 0, ANNEX_BYTES)
    return annex.user != NULL


cdef void drop_empty_annex(Keeper* annex) noexcept nogil:
    if annex.user.size == first_cell(annex.user):
        arena_give(annex.arena, annex.user, annex.user.capacity)
        annex.user = annex.owner.annex = NULL


cdef void free_record(Arena* arena, User* user) noexcept nogil:
    if user.annex != NULL:
        arena_give(arena, user.annex, user.annex.capacity)
    arena_give(arena, user, user.capacity)


cdef void shrink(Keeper* keeper) noexcept nogil:
    if keeper.user.size + keeper.user.size // 4 + 64 < keeper.user.capacity:
        move(keeper, keeper.user.size)
