# cython: language_level=3
"""Size-class allocator for user records over huge-page chunks."""
from libc.stdlib cimport free, malloc

cdef extern from "sys/mman.h" nogil:
    void* mmap(void*, size_t, int, int, int, long)
    int munmap(void*, size_t)
    int madvise(void*, size_t, int)
    int PROT_READ
    int PROT_WRITE
    int MAP_PRIVATE
    int MAP_ANONYMOUS
    int MADV_HUGEPAGE
    void* MAP_FAILED

cdef extern from *:
    """
    #define AB_POPULATE_WRITE 23            /* MADV_POPULATE_WRITE, Linux 5.14 */
    #define AB_EXCHANGE(place, chunk) __atomic_exchange_n(place, chunk, __ATOMIC_ACQ_REL)
    """
    int POPULATE_WRITE "AB_POPULATE_WRITE"
    Chunk* exchange "AB_EXCHANGE"(Chunk** place, Chunk* chunk) noexcept nogil

cdef size_t CHUNK_BYTES_MIN = 4 << 20       # small plans stay small
cdef size_t CHUNK_BYTES_MAX = 64 << 20
cdef size_t HUGE_PAGE_BYTES = 2 << 20


# Class of a record: 64, 80, 96, 112, 128, 160, ... bytes.  Sets its size.
cdef inline int class_of(uint32_t wanted, uint32_t* size) noexcept nogil:
    cdef uint32_t base = 64
    cdef uint32_t quarter
    cdef int octave = 0
    if wanted < 64:
        wanted = 64
    while base * 2 <= wanted and octave < ARENA_CLASSES:
        base *= 2
        octave += 1
    quarter = (wanted - base + base // 4 - 1) // (base // 4)
    if quarter == 4:
        base *= 2
        octave += 1
        quarter = 0
    size[0] = base + quarter * (base // 4)
    return octave * 4 + <int>quarter


# A chunk for an arena with so many bytes.  NULL: no memory.
cdef Chunk* make_chunk(uint64_t mapped_bytes) noexcept nogil:
    cdef size_t bytes = CHUNK_BYTES_MIN
    cdef void* mapped
    cdef Chunk* chunk
    while bytes < CHUNK_BYTES_MAX and bytes * 4 < mapped_bytes:
        bytes *= 2
    mapped = mmap(
        NULL, bytes + HUGE_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0
    )
    if mapped == MAP_FAILED:
        return NULL
    chunk = <Chunk*>malloc(sizeof(Chunk))
    if chunk == NULL:
        munmap(mapped, bytes + HUGE_PAGE_BYTES)
        return NULL
    chunk.mapped = mapped
    chunk.bytes = bytes + HUGE_PAGE_BYTES
    chunk.next = NULL
    madvise(usable(chunk), bytes, MADV_HUGEPAGE)
    return chunk


# The part of a chunk that huge pages can hold: all but HUGE_PAGE_BYTES.
cdef inline uint8_t* usable(const Chunk* chunk) noexcept nogil:
    return <uint8_t*>((<size_t>chunk.mapped + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1))


cdef bint grow(Arena* arena) noexcept nogil:
    cdef Chunk* chunk = exchange(&arena.spare, NULL)
    if chunk == NULL:
        chunk = make_chunk(arena.mapped_bytes)
    if chunk == NULL:
        return False
    chunk.next = arena.chunks
    arena.chunks = chunk
    arena.left = chunk.bytes - HUGE_PAGE_BYTES
    arena.mapped_bytes += arena.left
    arena.at = usable(chunk)
    return True


cdef bint arena_is_low(const Arena* arena) noexcept nogil:
    return (
        arena.spare == NULL and arena.chunks != NULL
        and arena.left <= CHUNK_BYTES_MIN // 2 + arena.mapped_bytes // 16
    )


cdef void arena_prepare(Arena* arena) noexcept nogil:
    cdef Chunk* chunk
    cdef size_t at = 0
    if not arena_is_low(arena):
        return
    chunk = make_chunk(arena.mapped_bytes)
    if chunk == NULL:
        return
    # page by page: what else maps memory can come between; where the system knows no such advice
    # the pages come as they are touched
    while at < chunk.bytes - HUGE_PAGE_BYTES:
        madvise(usable(chunk) + at, HUGE_PAGE_BYTES, POPULATE_WRITE)
        at += HUGE_PAGE_BYTES
    exchange(&arena.spare, chunk)


cdef void* arena_take(Arena* arena, uint32_t wanted, uint32_t* capacity) noexcept nogil:
    cdef uint32_t size
    cdef int index
    cdef void* record
    if wanted > ARENA_RECORD_BYTES_MAX:
        return NULL
    index = class_of(wanted, &size)
    if index >= ARENA_CLASSES:
        capacity[0] = (wanted + 0xFFFF) & ~<uint32_t>0xFFFF
        record = malloc(capacity[0])
        if record == NULL:
            return NULL
    elif arena.free_records[index] != NULL:
        capacity[0] = size
        record = arena.free_records[index]
        arena.free_records[index] = (<void**>record)[0]
    else:
        capacity[0] = size
        if arena.left < size and not grow(arena):
            return NULL
        record = arena.at
        arena.at += size
        arena.left -= size
    arena.used_bytes += capacity[0]
    arena.live += 1
    return record


cdef void arena_give(Arena* arena, void* record, uint32_t capacity) noexcept nogil:
    cdef uint32_t size
    cdef int index = class_of(capacity, &size)
    arena.used_bytes -= capacity
    arena.live -= 1
    if index >= ARENA_CLASSES:
        free(record)
        return
    (<void**>record)[0] = arena.free_records[index]
    arena.free_records[index] = record


cdef void arena_free(Arena* arena) noexcept nogil:
    """Unmap every chunk.  Records past the largest class must have been given back before."""
    cdef Chunk* chunk = exchange(&arena.spare, NULL)
    cdef Chunk* following
    if chunk != NULL:
        chunk.next = arena.chunks
    else:
        chunk = arena.chunks
    while chunk != NULL:
        following = chunk.next
        munmap(chunk.mapped, chunk.bytes)
        free(chunk)
        chunk = following
    arena.chunks = NULL
    arena.left = 0
