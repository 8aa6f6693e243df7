# cython: language_level=3
"""Conditions: the stack machine.

Logic is two-valued: a comparison with a missing or wrongly typed operand is false, `!=` included;
arithmetic with
a missing operand or a zero divisor is missing; only `true` is true.  Source: the plan's reference
on conditions.
"""
from libc.math cimport fabs, nearbyint
from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uint32_t
from libc.string cimport memcmp, memset

from augenblick_native.buffer cimport buffer_room
from augenblick_native.cursor cimport Cursor, cursor_over
from augenblick_native.decode cimport operand
from augenblick_native.functions cimport apply_function, step_value
from augenblick_native.msgpack cimport (
    VALUE_INT, VALUE_LIST, VALUE_STR, missing, read_array_header, read_value,
)
from augenblick_native.program cimport (
    OP_ABS, OP_ADD, OP_AND_JUMP, OP_CONST, OP_CONTAINS, OP_DIV, OP_END, OP_EQ, OP_EXISTS,
    OP_FEATURE, OP_FIELD, OP_FIELD_OF, OP_GE, OP_GT, OP_IN, OP_IN_VALUE, OP_LE, OP_LOWER, OP_LT,
    OP_MAX, OP_METRIC, OP_MIN, OP_MUL, OP_NE, OP_NEG, OP_NOT, OP_OR_JUMP, OP_OWN, OP_OWN_OF,
    OP_REDUCE, OP_ROUND, OP_SEGMENT, OP_STEP, OP_SUB, STACK_VALUES_MAX, Code,
)
from augenblick_native.status cimport STATUS_OK
from augenblick_native.values cimport (
    as_float, comparable, has_value, is_number, is_true, of_bool, of_float, of_int, of_text, order,
    same_value,
)

cdef extern from *:
    bint add_overflows "__builtin_add_overflow"(int64_t, int64_t, int64_t*) noexcept nogil
    bint sub_overflows "__builtin_sub_overflow"(int64_t, int64_t, int64_t*) noexcept nogil
    bint mul_overflows "__builtin_mul_overflow"(int64_t, int64_t, int64_t*) noexcept nogil


cdef Value arithmetic(int op, const Value* one, const Value* other) noexcept nogil:
    cdef int64_t result
    cdef double a, b
    if not is_number(one) or not is_number(other):
        return missing()
    if one.kind == VALUE_INT and other.kind == VALUE_INT and op != OP_DIV:
        if op == OP_ADD and not add_overflows(one.integer, other.integer, &result):
            return of_int(result)
        if op == OP_SUB and not sub_overflows(one.integer, other.integer, &result):
            return of_int(result)
        if op == OP_MUL and not mul_overflows(one.integer, other.integer, &result):
            return of_int(result)
    a = as_float(one)
    b = as_float(other)
    if op == OP_ADD:
        return of_float(a + b)
    if op == OP_SUB:
        return of_float(a - b)
    if op == OP_MUL:
        return of_float(a * b)
    if b == 0.0:
        return missing()
    return of_float(a / b)


cdef Value unary(int op, const Value* one) noexcept nogil:
    if not is_number(one):
        return missing()
    if one.kind == VALUE_INT:
        if op == OP_ROUND or (op == OP_ABS and one.integer >= 0):
            return one[0]
        if one.integer == INT64_MIN:
            return of_float(-<double>one.integer)
        return of_int(-one.integer)
    if op == OP_NEG:
        return of_float(-one.number)
    if op == OP_ABS:
        return of_float(fabs(one.number))
    return of_float(nearbyint(one.number))


