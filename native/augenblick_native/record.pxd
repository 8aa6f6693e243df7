# Cells inside a user's record: find, add, widen, narrow, remove.
#
# A cell is named by its offset from the record's start; 0 means none.  Adding or widening may move
# the whole record
# (Keeper.user follows) and shifts the cells behind; an offset stays right as long as no cell BEFORE
# it changes size.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from augenblick_native.arena cimport Arena
from augenblick_native.hash cimport same_bytes
from augenblick_native.state cimport Cell, GroupHead, KeyGroup, User

cdef enum:
    # one user's state; engine/augenblick/limits.py: user_state_bytes_max
    RECORD_BYTES_MAX = 4 << 20


# The record at hand and who holds it: the key group's table, or for an annex its user.
cdef struct Keeper:
    Arena* arena
    KeyGroup* group
    User* user
    User* owner                     # of an annex: whose it is; else NULL


cdef inline uint32_t pad8(uint32_t size) noexcept nogil:
    return (size + 7) & ~<uint32_t>7


cdef inline uint32_t first_cell(const User* user) noexcept nogil:
    return <uint32_t>sizeof(User) + pad8(user.id_bytes)


cdef inline Cell* cell_at(const User* user, uint32_t offset) noexcept nogil:
    return <Cell*>(<uint8_t*>user + offset)


cdef inline GroupHead* group_head(Cell* cell) noexcept nogil:
    return <GroupHead*>(<uint8_t*>cell + sizeof(Cell))


cdef inline uint8_t* group_data(Cell* cell) noexcept nogil:
    return <uint8_t*>cell + sizeof(Cell) + sizeof(GroupHead)


cdef inline uint32_t head_bytes(const Cell* cell) noexcept nogil:
    if cell.group_bytes == 0:
        return <uint32_t>sizeof(Cell)
    return <uint32_t>(sizeof(Cell) + sizeof(GroupHead)) + pad8(cell.group_bytes)


cdef inline uint8_t* payload(const User* user, uint32_t offset) noexcept nogil:
    cdef Cell* cell = cell_at(user, offset)
    return <uint8_t*>cell + head_bytes(cell)


cdef inline uint32_t payload_bytes(const User* user, uint32_t offset) noexcept nogil:
    cdef Cell* cell = cell_at(user, offset)
    return cell.size - head_bytes(cell)


# The cell of (slot, group), or 0.  `hashed` is name_hash of the group's bytes; both 0 for no group.
cdef inline uint32_t find_cell(
    const User* user, uint16_t slot, const uint8_t* group, uint16_t group_bytes, uint32_t hashed
) noexcept nogil:
    cdef uint32_t offset = first_cell(user)
    cdef Cell* cell
    while offset < user.size:
        cell = cell_at(user, offset)
        if cell.slot == slot and cell.group_bytes == group_bytes:
            if group_bytes == 0:
                return offset
            if (
                group_head(cell).hashed == hashed
                and same_bytes(group_data(cell), group, group_bytes)
            ):
                return offset
        offset += cell.size
    return 0


# The next cell of the slot at or after `offset` (0: from the first), whatever its group; 0: no
# more.
cdef inline uint32_t next_cell(const User* user, uint16_t slot, uint32_t offset) noexcept nogil:
    cdef Cell* cell
    if offset == 0:
        offset = first_cell(user)
    while offset < user.size:
        cell = cell_at(user, offset)
        if cell.slot == slot:
            return offset
        offset += cell.size
    return 0


# A new cell at the record's end with a payload of zeros.  0: the record is full or there is no
# memory.
cdef uint32_t add_cell(
    Keeper* keeper, uint16_t slot, const uint8_t* group, uint16_t group_bytes, uint32_t hashed,
    uint32_t size
) noexcept nogil

# Open `size` bytes (a multiple of 8) of zeros at `at` inside the payload.  False: full or no
# memory; nothing changed.
cdef bint widen(Keeper* keeper, uint32_t offset, uint32_t at, uint32_t size) noexcept nogil

# Take `size` bytes (a multiple of 8) at `at` out of the payload.  Never moves the record.
cdef void narrow(User* user, uint32_t offset, uint32_t at, uint32_t size) noexcept nogil

cdef void remove_cell(User* user, uint32_t offset) noexcept nogil

# A record with no cells and `room` bytes for some.  NULL: no memory.
cdef User* new_record(
    Arena* arena, const uint8_t* id, uint16_t id_bytes, uint32_t room
) noexcept nogil

# The user's annex, to be used until the user moves; its record is NULL where there is none.
cdef inline void face_annex(const Keeper* keeper, Keeper* annex) noexcept nogil:
    annex[0] = keeper[0]
    annex.owner = keeper.user
    annex.user = keeper.user.annex

# Make the annex if need be.  False: no memory.  Give it back when it holds nothing any more.
cdef bint make_annex(Keeper* annex) noexcept nogil
cdef void drop_empty_annex(Keeper* annex) noexcept nogil

# Give back a user's record and annex; table and timers are the caller's.
cdef void free_record(Arena* arena, User* user) noexcept nogil

# Move the record to the smallest class that holds it, when that saves a class or more.
cdef void shrink(Keeper* keeper) noexcept nogil
