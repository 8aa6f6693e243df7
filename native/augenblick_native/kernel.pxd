# The kernel object: owner of a shard's state.  See kernel.pyx.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from augenblick_native.buffer cimport Buffer
from augenblick_native.machine cimport Machine, SlotRule
from augenblick_native.program cimport Program
from augenblick_native.state cimport User


cdef class Slab:
    cdef Buffer buffer


cdef class Block:
    cdef readonly Slab rows
    cdef readonly Slab bodies
    cdef readonly Slab panes
    cdef readonly Slab rises
    cdef readonly uint32_t events


cdef class Kernel:
    cdef Program program
    cdef Machine machine
    cdef SlotRule* slots
    cdef uint8_t* fields                # Event.fields, groups and selected of every depth

    cdef int _make_slots(self) except -1
    cdef Block _end(self, uint32_t events)
    cdef User* _find(self, uint64_t user_key, const uint8_t[::1] user)
