# Tables of a key group made at once for what is about to come.
from libc.stdint cimport uint32_t

from augenblick_native.arena cimport Arena
from augenblick_native.state cimport KeyGroup

# Room for so many users and a timer each, in an empty key group.  False: no memory.
cdef bint reserve(Arena* arena, KeyGroup* group, uint32_t users) noexcept nogil
