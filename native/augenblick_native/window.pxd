# What an event adds to a feature's panes inside the user's record.
from libc.stdint cimport int32_t
from libc.string cimport memset

from augenblick_native.machine cimport Event, Group, Machine
from augenblick_native.msgpack cimport Value, missing
from augenblick_native.program cimport OPERAND_NONE, FeatureRule

# The group that a value names, as msgpack in the call's scratch.  False: none (missing, null, too
# long).
cdef bint group_of(Machine* machine, const Value* value, Group* group) noexcept nogil

cdef bint make_event_group(
    Machine* machine, const Event* event, int32_t index, Group* group
) noexcept nogil


# The group that an operand of the event names; kept for the event.  False and zeros: none.
cdef inline bint event_group(
    Machine* machine, const Event* event, int32_t index, Group* group
) noexcept nogil:
    if index == OPERAND_NONE:
        memset(group, 0, sizeof(Group))
        return False
    if index >= 0 and event.groups[index].generation == event.generation:
        group[0] = event.groups[index].group
        return event.groups[index].is_group
    return make_event_group(machine, event, index, group)


# What became of an event at a feature.
cdef enum Fed:
    FED_NOT                     # not selected, or no value to take
    FED_TAKEN
    FED_LATE                    # its window is closed, or a later reset has emptied the feature
    FED_FULL

# `dry`: only say what would become of it.
cdef Fed feed(Machine* machine, const FeatureRule* rule, Event* event, bint dry) noexcept nogil
cdef void reset_since(Machine* machine, const FeatureRule* rule, Event* event) noexcept nogil
