# Functions of conditions that are more than a comparison: the clocks of a zone, distances.
from libc.stdint cimport int32_t, int64_t, uint32_t

from augenblick_native.machine cimport Rows
from augenblick_native.msgpack cimport Value
from augenblick_native.program cimport Plan

cdef enum:
    AT_HAND = 255               # instead of a step; engine/augenblick/plan/program.py

# A step's row among others; the row follows.
cdef struct RowHead:
    uint32_t step               # positive, from 0
    uint32_t size               # of the row

# Put the function's value in place of its arguments, the last of which is at `top`; returns the new
# top.  `at_ms`: the instant of the condition.
cdef int apply_function(
    const Plan* plan, int op, int64_t at_ms, Value* stack, int top
) noexcept nogil

# The value of that number which the latest event of an earlier step had, or (AT_HAND) the event at
# hand.  `event` - 1: the only event of which it is, 0: of any.
cdef Value step_value(
    const Plan* plan, const Rows* rows, uint32_t step, uint32_t number, uint32_t event
) noexcept nogil
