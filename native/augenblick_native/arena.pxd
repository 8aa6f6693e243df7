# Memory of all user records of one kernel: size classes carved from huge-page chunks; one owner,
# freed in one place.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    ARENA_CLASSES = 44              # four classes an octave, 64 bytes to 112 KiB
    ARENA_RECORD_BYTES_MAX = 0x1000000

cdef struct Chunk:
    void* mapped
    size_t bytes
    Chunk* next

# Creator and owner: the kernel object.  One thread at a time, but for arena_prepare.  A record is
# valid until it is given back.
cdef struct Arena:
    Chunk* chunks
    Chunk* spare                    # the next chunk, its pages there already; taken atomically
    uint8_t* at                     # free tail of the newest chunk
    size_t left
    void* free_records[ARENA_CLASSES]   # linked through their first word
    uint64_t used_bytes             # in records handed out
    uint64_t mapped_bytes           # asked of the system
    int64_t live                    # records handed out and not given back


# At least `wanted` bytes; `capacity` is set to what the class holds.  NULL: no memory.
cdef void* arena_take(Arena* arena, uint32_t wanted, uint32_t* capacity) noexcept nogil
cdef void arena_give(Arena* arena, void* record, uint32_t capacity) noexcept nogil
cdef void arena_free(Arena* arena) noexcept nogil

# Is the newest chunk nearly used up, and no other ready?
cdef bint arena_is_low(const Arena* arena) noexcept nogil

# Have the next chunk ready before it is needed: the system takes milliseconds to make huge pages.
# May run on another thread than everything else.
cdef void arena_prepare(Arena* arena) noexcept nogil
