# cython: language_level=3
"""One user: what time makes happen, in order.

At one instant: segments, waiting events, absences and `at`, schedules, then closing windows and
sessions.  Partials are tidied up when a session closes, or by a timer of their own while there is
none.
"""
from libc.stdint cimport uint32_t
from augenblick_native.alarms cimport alarm_instant_ms, ring
from augenblick_native.buffer cimport pack_array, pack_nil, pack_str, put_bytes
from augenblick_native.closing cimport close_window, drop_session, next_end_ms, purge_window
from augenblick_native.firing cimport Membership, fire_match, new_row, put_row
from augenblick_native.layout cimport is_windowed, window_start
from augenblick_native.listing cimport arm_user, keep_until
from augenblick_native.machine cimport (
    COUNT_SESSIONS_CLOSED, COUNT_USERS_EXPIRED, INSTANT_MS_END, ROW_SESSION, ROW_WINDOW,
    SLOT_KIND_ABSENCES, SLOT_KIND_ALARMS, SLOT_KIND_FEATURE, SLOT_KIND_SEGMENT,
    SLOT_KIND_SESSIONS, SLOT_KIND_WAITING, Caused, Row, SlotRule, plus,
)
from augenblick_native.membership cimport evaluate_segment
from augenblick_native.msgpack cimport Value, missing
from augenblick_native.partials cimport last_hopeless_ms, sweep_partials
from augenblick_native.pattern cimport (
    next_deadline_ms, next_waiting_ms, take_absence, take_event, take_waiting,
)
from augenblick_native.policies cimport settle
from augenblick_native.program cimport OPERAND_NONE, FeatureRule, TriggerRule
from augenblick_native.record cimport (
    cell_at, first_cell, free_record, group_data, payload, shrink,
)
from augenblick_native.schedules cimport next_schedule_ms, put_off_ms, run_schedules
from augenblick_native.session cimport (
    is_cut, session_close, session_ending, session_events, sessions_next_close_ms,
)
from augenblick_native.state cimport NEVER_MS, NO_TIME_MS, KeyGroup, Session, User
from augenblick_native.step cimport Match, Taken
from augenblick_native.table cimport entry_of, remove_user, user_id
from augenblick_native.timer cimport disarm
from augenblick_native.user cimport run_derived
from augenblick_native.values cimport pack_value


cdef enum Phase:                        # at one instant, in this order
    PHASE_SEGMENT
    PHASE_WAITING
    PHASE_ABSENCE
    PHASE_ALARM                         # beside absences, in the plan's order
    PHASE_SCHEDULE
    PHASE_WINDOW
    PHASE_SESSION
    PHASE_TIDY
    PHASE_EXPIRY

cdef struct Due:
    int64_t instant_ms
    Phase phase
    uint32_t index                      # segment, trigger or feature
    uint32_t offset                     # cell of a window


cdef inline Phase rank(Phase phase) noexcept nogil:
    return PHASE_ABSENCE if phase == PHASE_ALARM else phase


cdef inline void sooner(
    Due* due, int64_t instant_ms, Phase phase, uint32_t index, uint32_t offset
) noexcept nogil:
    if instant_ms > due.instant_ms or instant_ms == NEVER_MS:
        return
    if instant_ms == due.instant_ms and (
        rank(phase) > rank(due.phase) or (rank(phase) == rank(due.phase) and index >= due.index)
    ):
        return
    due.instant_ms = instant_ms
    due.phase = phase
    due.index = index
    due.offset = offset


