# sum: a double with its running error (Neumaier 1974, "Rundungsfehleranalyse einiger Verfahren zur
# Summation endlicher Summen").
from libc.math cimport fabs

from augenblick_native.msgpack cimport Value
from augenblick_native.values cimport of_float

cdef struct Sum:
    double total
    double error


cdef inline void sum_add(Sum* state, double number) noexcept nogil:
    cdef double total = state.total + number
    if fabs(state.total) >= fabs(number):
        state.error += (state.total - total) + number
    else:
        state.error += (number - total) + state.total
    state.total = total


cdef inline void sum_merge(Sum* state, const Sum* other) noexcept nogil:
    sum_add(state, other.total)
    state.error += other.error


cdef inline double sum_value(const Sum* state) noexcept nogil:
    return state.total + state.error


cdef inline Value sum_result(const Sum* state) noexcept nogil:
    return of_float(sum_value(state))
