# cython: language_level=3
"""Steps that repeat, negations between steps, conditions on earlier steps.

A partial that keeps rows has behind its identities, for each step that later ones read: RowHead and
the row of the latest event that took it; then, as its last four bytes, the bytes of all that.
"""
from libc.stdint cimport int32_t, uint32_t
from libc.string cimport memcpy, memset

from augenblick_native.book cimport identities_of
from augenblick_native.buffer cimport buffer_room, pack_nil, put_bytes
from augenblick_native.decode cimport operand
from augenblick_native.functions cimport RowHead
from augenblick_native.hash cimport name_hash
from augenblick_native.machine cimport COUNT_VALUES_TOO_LONG, VALUE_BYTES_MAX, Moment
from augenblick_native.msgpack cimport Value
from augenblick_native.predicate cimport holds, selects
from augenblick_native.program cimport NegationRule, PositionRule, StepRule
from augenblick_native.step cimport NEGATION_BIT
from augenblick_native.values cimport pack_value

cdef uint32_t TAIL = 4                      # bytes of a partial that say how many its rows take


cdef uint32_t negation_bits(Machine* machine, const TriggerRule* rule, Event* event) noexcept nogil:
    cdef uint32_t index
    cdef uint32_t bits = 0
    for index in range(rule.negations_count):
        if selects(machine, event, machine.plan.negations[rule.negations_at + index].selector):
            bits |= <uint32_t>1 << (NEGATION_BIT + index)
    return bits


cdef void take_row(
    Machine* machine, const TriggerRule* rule, const Event* event, Taken* taken
) noexcept nogil:
    cdef size_t at = machine.scratch.size
    cdef uint32_t index
    cdef uint32_t named
    cdef Value value
    if buffer_room(&machine.scratch, 4 + <size_t>rule.keeps_count * (VALUE_BYTES_MAX + 16)) == NULL:
        return
    named = <uint32_t>name_hash(event.name.data, event.name.size)
    put_bytes(&machine.scratch, &named, sizeof(uint32_t))
    for index in range(rule.keeps_count):
        value = operand(event, machine.plan.keeps[rule.keeps_at + index])
        if value.size > VALUE_BYTES_MAX:
            machine.counters[COUNT_VALUES_TOO_LONG] += 1
            pack_nil(&machine.scratch)
        else:
            pack_value(&machine.scratch, &value)
    taken.row = machine.scratch.data + at
    taken.row_bytes = <uint32_t>(machine.scratch.size - at)


# Rows

cdef uint32_t kept_size(const TriggerRule* rule, const Partial* partial) noexcept nogil:
    cdef uint32_t size
    if rule.keeps_count == 0 or partial == NULL:
        return 0
    memcpy(&size, identities_of(partial) + partial.identities_bytes - TAIL, TAIL)
    return size


cdef uint32_t identities_size(const TriggerRule* rule, const Partial* partial) noexcept nogil:
    if rule.keeps_count == 0:
        return partial.identities_bytes
    return partial.identities_bytes - TAIL - kept_size(rule, partial)


cdef inline const PositionRule* position_rule(
    Machine* machine, const TriggerRule* rule, uint32_t position
) noexcept nogil:
    return &machine.plan.positions[rule.positions_at + position - 1]


cdef inline const StepRule* step_rule(
    Machine* machine, const TriggerRule* rule, uint32_t step
) noexcept nogil:
    return &machine.plan.steps[rule.steps_at + step]


# Bytes of the rows that stay: all, but for that of the step itself, which is the last one.
cdef uint32_t staying_size(
    const TriggerRule* rule, const Partial* partial, uint32_t step
) noexcept nogil:
    cdef uint32_t whole = kept_size(rule, partial)
    cdef uint32_t at = 0
    cdef const uint8_t* rows
    cdef RowHead head
    if whole == 0:
        return 0
    rows = identities_of(partial) + partial.identities_bytes - TAIL - whole
    while at < whole:
        memcpy(&head, rows + at, sizeof(RowHead))
        if head.step == step:
            break
        at += <uint32_t>sizeof(RowHead) + head.size
    return at


