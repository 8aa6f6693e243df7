# decay: numbers that lose half their weight with each half-life.  The weight is kept as of the
# latest time (forward decay: Cormode, Shkapenyuk, Srivastava, Xu 2009, "Forward Decay: A Practical
# Time Decay Model for Streaming Systems").  24 bytes; merges but for rounding, a few 2^-52 for each
# event.
from libc.math cimport exp2
from libc.stdint cimport int64_t

from augenblick_native.msgpack cimport Value
from augenblick_native.values cimport of_float

cdef struct Decay:
    double weight
    int64_t latest_ms
    int64_t events


cdef inline double faded(double weight, int64_t age_ms, double half_life_ms) noexcept nogil:
    return weight * exp2(-<double>age_ms / half_life_ms)


cdef inline void decay_add(
    Decay* state, double half_life_ms, int64_t time_ms, double weight, int64_t events
) noexcept nogil:
    if state.events == 0:
        state.latest_ms = time_ms
        state.weight = weight
    elif time_ms >= state.latest_ms:
        state.weight = faded(state.weight, time_ms - state.latest_ms, half_life_ms) + weight
        state.latest_ms = time_ms
    else:
        state.weight += faded(weight, state.latest_ms - time_ms, half_life_ms)
    state.events += events


cdef inline void decay_merge(
    Decay* state, double half_life_ms, const Decay* other
) noexcept nogil:
    if other.events:
        decay_add(state, half_life_ms, other.latest_ms, other.weight, other.events)


# Read before its latest event, as an event out of order reads it, it is what it was at that event.
cdef inline Value decay_result(
    const Decay* state, double half_life_ms, int64_t at_ms
) noexcept nogil:
    if state.events == 0:
        return of_float(0.0)
    return of_float(faded(state.weight, max(at_ms - state.latest_ms, 0), half_life_ms))
