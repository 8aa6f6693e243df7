# cython: language_level=3
"""The groups that a user's features hold, in the order of their bytes."""
from libc.stdlib cimport qsort
from libc.string cimport memcmp

from augenblick_native.buffer cimport buffer_room, put_bytes
from augenblick_native.listing cimport listed
from augenblick_native.machine cimport COUNT_STATE_FULL
from augenblick_native.program cimport FeatureRule
from augenblick_native.reading cimport holds_anything
from augenblick_native.record cimport cell_at, group_data, group_head, next_cell
from augenblick_native.state cimport Cell


cdef int order_of_bytes(const void* one, const void* other) noexcept nogil:
    cdef const Group* left = <const Group*>one
    cdef const Group* right = <const Group*>other
    cdef int order = memcmp(left.data, right.data, min(left.size, right.size))
    return order if order else <int>left.size - <int>right.size


# Cells of a slot that have a group.
cdef uint32_t count_cells(Machine* machine, uint16_t slot) noexcept nogil:
    cdef uint32_t offset = next_cell(machine.keeper.user, slot, 0)
    cdef uint32_t count = 0
    while offset:
        count += cell_at(machine.keeper.user, offset).group_bytes != 0
        offset = following(machine, slot, offset)
    return count


cdef inline uint32_t following(Machine* machine, uint16_t slot, uint32_t offset) noexcept nogil:
    return next_cell(
        machine.keeper.user, slot, offset + cell_at(machine.keeper.user, offset).size
    )


# Add the groups of a slot's cells behind the `count` that were found; how many there are then.
cdef uint32_t add_groups(
    Machine* machine, uint16_t slot, const FeatureRule* rule, Moment* moment, Group* found,
    uint32_t count
) noexcept nogil:
    cdef uint32_t offset = next_cell(machine.keeper.user, slot, 0)
    cdef Cell* cell
    while offset:
        cell = cell_at(machine.keeper.user, offset)
        if cell.group_bytes and (
            moment == NULL or rule == NULL or holds_anything(machine, moment, rule, offset)
        ):
            if buffer_room(&machine.scratch, cell.group_bytes) == NULL:
                machine.counters[COUNT_STATE_FULL] += 1
                return count
            found[count].data = machine.scratch.data + machine.scratch.size
            found[count].size = cell.group_bytes
            found[count].hashed = group_head(cell).hashed
            put_bytes(&machine.scratch, group_data(cell), cell.group_bytes)
            count += 1
        offset = following(machine, slot, offset)
    return count


cdef uint32_t gather_groups(
    Machine* machine, const Span* features, uint16_t slot, Moment* moment, Group** groups
) noexcept nogil:
    cdef const FeatureRule* rule
    cdef Group* found
    cdef uint32_t index
    cdef uint32_t kept = 0
    cdef uint32_t count = count_cells(machine, slot) if slot else 0
    for index in range(features.count):
        count += count_cells(
            machine, machine.plan.features[listed(machine, features, index)].slot
        )
    machine.scratch.size = (machine.scratch.size + 7) & ~<size_t>7
    groups[0] = <Group*>buffer_room(&machine.scratch, count * sizeof(Group))
    if groups[0] == NULL or count == 0:
        machine.counters[COUNT_STATE_FULL] += count != 0
        return 0
    found = groups[0]
    machine.scratch.size += count * sizeof(Group)
    count = add_groups(machine, slot, NULL, NULL, found, 0) if slot else 0
    for index in range(features.count):
        rule = &machine.plan.features[listed(machine, features, index)]
        count = add_groups(machine, rule.slot, rule, moment, found, count)
    qsort(found, count, sizeof(Group), order_of_bytes)
    for index in range(count):
        if kept == 0 or order_of_bytes(&found[kept - 1], &found[index]) != 0:
            found[kept] = found[index]
            kept += 1
    return kept
