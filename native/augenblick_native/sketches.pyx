# cython: language_level=3
"""Panes of sketches inside a user's record."""
from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset

from augenblick_native.aggregates.sketch cimport (
    Taking, sketch_changed, sketch_merge, sketch_put, sketch_result, taking_of,
)
from augenblick_native.buffer cimport Buffer, buffer_room
from augenblick_native.cursor cimport Cursor, cursor_over
from augenblick_native.entries cimport EntryHead
from augenblick_native.layout cimport header_bytes
from augenblick_native.msgpack cimport missing, read_value
from augenblick_native.record cimport narrow, payload, payload_bytes, widen
from augenblick_native.state cimport NEVER_MS

cdef struct Pane:
    int64_t key
    uint32_t bytes                      # of the state, which follows
    uint32_t unused


cdef inline Pane* pane_at(Machine* machine, uint32_t offset, uint32_t at) noexcept nogil:
    return <Pane*>(payload(machine.keeper.user, offset) + at)


cdef inline uint8_t* state_of(const Pane* pane) noexcept nogil:
    return <uint8_t*>pane + sizeof(Pane)


cdef inline uint32_t whole(const Pane* pane) noexcept nogil:
    return <uint32_t>sizeof(Pane) + pane.bytes


# Where the pane with this key is, or would be.  True: it is there.
cdef bint find_pane(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t key, uint32_t* found
) noexcept nogil:
    cdef uint32_t end = payload_bytes(machine.keeper.user, offset)
    cdef uint32_t at = header_bytes(rule)
    while at < end and pane_at(machine, offset, at).key < key:
        at += whole(pane_at(machine, offset, at))
    found[0] = at
    return at < end and pane_at(machine, offset, at).key == key


# The pane at `at` gets a state of `size` bytes; new ones are zeros, at its end.  False: full.
cdef bint resize(Machine* machine, uint32_t offset, uint32_t at, uint32_t size) noexcept nogil:
    cdef uint32_t bytes_now = pane_at(machine, offset, at).bytes
    cdef uint32_t end = at + whole(pane_at(machine, offset, at))
    if size > bytes_now and not widen(&machine.keeper, offset, end, size - bytes_now):
        return False
    if size < bytes_now:
        narrow(machine.keeper.user, offset, end - (bytes_now - size), bytes_now - size)
    pane_at(machine, offset, at).bytes = size
    return True


cdef bint sketches_add(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t key, const Value* value
) noexcept nogil:
    cdef Taking taking
    cdef uint32_t at, size, changed
    cdef Pane* pane
    if not taking_of(rule, &machine.scratch, value, &taking):
        return False
    if not find_pane(machine, rule, offset, key, &at):
        if not widen(&machine.keeper, offset, at, sizeof(Pane)):
            return False
        pane_at(machine, offset, at).key = key
    pane = pane_at(machine, offset, at)
    size = pane.bytes
    changed = sketch_changed(rule, state_of(pane), size, &taking)
    if changed > size and not resize(machine, offset, at, changed):
        if size == 0:
            narrow(machine.keeper.user, offset, at, sizeof(Pane))
        return False
    sketch_put(rule, state_of(pane_at(machine, offset, at)), size, changed, &taking)
    if changed < size:
        resize(machine, offset, at, changed)
    return True


# The run of panes with key in [first, last]: where it begins and ends, how many.
cdef uint32_t run_of(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t first, int64_t last,
    uint32_t* start, uint32_t* stop
) noexcept nogil:
    cdef uint32_t end = payload_bytes(machine.keeper.user, offset)
    cdef uint32_t count = 0
    cdef uint32_t at
    find_pane(machine, rule, offset, first, start)
    at = start[0]
    while at < end and pane_at(machine, offset, at).key <= last:
        at += whole(pane_at(machine, offset, at))
        count += 1
    stop[0] = at
    return count


# All panes of a run as one state in Machine.sketch.  False: no memory.
cdef bint merge_run(
    Machine* machine, const FeatureRule* rule, uint32_t offset, uint32_t start, uint32_t stop
) noexcept nogil:
    cdef const Pane* pane
    cdef uint32_t at = start
    machine.sketch.size = 0
    while at < stop:
        pane = pane_at(machine, offset, at)
        if not sketch_merge(rule, &machine.sketch, state_of(pane), pane.bytes):
            return False
        at += whole(pane)
    return True


