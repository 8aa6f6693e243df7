# A feature's panes inside the user's record: what an event adds, what an instant reads, what closes when.
from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint8_t

from augenblick_native.machine cimport Event, Group, Machine, Moment
from augenblick_native.msgpack cimport Value
from augenblick_native.program cimport FeatureRule

# The group that a value names, as msgpack in the call's scratch.  False: none (missing, null, too long).
cdef bint group_of(Machine* machine, const Value* value, Group* group) noexcept nogil

# The group that an operand of the event names; kept for the event.  False and zeros: none.
cdef bint event_group(Machine* machine, const Event* event, int32_t index, Group* group) noexcept nogil

# What became of an event at a feature.
cdef enum Fed:
    FED_NOT                     # not selected, or no value to take
    FED_TAKEN
    FED_LATE                    # its window is closed, or a later reset has emptied the feature
    FED_FULL

# `dry`: only say what would become of it.
cdef Fed feed(Machine* machine, const FeatureRule* rule, Event* event, bint dry) noexcept nogil
cdef void reset_since(Machine* machine, const FeatureRule* rule, Event* event) noexcept nogil

# The feature for the moment's group, as DESIGN section 5 "Reading a feature at instant t".
cdef Value read_feature(Machine* machine, Moment* moment, int32_t index) noexcept nogil

# Write {group: value} of every group as msgpack into Machine.bodies.
cdef void pack_feature_map(Machine* machine, Moment* moment, int32_t index) noexcept nogil

# Next instant after `after_ms` at which time alone may change the (ungrouped) feature; NEVER_MS.
cdef int64_t next_change_ms(Machine* machine, const FeatureRule* rule, int64_t after_ms) noexcept nogil

# Join the panes of session `merged` into those of `serial`; drop those of a closed session.
cdef void merge_session(Machine* machine, uint32_t serial, uint32_t merged) noexcept nogil
cdef void drop_session(Machine* machine, uint32_t serial, int64_t start_ms, int64_t end_ms) noexcept nogil

# Emitted windows: the earliest end not yet closed of one cell (NEVER_MS: not emitted), and closing it.
cdef int64_t next_end_ms(Machine* machine, const FeatureRule* rule, uint32_t offset) noexcept nogil
# Writes the window's value into `value`; False: it is empty.  The cell may be gone afterwards.
cdef bint close_window(
    Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t end_ms, Value* value
) noexcept nogil
cdef void purge_window(Machine* machine, const FeatureRule* rule, uint32_t offset, int64_t end_ms) noexcept nogil
