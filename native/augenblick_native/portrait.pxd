# All that is held of one user, as plain values, for a person who asks.
from augenblick_native.machine cimport Machine, SlotRule
from augenblick_native.program cimport Program
from augenblick_native.state cimport KeyGroup, User

# Changes nothing that a later call could see.
cdef tuple portray(
    Program program, Machine* machine, const SlotRule* slots, KeyGroup* group, User* user
)