cdef bint compare(int op, const Value* one, const Value* other) noexcept nogil:
    cdef int ordered
    if one.kind == VALUE_INT and other.kind == VALUE_INT and op >= OP_LT:
        if op == OP_GE:
            return one.integer >= other.integer
        if op == OP_GT:
            return one.integer > other.integer
        return one.integer <= other.integer if op == OP_LE else one.integer < other.integer
    if not comparable(one, other):
        return False
    if op == OP_EQ:
        return same_value(one, other)
    if op == OP_NE:
        return not same_value(one, other)
    ordered = order(one, other)
    if ordered == 2:
        return False
    if op == OP_LT:
        return ordered < 0
    if op == OP_LE:
        return ordered <= 0
    if op == OP_GT:
        return ordered > 0
    return ordered >= 0


cdef bint contains_text(const Value* whole, const Value* part) noexcept nogil:
    cdef uint32_t at
    if whole.kind != VALUE_STR or part.kind != VALUE_STR or part.size > whole.size:
        return False
    for at in range(whole.size - part.size + 1):
        if memcmp(whole.data + at, part.data, part.size) == 0:
            return True
    return False


cdef bint contains(const Value* container, const Value* value) noexcept nogil:
    cdef Cursor cursor
    cdef uint32_t count
    cdef Value member
    if container.kind != VALUE_LIST:
        return contains_text(container, value)
    cursor = cursor_over(container.data, container.size)
    if read_array_header(&cursor, &count) != STATUS_OK:
        return False
    while count:
        count -= 1
        if read_value(&cursor, &member) != STATUS_OK:
            return False
        if same_value(&member, value):
            return True
    return False


# `one in other`, contains(one, other) or startswith(one, other).
cdef bint contains_by(int op, const Value* one, const Value* other) noexcept nogil:
    if op == OP_IN_VALUE:
        return contains(other, one)
    if op == OP_CONTAINS:
        return contains_text(one, other)
    return (
        one.kind == VALUE_STR and other.kind == VALUE_STR and other.size <= one.size
        and memcmp(one.data, other.data, other.size) == 0
    )


# ASCII letters to lower case, into the call's scratch; other bytes stay.
cdef Value lowered(Machine* machine, const Value* text) noexcept nogil:
    cdef uint8_t* at
    cdef uint32_t index
    if text.kind != VALUE_STR:
        return missing()
    at = buffer_room(&machine.scratch, text.size)
    if at == NULL:
        return missing()
    for index in range(text.size):
        at[index] = text.data[index] + 32 if 65 <= text.data[index] <= 90 else text.data[index]
    machine.scratch.size += text.size
    return of_text(at, text.size)


cdef Value own(const Event* event, uint32_t number) noexcept nogil:
    return operand(event, -<int32_t>number)


# What is neither of the event nor a feature, segment or metric: groups reduced, an earlier step.
cdef Value read_further(
    Machine* machine, Moment* moment, uint32_t word, const uint32_t* further,
    const Readers* readers
) noexcept nogil:
    if word & 0xFF == OP_STEP:
        return step_value(machine.plan, &machine.step_rows, word >> 8, further[0], further[1])
    if readers == NULL:
        return missing()
    return readers.reduction(machine, moment, <int32_t>(word >> 8), readers)