# The earliest thing that time has still to do for the user.
cdef Due next_due(Machine* machine) noexcept nogil:
    cdef Due due
    cdef User* user = machine.keeper.user
    cdef uint32_t offset = first_cell(user)
    cdef const SlotRule* slot
    cdef Membership* membership
    cdef const FeatureRule* rule
    cdef bint in_session = False
    cdef int64_t ttl_ms = machine.plan.ttl_ms           # or the longest `keep`
    cdef int64_t kept_until_ms = max(user.latest_ms, user.kept_until_ms)
    cdef int64_t alarm_ms
    due.instant_ms = NEVER_MS
    due.phase = PHASE_EXPIRY
    due.index = 0
    due.offset = 0
    while offset < user.size:
        slot = &machine.slots[cell_at(user, offset).slot]
        if slot.kind == SLOT_KIND_SESSIONS:
            in_session = True
            sooner(&due, sessions_next_close_ms(machine), PHASE_SESSION, 0, 0)
        elif slot.kind == SLOT_KIND_FEATURE:
            rule = &machine.plan.features[slot.index]
            ttl_ms = max(ttl_ms, rule.keep_ms)
            if rule.emitted:
                sooner(&due, next_end_ms(machine, rule, offset), PHASE_WINDOW, slot.index, offset)
        elif slot.kind == SLOT_KIND_SEGMENT:
            membership = <Membership*>payload(user, offset)
            sooner(&due, membership.next_ms, PHASE_SEGMENT, slot.index, offset)
        elif slot.kind == SLOT_KIND_WAITING:
            sooner(
                &due, next_waiting_ms(machine, &machine.plan.triggers[slot.index]), PHASE_WAITING,
                slot.index, 0
            )
        elif slot.kind == SLOT_KIND_ABSENCES:
            sooner(
                &due, next_deadline_ms(machine, &machine.plan.triggers[slot.index]), PHASE_ABSENCE,
                slot.index, 0
            )
        elif slot.kind == SLOT_KIND_ALARMS:
            alarm_ms = alarm_instant_ms(machine, offset)
            if alarm_ms != NEVER_MS:
                kept_until_ms = max(kept_until_ms, alarm_ms)
                sooner(&due, alarm_ms, PHASE_ALARM, slot.index, 0)
        offset += cell_at(user, offset).size
    if not in_session and user.annex != NULL:
        sooner(&due, plus(last_hopeless_ms(machine), 1), PHASE_TIDY, 0, 0)
    sooner(&due, plus(kept_until_ms, ttl_ms), PHASE_EXPIRY, 0, 0)
    return due


cdef void run_segment_timer(Machine* machine, const Due* due) noexcept nogil:
    cdef Caused caused
    if evaluate_segment(machine, due.index, due.instant_ms, True, &caused):
        run_derived(machine, caused.event_id, caused.time_ms, False, NULL)


cdef void run_waiting(Machine* machine, uint32_t trigger) noexcept nogil:
    cdef const TriggerRule* rule = &machine.plan.triggers[trigger]
    cdef Taken taken
    cdef Match match
    cdef int64_t deadline_ms
    if not take_waiting(machine, rule, &taken):
        return
    if take_event(machine, rule, &taken, &match):
        fire_match(machine, trigger, &match, False)
    deadline_ms = next_deadline_ms(machine, rule)
    if deadline_ms != NEVER_MS:
        keep_until(machine, plus(taken.time_ms, rule.negation.for_ms))


cdef void run_absence(Machine* machine, uint32_t trigger) noexcept nogil:
    cdef Match match
    if take_absence(machine, &machine.plan.triggers[trigger], &match):
        fire_match(machine, trigger, &match, True)


cdef void close_session(Machine* machine, int64_t at_ms) noexcept nogil:
    cdef Session closed
    cdef Row row
    cdef Session* session
    session = session_ending(machine, at_ms)
    if session == NULL:
        return
    closed = session[0]
    if machine.plan.session_end_event >= 0:
        machine.closing = True
        run_derived(
            machine, machine.plan.session_end_event, closed.last_ms if is_cut(
                machine, &closed
            ) else at_ms, False, &closed
        )
        machine.closing = False
    session_close(machine, at_ms, &closed)
    drop_session(machine, closed.serial, closed.start_ms, closed.last_ms)
    machine.counters[COUNT_SESSIONS_CLOSED] += 1
    if machine.emits_sessions:
        row = new_row(machine)
        row.kind = ROW_SESSION
        row.start_ms = closed.start_ms
        row.end_ms = closed.last_ms
        row.time_ms = closed.last_ms
        row.count = session_events(&closed)
        pack_array(&machine.bodies, 1)
        pack_str(&machine.bodies, user_id(machine.keeper.user), machine.keeper.user.id_bytes)
        put_row(machine, &row)
    tidy_user(machine, at_ms)


# A quiet moment: forget what nobody can reach any more.
cdef void tidy_user(Machine* machine, int64_t at_ms) noexcept nogil:
    cdef uint32_t offset
    cdef uint32_t size
    cdef const SlotRule* slot
    cdef const FeatureRule* rule
    sweep_partials(machine)
    offset = first_cell(machine.keeper.user)
    while offset < machine.keeper.user.size:
        slot = &machine.slots[cell_at(machine.keeper.user, offset).slot]
        if slot.kind == SLOT_KIND_FEATURE:
            rule = &machine.plan.features[slot.index]
            if not rule.emitted and is_windowed(rule):
                size = machine.keeper.user.size
                purge_window(machine, rule, offset, at_ms - 1)
                if machine.keeper.user.size != size:
                    continue                    # the cell shrank or went: look at this place again
        offset += cell_at(machine.keeper.user, offset).size
    shrink(&machine.keeper)


