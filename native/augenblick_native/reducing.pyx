# cython: language_level=3
"""Reading a condition for each group of a user.

The groups are those that any of the features holds at the moment, in the order of the features and
of their cells: the same after a snapshot was restored.
"""
from libc.stdint cimport uint32_t

from augenblick_native.buffer cimport pack_map, put_bytes
from augenblick_native.listing cimport listed
from augenblick_native.msgpack cimport missing
from augenblick_native.predicate cimport arithmetic, evaluate
from augenblick_native.program cimport (
    OP_ADD, REDUCTION_ANY, REDUCTION_MAX, REDUCTION_SUM, FeatureRule, ReductionRule,
)
from augenblick_native.reading cimport holds_anything
from augenblick_native.record cimport cell_at, find_cell, group_data, group_head, next_cell
from augenblick_native.values cimport is_number, is_true, of_bool, of_int, order, pack_value

# Where a walk over the groups of a reduction stands.
cdef struct Walk:
    uint32_t feature                # place in the reduction's list
    uint32_t offset                 # of the cell at hand; 0: before the first of the feature


# True if a feature earlier in the list holds the group of the cell at hand.
cdef bint was_seen(
    Machine* machine, Moment* moment, const ReductionRule* rule, const Walk* walk
) noexcept nogil:
    cdef const FeatureRule* feature
    cdef uint32_t index, offset
    for index in range(walk.feature):
        feature = &machine.plan.features[listed(machine, &rule.features, index)]
        offset = find_cell(
            machine.keeper.user, feature.slot,
            group_data(cell_at(machine.keeper.user, walk.offset)),
            cell_at(machine.keeper.user, walk.offset).group_bytes,
            group_head(cell_at(machine.keeper.user, walk.offset)).hashed,
        )
        if offset and holds_anything(machine, moment, feature, offset):
            return True
    return False


# The next group, as the group of `inner`.  False: there are no more.
cdef bint next_group(
    Machine* machine, Moment* inner, const ReductionRule* rule, Walk* walk
) noexcept nogil:
    cdef const FeatureRule* feature
    cdef uint32_t offset
    while walk.feature < rule.features.count:
        feature = &machine.plan.features[listed(machine, &rule.features, walk.feature)]
        offset = walk.offset
        if offset:
            offset += cell_at(machine.keeper.user, offset).size
            if offset >= machine.keeper.user.size:
                offset = 0
            else:
                offset = next_cell(machine.keeper.user, feature.slot, offset)
        else:
            offset = next_cell(machine.keeper.user, feature.slot, 0)
        if offset == 0:
            walk.feature += 1
            walk.offset = 0
            continue
        walk.offset = offset
        if cell_at(machine.keeper.user, offset).group_bytes == 0:
            continue
        inner.group = group_data(cell_at(machine.keeper.user, offset))
        inner.group_bytes = cell_at(machine.keeper.user, offset).group_bytes
        inner.group_hash = group_head(cell_at(machine.keeper.user, offset)).hashed
        if holds_anything(machine, inner, feature, offset) and not was_seen(
            machine, inner, rule, walk
        ):
            return True
    return False


cdef Value reduce_groups(
    Machine* machine, Moment* moment, int32_t index, const void* readers
) noexcept nogil:
    cdef const ReductionRule* rule = &machine.plan.reductions[index]
    cdef Moment inner = moment[0]
    cdef Walk walk
    cdef size_t scratch_bytes
    cdef Value found = missing()
    cdef Value value
    if rule.kind == REDUCTION_SUM:
        found = of_int(0)
    elif rule.kind == REDUCTION_ANY:
        found = of_bool(False)
    if machine.keeper.user == NULL:
        return found
    walk.feature = 0
    walk.offset = 0
    while next_group(machine, &inner, rule, &walk):
        scratch_bytes = machine.scratch.size
        value = evaluate(machine, &inner, rule.code, <const Readers*>readers)
        machine.scratch.size = scratch_bytes    # a number or truth is all that is kept
        if rule.kind == REDUCTION_ANY:
            if is_true(&value):
                found = of_bool(True)
                break
        elif not is_number(&value):
            continue
        elif rule.kind == REDUCTION_SUM:
            found = arithmetic(OP_ADD, &found, &value)
        elif not is_number(&found) or order(&value, &found) == (
            1 if rule.kind == REDUCTION_MAX else -1
        ):
            found = value
    moment.approximate = inner.approximate
    return found


cdef void pack_groups(
    Machine* machine, Moment* moment, int32_t index, const Readers* readers
) noexcept nogil:
    cdef const ReductionRule* rule = &machine.plan.reductions[index]
    cdef Moment inner = moment[0]
    cdef Walk walk
    cdef size_t scratch_bytes
    cdef uint32_t count = 0
    cdef Value value
    walk.feature = 0
    walk.offset = 0
    while next_group(machine, &inner, rule, &walk):
        count += 1
    pack_map(&machine.bodies, count)
    walk.feature = 0
    walk.offset = 0
    while next_group(machine, &inner, rule, &walk):
        scratch_bytes = machine.scratch.size
        value = evaluate(machine, &inner, rule.code, readers)
        put_bytes(&machine.bodies, inner.group, inner.group_bytes)
        pack_value(&machine.bodies, &value)
        machine.scratch.size = scratch_bytes
    moment.approximate = inner.approximate
