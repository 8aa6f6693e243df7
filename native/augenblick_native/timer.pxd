# One timer entry per user in a binary heap per key group; a user knows its place, so an earlier
# deadline moves it.
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy

from augenblick_native.arena cimport Arena, arena_give, arena_take
from augenblick_native.state cimport HeapItem, KeyGroup, NEVER_MS, NO_HEAP, User


cdef inline void heap_put(KeyGroup* group, uint32_t at, HeapItem item) noexcept nogil:
    group.heap[at] = item
    item.user.heap_index = at


cdef inline void sift_up(KeyGroup* group, uint32_t at) noexcept nogil:
    cdef HeapItem item = group.heap[at]
    cdef uint32_t parent
    while at > 0:
        parent = (at - 1) >> 1
        if group.heap[parent].deadline_ms <= item.deadline_ms:
            break
        heap_put(group, at, group.heap[parent])
        at = parent
    heap_put(group, at, item)


cdef inline void sift_down(KeyGroup* group, uint32_t at) noexcept nogil:
    cdef HeapItem item = group.heap[at]
    cdef uint32_t child
    while True:
        child = 2 * at + 1
        if child >= group.heap_count:
            break
        if (
            child + 1 < group.heap_count
            and group.heap[child + 1].deadline_ms < group.heap[child].deadline_ms
        ):
            child += 1
        if item.deadline_ms <= group.heap[child].deadline_ms:
            break
        heap_put(group, at, group.heap[child])
        at = child
    heap_put(group, at, item)


cdef inline void free_heap(Arena* arena, KeyGroup* group) noexcept nogil:
    if group.heap != NULL:
        arena_give(arena, group.heap, group.heap_capacity * <uint32_t>sizeof(HeapItem))


cdef inline bint grow_heap(Arena* arena, KeyGroup* group) noexcept nogil:
    cdef uint32_t capacity = group.heap_capacity * 2 if group.heap_capacity else 8
    cdef uint32_t taken
    cdef HeapItem* heap = <HeapItem*>arena_take(
        arena, capacity * <uint32_t>sizeof(HeapItem), &taken
    )
    if heap == NULL:
        return False
    if group.heap_count:
        memcpy(heap, group.heap, group.heap_count * sizeof(HeapItem))
    free_heap(arena, group)
    group.heap = heap
    group.heap_capacity = capacity
    return True


# Make sure that the user is looked at no later than the watermark passes `deadline_ms`.  False: no
# memory.
cdef inline bint arm(
    Arena* arena, KeyGroup* group, User* user, int64_t deadline_ms
) noexcept nogil:
    cdef HeapItem item
    if deadline_ms >= user.armed_ms:
        return True
    user.armed_ms = deadline_ms
    group.rearmed = True
    if user.heap_index != NO_HEAP:
        group.heap[user.heap_index].deadline_ms = deadline_ms
        sift_up(group, user.heap_index)
        return True
    if group.heap_count == group.heap_capacity and not grow_heap(arena, group):
        user.armed_ms = NEVER_MS
        return False
    item.deadline_ms = deadline_ms
    item.user = user
    group.heap_count += 1
    heap_put(group, group.heap_count - 1, item)
    sift_up(group, group.heap_count - 1)
    return True


cdef inline void disarm(KeyGroup* group, User* user) noexcept nogil:
    cdef uint32_t at = user.heap_index
    if at == NO_HEAP:
        return
    user.heap_index = NO_HEAP
    user.armed_ms = NEVER_MS
    group.rearmed = True
    group.heap_count -= 1
    if at == group.heap_count:
        return
    heap_put(group, at, group.heap[group.heap_count])
    sift_up(group, at)
    sift_down(group, at)