cdef void emit_window(Machine* machine, const Due* due) noexcept nogil:
    cdef const FeatureRule* rule = &machine.plan.features[due.index]
    cdef Value value = missing()
    cdef Row row = new_row(machine)
    if close_window(machine, rule, due.offset, due.instant_ms, &value):
        row.kind = ROW_WINDOW
        row.rule = due.index
        row.start_ms = window_start(rule, due.instant_ms)
        row.end_ms = due.instant_ms
        row.time_ms = due.instant_ms
        pack_array(&machine.bodies, 3)
        pack_str(&machine.bodies, user_id(machine.keeper.user), machine.keeper.user.id_bytes)
        if rule.by == OPERAND_NONE:
            pack_nil(&machine.bodies)
        else:
            put_bytes(
                &machine.bodies, group_data(cell_at(machine.keeper.user, due.offset)),
                cell_at(machine.keeper.user, due.offset).group_bytes,
            )
        pack_value(&machine.bodies, &value)
        put_row(machine, &row)
    purge_window(machine, rule, due.offset, due.instant_ms)


cdef void forget_user(Machine* machine, KeyGroup* group, User* user) noexcept nogil:
    disarm(group, user)
    remove_user(&machine.tables, group, entry_of(group, user))
    free_record(&machine.arena, user)
    machine.users -= 1


cdef void expire(Machine* machine) noexcept nogil:
    forget_user(machine, machine.keeper.group, machine.keeper.user)
    machine.keeper.user = NULL
    machine.counters[COUNT_USERS_EXPIRED] += 1


# The earliest thing, schedules included; `others_ms`: the earliest of all the rest.
cdef inline Due next_of_all(Machine* machine, int64_t to_ms, int64_t* others_ms) noexcept nogil:
    cdef Due due = next_due(machine)
    others_ms[0] = due.instant_ms
    # the end of time, to which a simulation goes at last, is no time of schedules
    if machine.plan.schedules.count and to_ms <= INSTANT_MS_END:
        sooner(&due, next_schedule_ms(machine), PHASE_SCHEDULE, 0, 0)
    return due


# A schedule that waits for the user's turn: only the clock has come to it, and to nothing else.
cdef inline bint is_put_off(
    Machine* machine, const Due* due, int64_t others_ms, int64_t to_ms
) noexcept nogil:
    if due.phase != PHASE_SCHEDULE or machine.depth >= 0 or others_ms < to_ms:
        return False
    return plus(due.instant_ms, put_off_ms(machine)) >= to_ms


cdef void run_due(Machine* machine, int64_t to_ms) noexcept nogil:
    cdef Due due
    cdef int64_t others_ms
    cdef int64_t due_before_ms = machine.due_ms
    cdef int64_t at_ms = NO_TIME_MS     # what happens at one instant competes
    cdef bint waits
    while True:
        due = next_of_all(machine, to_ms, &others_ms)
        # of an instant that has begun nothing waits: what it fires competes
        waits = due.instant_ms > at_ms and is_put_off(machine, &due, others_ms, to_ms)
        if machine.rivals.size and (
            due.instant_ms > at_ms or due.instant_ms >= to_ms or due.phase == PHASE_EXPIRY
        ):
            settle(machine)
            continue
        if due.instant_ms >= to_ms or waits:
            break
        at_ms = max(at_ms, due.instant_ms)
        machine.clock_ms = max(machine.clock_ms, due.instant_ms)
        if not machine.after_event:
            machine.scratch.size = 0
            machine.due_ms = max(machine.due_ms, due.instant_ms)    # what a closing made lies back
        if due.phase == PHASE_SEGMENT:
            run_segment_timer(machine, &due)
        elif due.phase == PHASE_WAITING:
            run_waiting(machine, due.index)
        elif due.phase == PHASE_ABSENCE:
            run_absence(machine, due.index)
        elif due.phase == PHASE_ALARM:
            ring(machine, due.index, due.instant_ms)
        elif due.phase == PHASE_SCHEDULE:
            run_schedules(machine, due.instant_ms)
        elif due.phase == PHASE_WINDOW:
            emit_window(machine, &due)
        elif due.phase == PHASE_SESSION:
            close_session(machine, due.instant_ms)
        elif due.phase == PHASE_TIDY:
            tidy_user(machine, due.instant_ms)
        else:
            expire(machine)
            break
    machine.due_ms = due_before_ms
    machine.clock_ms = max(machine.clock_ms, to_ms)
    if machine.keeper.user != NULL:
        disarm(machine.keeper.group, machine.keeper.user)
        if due.phase == PHASE_SCHEDULE:
            arm_user(machine, plus(due.instant_ms, put_off_ms(machine)))
        arm_user(machine, others_ms)
