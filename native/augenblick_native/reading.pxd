# Reading a feature at an instant, as DESIGN section 5 says.
from libc.stdint cimport int32_t, int64_t, uint32_t

from augenblick_native.machine cimport Machine, Moment
from augenblick_native.msgpack cimport Value, missing
from augenblick_native.program cimport FeatureRule
from augenblick_native.state cimport NEVER_MS

# The feature for the moment's group; a feature of nothing has a value too (0, or missing).
cdef Value read_feature(Machine* machine, Moment* moment, int32_t index) noexcept nogil

# True if the feature's cell holds anything that a read at the moment would count.
cdef bint holds_anything(
    Machine* machine, Moment* moment, const FeatureRule* rule, uint32_t offset
) noexcept nogil

# Write {group: value} of every group as msgpack into Machine.bodies.
cdef void pack_feature_map(Machine* machine, Moment* moment, int32_t index) noexcept nogil

# Of a `time_since` over lifetime or since, not grouped: its latest event; NO_TIME_MS: none.
cdef int64_t latest_event_ms(Machine* machine, const FeatureRule* rule) noexcept nogil

# Next instant after `after_ms` at which time alone may change the feature or one of its groups;
# NEVER_MS.
cdef int64_t next_change_ms(
    Machine* machine, const FeatureRule* rule, int64_t after_ms
) noexcept nogil