cdef uint32_t rows_size(
    Machine* machine, const TriggerRule* rule, const Partial* partial, const Taken* taken,
    uint32_t position
) noexcept nogil:
    cdef uint32_t step
    cdef uint32_t size
    if rule.keeps_count == 0:
        return 0
    step = position_rule(machine, rule, position).step - 1
    size = TAIL + staying_size(rule, partial, step)
    if step_rule(machine, rule, step).kept:
        size += <uint32_t>sizeof(RowHead) + taken.row_bytes
    return size


cdef void write_rows(
    Machine* machine, const TriggerRule* rule, const Partial* partial, const Taken* taken,
    uint32_t position, uint8_t* out, uint32_t size
) noexcept nogil:
    cdef uint32_t step = position_rule(machine, rule, position).step - 1
    cdef uint32_t staying = staying_size(rule, partial, step)
    cdef uint32_t rows = size - TAIL
    cdef RowHead head
    if staying:
        memcpy(
            out,
            identities_of(partial) + partial.identities_bytes - TAIL - kept_size(rule, partial),
            staying,
        )
    if rows > staying:
        head.step = step
        head.size = taken.row_bytes
        memcpy(out + staying, &head, sizeof(RowHead))
        memcpy(out + staying + sizeof(RowHead), taken.row, taken.row_bytes)
    memcpy(out + rows, &rows, TAIL)


# True if the condition on earlier steps holds; -1: there is none.
cdef bint holds_after(
    Machine* machine, const TriggerRule* rule, int32_t code, const Partial* partial,
    const Taken* taken
) noexcept nogil:
    cdef Moment moment
    cdef uint32_t kept
    cdef size_t scratch_size = machine.scratch.size
    cdef bint found
    if code < 0:
        return True
    kept = kept_size(rule, partial)
    machine.step_rows.at_hand = taken.row
    machine.step_rows.at_hand_bytes = taken.row_bytes
    machine.step_rows.kept = identities_of(partial) + partial.identities_bytes - TAIL - kept
    machine.step_rows.kept_bytes = kept
    memset(&moment, 0, sizeof(Moment))
    moment.at_ms = taken.time_ms
    found = holds(machine, &moment, code, NULL)
    machine.scratch.size = scratch_size
    return found


# Moving on

cdef uint32_t moved_to(
    Machine* machine, const TriggerRule* rule, const Partial* partial, const Taken* taken
) noexcept nogil:
    cdef const PositionRule* stands = position_rule(machine, rule, partial.steps)
    if taken.time_ms < partial.last_ms or taken.time_ms - partial.first_ms > rule.within_ms:
        return 0
    if (
        stands.is_enough and stands.step < rule.steps_count
        and taken.mask & (<uint32_t>1 << stands.step)
        and holds_after(
            machine, rule, step_rule(machine, rule, stands.step).code, partial, taken
        )
    ):
        return stands.following
    if (
        stands.repeats and taken.mask & (<uint32_t>1 << (stands.step - 1))
        and holds_after(
            machine, rule, step_rule(machine, rule, stands.step - 1).code, partial, taken
        )
    ):
        return partial.steps + 1
    return 0


cdef bint is_negated(
    Machine* machine, const TriggerRule* rule, const Partial* partial, const Taken* taken,
    uint32_t moved
) noexcept nogil:
    cdef const PositionRule* stands = position_rule(machine, rule, partial.steps)
    cdef const NegationRule* negation
    cdef uint32_t index
    if not stands.is_enough or taken.time_ms < partial.last_ms:
        return False
    if moved and position_rule(machine, rule, moved).step == stands.step:
        return False                        # one more repeat is no negation
    for index in range(rule.negations_count):
        negation = &machine.plan.negations[rule.negations_at + index]
        if (
            negation.after == stands.step
            and taken.mask & (<uint32_t>1 << (NEGATION_BIT + index))
            and holds_after(machine, rule, negation.code, partial, taken)
        ):
            return True
    return False
