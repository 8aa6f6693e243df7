# Conditions: a small stack machine over the values of an event, an instant and a user's state.
from libc.stdint cimport int32_t

from augenblick_native.machine cimport Event, Machine, Moment
from augenblick_native.msgpack cimport Value
from augenblick_native.program cimport names

# How a condition reads a feature, a segment or a metric: given by who owns that state, so that this
# module needs none of it.
ctypedef Value (*Reader)(Machine* machine, Moment* moment, int32_t index) noexcept nogil

cdef struct Readers:
    Reader feature
    Reader segment
    Reader metric
    # of a reduction; it evaluates again, with these readers
    Value (*reduction)(
        Machine* machine, Moment* moment, int32_t index, const void* readers
    ) noexcept nogil

cdef Value arithmetic(int op, const Value* one, const Value* other) noexcept nogil

# Result of the code at the moment.  The program was checked when it was compiled; a stack that
# would overflow gives missing.
cdef Value evaluate(
    Machine* machine, Moment* moment, int32_t code, const Readers* readers
) noexcept nogil

# Is the result true?
cdef bint holds(
    Machine* machine, Moment* moment, int32_t code, const Readers* readers
) noexcept nogil

# The where-condition of a selector for the event (it sees no state); the answer is kept for the
# event.
cdef bint selects_by_code(Machine* machine, Event* event, int32_t selector) noexcept nogil


# True if the selector names the event and its where-condition holds.
cdef inline bint selects(Machine* machine, Event* event, int32_t selector) noexcept nogil:
    if not names(machine.plan, selector, event.event_id):
        return False
    if event.event_id < 0 and event.derived:
        return False
    if machine.plan.selectors[selector].code < 0:
        return True
    return selects_by_code(machine, event, selector)
