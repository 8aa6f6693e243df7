# cython: language_level=3
"""top: space-saving counters, in the order in which their values came."""
from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memcpy, memmove, memset

from augenblick_native.buffer cimport buffer_room, pack_array, put_bytes

# A counter; the value's bytes follow, padded to 8.
cdef struct Counter:
    uint64_t count
    uint32_t size                       # of the whole counter
    uint32_t value_bytes


cdef inline Counter* counter_at(const uint8_t* state, uint32_t at) noexcept nogil:
    return <Counter*>(state + at)


cdef inline uint8_t* value_of(const Counter* counter) noexcept nogil:
    return <uint8_t*>counter + sizeof(Counter)


cdef inline uint32_t bytes_for(uint32_t value_bytes) noexcept nogil:
    return <uint32_t>sizeof(Counter) + ((value_bytes + 7) & ~<uint32_t>7)


cdef inline int by_bytes(
    const uint8_t* one, uint32_t one_size, const uint8_t* other, uint32_t other_size
) noexcept nogil:
    cdef int prefix = memcmp(one, other, min(one_size, other_size))
    if prefix:
        return prefix
    return (one_size > other_size) - (one_size < other_size)


# Does `one` come before `other` in the answer?
cdef inline bint leads(const Counter* one, const Counter* other) noexcept nogil:
    if one.count != other.count:
        return one.count > other.count
    return by_bytes(value_of(one), one.value_bytes, value_of(other), other.value_bytes) < 0


cdef uint32_t find(const uint8_t* state, uint32_t size, const Kept* value) noexcept nogil:
    cdef uint32_t at = 0
    cdef const Counter* counter
    while at < size:
        counter = counter_at(state, at)
        if (
            counter.value_bytes == value.size
            and memcmp(value_of(counter), value.data, value.size) == 0
        ):
            break
        at += counter.size
    return at                           # size: it is not there


cdef uint32_t count_of(const uint8_t* state, uint32_t size) noexcept nogil:
    cdef uint32_t at = 0
    cdef uint32_t count = 0
    while at < size:
        at += counter_at(state, at).size
        count += 1
    return count


# Where the last counter of the answer is; there is one.
cdef uint32_t last_of(const uint8_t* state, uint32_t size) noexcept nogil:
    cdef uint32_t last = 0
    cdef uint32_t at = 0
    while at < size:
        if leads(counter_at(state, last), counter_at(state, at)):
            last = at
        at += counter_at(state, at).size
    return last


cdef uint32_t top_changed(
    const uint8_t* state, uint32_t size, uint32_t counters, const Kept* value
) noexcept nogil:
    if find(state, size, value) < size:
        return size
    if count_of(state, size) < counters:
        return size + bytes_for(value.size)
    return size - counter_at(state, last_of(state, size)).size + bytes_for(value.size)


cdef inline void write_counter(
    uint8_t* state, uint32_t at, uint64_t count, const Kept* value
) noexcept nogil:
    cdef Counter* counter = counter_at(state, at)
    memset(counter, 0, bytes_for(value.size))
    counter.count = count
    counter.size = bytes_for(value.size)
    counter.value_bytes = value.size
    memcpy(value_of(counter), value.data, value.size)


cdef void top_put(
    uint8_t* state, uint32_t size, uint32_t counters, const Kept* value
) noexcept nogil:
    cdef uint32_t at = find(state, size, value)
    cdef uint64_t count = 0
    if at < size:
        counter_at(state, at).count += 1
        return
    if count_of(state, size) >= counters:
        at = last_of(state, size)
        count = counter_at(state, at).count
        size = without(state, size, at)
    write_counter(state, size, count + 1, value)


# Take a counter out; the bytes that are left.
cdef uint32_t without(uint8_t* state, uint32_t size, uint32_t at) noexcept nogil:
    cdef uint32_t whole = counter_at(state, at).size
    memmove(state + at, state + at + whole, size - at - whole)
    return size - whole


# What a value that has no counter may have counted: the least count of a full state.
cdef uint64_t missed(const uint8_t* state, uint32_t size, uint32_t counters) noexcept nogil:
    if size == 0 or count_of(state, size) < counters:
        return 0
    return counter_at(state, last_of(state, size)).count


cdef bint top_merge(
    Buffer* into, const uint8_t* other, uint32_t size, uint32_t counters
) noexcept nogil:
    cdef uint32_t whole = <uint32_t>into.size
    cdef uint64_t missed_here = missed(into.data, whole, counters)
    cdef uint64_t missed_there = missed(other, size, counters)
    cdef uint32_t at = 0
    cdef uint32_t found, count
    cdef Counter* counter
    cdef Kept value
    while at < whole:
        counter = counter_at(into.data, at)
        value.data = value_of(counter)
        value.size = counter.value_bytes
        found = find(other, size, &value)
        counter.count += counter_at(other, found).count if found < size else missed_there
        at += counter.size
    at = 0
    while at < size:
        counter = counter_at(other, at)
        value.data = value_of(counter)
        value.size = counter.value_bytes
        if find(into.data, whole, &value) == whole:
            if buffer_room(into, counter.size) == NULL:
                return False
            write_counter(
                into.data, <uint32_t>into.size, counter.count + missed_here, &value
            )
            into.size += counter.size
        at += counter.size
    count = count_of(into.data, <uint32_t>into.size)
    while count > counters:
        into.size = without(
            into.data, <uint32_t>into.size, last_of(into.data, <uint32_t>into.size)
        )
        count -= 1
    return True


# The counter that follows `before` in the answer (NULL: the first); NULL: there is none.
cdef const Counter* next_of(
    const uint8_t* state, uint32_t size, const Counter* before
) noexcept nogil:
    cdef const Counter* best = NULL
    cdef const Counter* counter
    cdef uint32_t at = 0
    while at < size:
        counter = counter_at(state, at)
        if (before == NULL or leads(before, counter)) and (best == NULL or leads(counter, best)):
            best = counter
        at += counter.size
    return best


cdef bint top_pack(
    Buffer* out, const uint8_t* state, uint32_t size, uint32_t wanted
) noexcept nogil:
    cdef uint32_t left = min(wanted, count_of(state, size))
    cdef const Counter* counter = NULL
    if buffer_room(out, size + 8) == NULL:
        return False
    pack_array(out, left)
    while left:
        counter = next_of(state, size, counter)
        put_bytes(out, value_of(counter), counter.value_bytes)
        left -= 1
    return True