cdef Value sketches_result(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t first, int64_t last
) noexcept nogil:
    cdef uint32_t start, stop
    cdef uint32_t count = run_of(machine, rule, offset, first, last, &start, &stop)
    cdef const Pane* pane
    if count == 1:
        pane = pane_at(machine, offset, start)
        return sketch_result(rule, &machine.scratch, state_of(pane), pane.bytes)
    if not merge_run(machine, rule, offset, start, stop):
        return missing()
    return sketch_result(
        rule, &machine.scratch, machine.sketch.data, <uint32_t>machine.sketch.size
    )


cdef bint sketches_hold(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t first, int64_t last
) noexcept nogil:
    cdef uint32_t start, stop
    return run_of(machine, rule, offset, first, last, &start, &stop) != 0


cdef void sketches_drop(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t first, int64_t last
) noexcept nogil:
    cdef uint32_t start, stop
    if run_of(machine, rule, offset, first, last, &start, &stop):
        narrow(machine.keeper.user, offset, start, stop - start)


cdef bint sketches_join(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t key, int64_t merged
) noexcept nogil:
    cdef uint32_t at, other
    cdef bint fits = True
    if not find_pane(machine, rule, offset, merged, &other):
        return True
    if not find_pane(machine, rule, offset, key, &at):
        if not widen(&machine.keeper, offset, at, sizeof(Pane)):
            return False
        pane_at(machine, offset, at).key = key
    machine.sketch.size = 0
    find_pane(machine, rule, offset, merged, &other)
    fits = sketch_merge(
        rule, &machine.sketch, state_of(pane_at(machine, offset, at)),
        pane_at(machine, offset, at).bytes
    ) and sketch_merge(
        rule, &machine.sketch, state_of(pane_at(machine, offset, other)),
        pane_at(machine, offset, other).bytes
    )
    narrow(machine.keeper.user, offset, other, whole(pane_at(machine, offset, other)))
    find_pane(machine, rule, offset, key, &at)
    if not fits or not resize(machine, offset, at, <uint32_t>machine.sketch.size):
        return False
    memcpy(
        state_of(pane_at(machine, offset, at)), machine.sketch.data, machine.sketch.size
    )
    return True


cdef int64_t sketches_first(
    Machine* machine, const FeatureRule* rule, uint32_t offset
) noexcept nogil:
    if payload_bytes(machine.keeper.user, offset) == header_bytes(rule):
        return NEVER_MS
    return pane_at(machine, offset, header_bytes(rule)).key


cdef int64_t sketches_last(
    Machine* machine, const FeatureRule* rule, uint32_t offset
) noexcept nogil:
    cdef uint32_t at = header_bytes(rule)
    cdef int64_t last = NEVER_MS
    while at < payload_bytes(machine.keeper.user, offset):
        last = pane_at(machine, offset, at).key
        at += whole(pane_at(machine, offset, at))
    return last


# Take a value into the state that is all of Machine.sketch.  False: no memory.
cdef bint take_in(Machine* machine, const FeatureRule* rule, const Value* value) noexcept nogil:
    cdef Buffer* sketch = &machine.sketch
    cdef Taking taking
    cdef uint32_t size = <uint32_t>sketch.size
    cdef uint32_t changed
    if not taking_of(rule, &machine.scratch, value, &taking):
        return False
    changed = sketch_changed(rule, sketch.data, size, &taking)
    if changed > size:
        if buffer_room(sketch, changed - size) == NULL:
            return False
        memset(sketch.data + size, 0, changed - size)
    sketch_put(rule, sketch.data, size, changed, &taking)
    sketch.size = changed
    return True


cdef Value sketch_of_entries(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t from_ms, int64_t to_ms
) noexcept nogil:
    cdef uint32_t at = 0
    cdef EntryHead* entry
    cdef Cursor cursor
    cdef Value value
    machine.sketch.size = 0
    while at < payload_bytes(machine.keeper.user, offset):
        entry = <EntryHead*>(payload(machine.keeper.user, offset) + at)
        at += entry.size
        if from_ms <= entry.time_ms <= to_ms:
            cursor = cursor_over(<uint8_t*>entry + sizeof(EntryHead), entry.value_bytes)
            read_value(&cursor, &value)
            if not take_in(machine, rule, &value):
                return missing()
    return sketch_result(
        rule, &machine.scratch, machine.sketch.data, <uint32_t>machine.sketch.size
    )
