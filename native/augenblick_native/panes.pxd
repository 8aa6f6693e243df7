# Metric panes of one key group: one per metric, window and group; taken out when the clock has
# passed their window.
from libc.stdint cimport int64_t, uint16_t, uint32_t

from augenblick_native.machine cimport Event, Machine
from augenblick_native.program cimport MetricRule
from augenblick_native.state cimport KeyGroup, Pane

cdef enum:
    # per key group and window; engine/augenblick/limits.py: metric_groups_max
    METRIC_GROUPS_MAX = 1000

# Count the event into its pane.  False: its window is closed.  `dry`: only say so.
cdef bint count_event(Machine* machine, uint32_t metric, Event* event, bint dry) noexcept nogil

# Move the panes whose window the group's clock has passed into Machine.panes.
cdef void take_closed_panes(Machine* machine, KeyGroup* group, uint16_t key_group) noexcept nogil

# A pane as a snapshot brings it (its group's bytes are copied).  False: no memory.
cdef bint restore_pane(KeyGroup* group, const Pane* pane) noexcept nogil
cdef void free_panes(KeyGroup* group) noexcept nogil