cdef Value evaluate(
    Machine* machine, Moment* moment, int32_t code, const Readers* readers
) noexcept nogil:
    cdef Value[STACK_VALUES_MAX] stack
    cdef const Code* program = &machine.plan.codes[code]
    cdef uint32_t at = 0
    cdef uint32_t word, argument, index
    cdef int top = -1                       # of the stack
    cdef int op
    cdef const Event* event = moment.event
    cdef bint found
    while at < program.size:
        word = program.words[at]
        at += 1
        op = <int>(word & 0xFF)
        argument = word >> 8
        if op == OP_END:
            break
        if op <= OP_METRIC:
            top += 1
            if top == STACK_VALUES_MAX:
                return missing()
            if op == OP_CONST:
                stack[top] = machine.plan.consts[argument]
            elif op == OP_FIELD:
                stack[top] = event.fields[argument] if event != NULL else missing()
            elif op == OP_OWN:
                stack[top] = own(event, argument) if event != NULL else missing()
            elif op == OP_FIELD_OF or op == OP_OWN_OF:
                found = event != NULL and event.event_id == <int32_t>program.words[at]
                at += 1
                if not found:
                    stack[top] = missing()
                elif op == OP_FIELD_OF:
                    stack[top] = event.fields[argument]
                else:
                    stack[top] = own(event, argument)
            elif readers == NULL:
                stack[top] = missing()
            elif op == OP_FEATURE:
                stack[top] = readers.feature(machine, moment, <int32_t>argument)
            elif op == OP_SEGMENT:
                stack[top] = readers.segment(machine, moment, <int32_t>argument)
            else:
                stack[top] = readers.metric(machine, moment, <int32_t>argument)
        elif op == OP_AND_JUMP:
            if is_true(&stack[top]):
                top -= 1
            else:
                stack[top] = of_bool(False)
                at = argument
        elif op == OP_OR_JUMP:
            if is_true(&stack[top]):
                at = argument
            else:
                top -= 1
        elif op <= OP_DIV:
            stack[top - 1] = arithmetic(op, &stack[top - 1], &stack[top])
            top -= 1
        elif op <= OP_ROUND:
            stack[top] = unary(op, &stack[top])
        elif op == OP_MIN or op == OP_MAX:
            top -= <int>argument - 1
            for index in range(1, argument):
                if not is_number(&stack[top]) or not is_number(&stack[top + index]):
                    stack[top] = missing()
                    break
                if order(&stack[top + index], &stack[top]) == (1 if op == OP_MAX else -1):
                    stack[top] = stack[top + index]
        elif op <= OP_GE:
            found = compare(op, &stack[top - 1], &stack[top])
            top -= 1
            stack[top] = of_bool(found)
        elif op == OP_IN:
            top -= <int>argument
            found = False
            for index in range(1, argument + 1):
                if same_value(&stack[top], &stack[top + index]):
                    found = True
                    break
            stack[top] = of_bool(found)
        elif op == OP_NOT:
            stack[top] = of_bool(not is_true(&stack[top]))
        elif op == OP_EXISTS:
            stack[top] = of_bool(has_value(&stack[top]))
        elif op == OP_LOWER:
            stack[top] = lowered(machine, &stack[top])
        elif op == OP_REDUCE or op == OP_STEP:
            top += 1
            if top == STACK_VALUES_MAX:
                return missing()
            stack[top] = read_further(machine, moment, word, &program.words[at], readers)
            at += 2 if op == OP_STEP else 0
        elif op > OP_REDUCE:
            top = apply_function(machine.plan, op, moment.at_ms, stack, top)
        else:
            found = contains_by(op, &stack[top - 1], &stack[top])
            top -= 1
            stack[top] = of_bool(found)
    return stack[top] if top >= 0 else missing()


cdef bint holds(
    Machine* machine, Moment* moment, int32_t code, const Readers* readers
) noexcept nogil:
    cdef const Code* program = &machine.plan.codes[code]
    cdef Value value
    if program.compares and readers != NULL:
        value = readers.feature(machine, moment, <int32_t>(program.words[0] >> 8))
        return compare(
            <int>program.compares, &value, &machine.plan.consts[program.words[1] >> 8]
        )
    value = evaluate(machine, moment, code, readers)
    return is_true(&value)


cdef bint selects_by_code(Machine* machine, Event* event, int32_t selector) noexcept nogil:
    cdef Moment moment
    cdef Value result
    cdef bint truth
    if event.selected[selector] >> 1 == event.generation:
        return event.selected[selector] & 1
    memset(&moment, 0, sizeof(Moment))
    moment.event = event
    moment.at_ms = event.time_ms
    result = evaluate(machine, &moment, machine.plan.selectors[selector].code, NULL)
    truth = is_true(&result)
    event.selected[selector] = (event.generation << 1) | truth
    return truth
