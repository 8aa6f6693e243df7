# The kernel object: owner of a shard's state.  See kernel.pyx.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from augenblick_native.buffer cimport Buffer
from augenblick_native.machine cimport Event, Machine, SlotRule
from augenblick_native.program cimport Program
from augenblick_native.state cimport KEY_GROUPS, KeyGroup

cdef enum:
    ID_TEXT_BYTES = 24          # decimal text of an integer user id


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
    cdef KeyGroup* groups
    cdef int64_t* earliest              # [KEY_GROUPS]: the next instant of each key group
    cdef int64_t shard_clock_ms         # every key group's clock is at least this
    cdef Buffer rises
    cdef SlotRule* slots
    cdef uint8_t* fields                # Event.fields and Event.selected of every depth
    cdef uint8_t[ID_TEXT_BYTES] id_text

    cdef int _make_slots(self) except -1
    cdef void _begin(self, int64_t now_ms) noexcept nogil
    cdef Block _end(self, uint32_t events)
    cdef uint32_t _apply(
        self, const uint8_t* data, size_t size, uint32_t gateway, uint64_t incarnation,
        int64_t cap_ms
    ) noexcept nogil
    cdef void _advance(self, int64_t watermark_ms) noexcept nogil
    cdef inline void _note_earliest(self, uint32_t key_group) noexcept nogil
    cdef inline void _refuse(
        self, int status, const uint8_t* body, uint32_t size, int64_t event_ms
    ) noexcept nogil
    cdef inline bint _is_next(
        self, KeyGroup* group, uint32_t gateway, uint64_t incarnation, uint64_t number, int* status
    ) noexcept nogil
    cdef inline void _name_user(self, Event* event) noexcept nogil
    cdef void _apply_event(
        self, uint32_t key_group, uint32_t flags, int64_t event_ms, int64_t ingest_ms,
        uint64_t user_key,
        uint64_t fingerprint, const uint8_t* body, uint32_t size
    ) noexcept nogil
