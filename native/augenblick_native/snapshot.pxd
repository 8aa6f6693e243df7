# A key group's state as bytes.  See snapshot.pyx for the format.
from libc.stdint cimport int64_t, uint32_t

from augenblick_native.machine cimport Machine, SlotRule
from augenblick_native.program cimport Program

cdef bytes write_snapshot(
    Program program, Machine* machine, const SlotRule* slots, uint32_t key_group,
    int64_t shard_clock_ms
)

# The key group that was restored.  Raises ValueError; the group is empty then.
cdef uint32_t read_snapshot(
    Program program, Machine* machine, const SlotRule* slots, bytes data
) except? 0xFFFFFFFF
