# cython: language_level=3
"""One user: the order of things within an event, and the order of timers.

Within an event: session, features, segments, sequences, `event` and `actor`, `when`; then what it caused (session.start,
enters and leaves), depth first.  At one instant: segments, waiting events, absences, then closing windows and sessions.
"""
from libc.stdint cimport int32_t, uint32_t
from libc.string cimport memset

from augenblick_native.arena cimport arena_give
from augenblick_native.buffer cimport buffer_room, pack_array, pack_int, pack_map, pack_nil, pack_str, put_bytes
from augenblick_native.decode cimport clear_fields, operand
from augenblick_native.firing cimport (
    Membership, fire_event, fire_match, group_for, new_row, put_row, rises_first, set_group, user_readers,
)
from augenblick_native.machine cimport (
    COUNT_DEPTH_EXCEEDED, COUNT_EVENTS, COUNT_LATE, COUNT_LATE_PARTLY, COUNT_SESSIONS_CLOSED, COUNT_SESSIONS_STARTED,
    COUNT_STATE_FULL, COUNT_USERS_EXPIRED, EVENT_DEPTH_MAX, Group, ROW_SESSION, ROW_WINDOW, SLOT_KIND_ABSENCES,
    SLOT_KIND_FEATURE, SLOT_KIND_SEGMENT, SLOT_KIND_SESSIONS, SLOT_KIND_WAITING, Caused, Moment, Row, SlotRule, plus,
)
from augenblick_native.matched cimport owner_of
from augenblick_native.msgpack cimport VALUE_MISSING, Value, missing
from augenblick_native.panes cimport count_event
from augenblick_native.partials cimport run_matched, sweep_partials
from augenblick_native.pattern cimport (
    Match, Taken, next_deadline_ms, next_waiting_ms, take_absence, take_event, take_waiting, taken_of, wait,
)
from augenblick_native.predicate cimport evaluate, selects
from augenblick_native.program cimport (
    FIRE_EACH, FIRE_ONCE, OPERAND_NONE, TRIGGER_SEQUENCE, WINDOW_HOPPING, WINDOW_SESSION, WINDOW_TUMBLING, Dispatch,
    FeatureRule, SegmentRule, Span, TriggerRule,
)
from augenblick_native.record cimport (
    add_cell, cell_at, find_cell, first_cell, group_data, payload, remove_cell, shrink,
)
from augenblick_native.session cimport (
    MERGED_MAX, is_cut, session_close, session_ending, session_enter, session_holding, sessions_next_close_ms,
)
from augenblick_native.state cimport NEVER_MS, NO_TIME_MS, RECORD_MATCHED, Session, User
from augenblick_native.table cimport entry_of, remove_user, user_id
from augenblick_native.timer cimport arm, disarm
from augenblick_native.values cimport is_true, of_int, of_text, pack_value
from augenblick_native.window cimport (
    FED_LATE, FED_TAKEN, close_window, drop_session, feed, merge_session, next_change_ms, next_end_ms,
    purge_window, reset_since,
)

cdef enum Phase:                        # at one instant, in this order
    PHASE_SEGMENT
    PHASE_WAITING
    PHASE_ABSENCE
    PHASE_WINDOW
    PHASE_SESSION
    PHASE_EXPIRY

cdef struct Due:
    int64_t instant_ms
    Phase phase
    uint32_t index                      # segment, trigger or feature
    uint32_t offset                     # cell of a window


cdef inline const Dispatch* dispatch_of(Machine* machine, const Event* event) noexcept nogil:
    cdef uint32_t row = machine.plan.event_count if event.event_id < 0 else <uint32_t>event.event_id
    return &machine.plan.dispatch[row]


cdef inline uint32_t listed(Machine* machine, const Span* span, uint32_t index) noexcept nogil:
    return machine.plan.lists[span.at + index]


cdef inline void arm_user(Machine* machine, int64_t deadline_ms) noexcept nogil:
    if not arm(machine.keeper.group, machine.keeper.user, deadline_ms):
        machine.counters[COUNT_STATE_FULL] += 1


cdef inline void keep_until(Machine* machine, int64_t deadline_ms) noexcept nogil:
    machine.keeper.user.kept_until_ms = max(machine.keeper.user.kept_until_ms, deadline_ms)


# `when` alone

# The condition at an instant, for the event's group; without the event its fields are absent.
cdef bint holds_at(
    Machine* machine, const TriggerRule* rule, const Event* event, int64_t at_ms, bint with_event
) noexcept nogil:
    cdef Moment moment
    cdef Group group
    cdef Value truth
    memset(&moment, 0, sizeof(Moment))
    group_for(machine, rule, event, &group)
    set_group(&moment, &group)
    moment.event = event if with_event else NULL
    moment.at_ms = at_ms
    truth = evaluate(machine, &moment, rule.when, user_readers())
    return is_true(&truth)


cdef bint is_fed(Machine* machine, const TriggerRule* rule, Event* event) noexcept nogil:
    cdef uint32_t index
    for index in range(rule.feeds.count):
        if selects(machine, event, <int32_t>listed(machine, &rule.feeds, index)):
            return True
    return False


# Without the event: `when` at its own time and at the user's latest.
cdef void note_before(Machine* machine, Event* event, const Span* whens, uint8_t* before) noexcept nogil:
    cdef uint32_t index, trigger
    cdef const TriggerRule* rule
    cdef int64_t latest_ms = machine.keeper.user.latest_ms
    for index in range(whens.count):
        trigger = listed(machine, whens, index)
        rule = &machine.plan.triggers[trigger]
        before[trigger] = 0
        if not is_fed(machine, rule, event):
            continue
        before[trigger] = BEFORE_FED
        if rule.fire == FIRE_EACH:
            continue
        if holds_at(machine, rule, event, event.time_ms, False):
            before[trigger] |= BEFORE_AT
        if latest_ms > event.time_ms and holds_at(machine, rule, event, latest_ms, False):
            before[trigger] |= BEFORE_LATEST


cdef void run_whens(Machine* machine, Event* event, const Span* whens, const uint8_t* before) noexcept nogil:
    cdef uint32_t index, trigger
    cdef const TriggerRule* rule
    cdef bint rises
    for index in range(whens.count):
        trigger = listed(machine, whens, index)
        if not before[trigger] & BEFORE_FED:
            continue
        rule = &machine.plan.triggers[trigger]
        rises = holds_at(machine, rule, event, event.time_ms, True) and (
            rule.fire == FIRE_EACH or not before[trigger] & BEFORE_AT
        )
        if not rises and machine.keeper.user.latest_ms > event.time_ms:
            rises = holds_at(machine, rule, event, machine.keeper.user.latest_ms, True) and (
                rule.fire == FIRE_EACH or not before[trigger] & BEFORE_LATEST
            )
        if not rises:
            continue
        if rule.fire == FIRE_ONCE and not event.warm and not rises_first(machine, rule):
            continue
        fire_event(machine, trigger, event)


# Segments

cdef int64_t segment_next_ms(Machine* machine, const SegmentRule* rule, int64_t after_ms) noexcept nogil:
    cdef int64_t earliest = NEVER_MS
    cdef uint32_t index
    for index in range(rule.features.count):
        earliest = min(earliest, next_change_ms(
            machine, &machine.plan.features[listed(machine, &rule.features, index)], after_ms
        ))
    return earliest


# Look at the segment at an instant; what it caused goes to `caused`.  True: it changed.
cdef bint evaluate_segment(Machine* machine, uint32_t segment, int64_t at_ms, bint timed, Caused* caused) noexcept nogil:
    cdef const SegmentRule* rule = &machine.plan.segments[segment]
    cdef uint32_t offset = find_cell(machine.keeper.user, rule.slot, NULL, 0, 0)
    cdef Moment moment
    cdef Membership* membership
    cdef Value truth
    cdef bint was
    cdef bint is_in
    cdef int64_t next_ms
    memset(&moment, 0, sizeof(Moment))
    moment.at_ms = at_ms
    truth = evaluate(machine, &moment, rule.code, user_readers())
    is_in = is_true(&truth)
    next_ms = segment_next_ms(machine, rule, at_ms)
    if offset == 0:
        if not is_in and next_ms == NEVER_MS:
            return False
        offset = add_cell(&machine.keeper, rule.slot, NULL, 0, 0, sizeof(Membership))
        if offset == 0:
            machine.counters[COUNT_STATE_FULL] += 1
            return False
        (<Membership*>payload(machine.keeper.user, offset)).timed_ms = NO_TIME_MS
    membership = <Membership*>payload(machine.keeper.user, offset)
    was = membership.is_member != 0
    membership.is_member = is_in
    membership.evaluated_ms = at_ms
    membership.next_ms = next_ms
    if timed:
        membership.timed_ms = at_ms
    arm_user(machine, next_ms)
    if was == is_in:
        return False
    caused.event_id = rule.enters_event if is_in else rule.leaves_event
    caused.time_ms = at_ms
    return True


cdef bint feeds_segment(Machine* machine, const SegmentRule* rule, Event* event) noexcept nogil:
    cdef uint32_t index
    cdef const FeatureRule* feature
    for index in range(rule.features.count):
        feature = &machine.plan.features[listed(machine, &rule.features, index)]
        if selects(machine, event, feature.selector):
            return True
        if feature.reset_selector >= 0 and selects(machine, event, feature.reset_selector):
            return True
    return False


cdef uint32_t run_segments(Machine* machine, Event* event, const Span* segments, Caused* caused) noexcept nogil:
    cdef uint32_t index, offset, segment
    cdef uint32_t count = 0
    cdef int64_t at_ms
    for index in range(segments.count):
        segment = listed(machine, segments, index)
        if not feeds_segment(machine, &machine.plan.segments[segment], event):
            continue
        at_ms = machine.keeper.user.latest_ms
        if event.derived:
            at_ms = max(at_ms, event.time_ms)
        offset = find_cell(machine.keeper.user, machine.plan.segments[segment].slot, NULL, 0, 0)
        if offset:
            at_ms = max(at_ms, (<Membership*>payload(machine.keeper.user, offset)).timed_ms)
        if evaluate_segment(machine, segment, at_ms, False, &caused[count]):
            count += 1
    return count


# A session changed its start: what time alone changes may come earlier now.
cdef void rearm_segments(Machine* machine) noexcept nogil:
    cdef uint32_t index, offset
    cdef Membership* membership
    for index in range(machine.plan.segment_count):
        offset = find_cell(machine.keeper.user, machine.plan.segments[index].slot, NULL, 0, 0)
        if offset:
            membership = <Membership*>payload(machine.keeper.user, offset)
            membership.next_ms = segment_next_ms(machine, &machine.plan.segments[index], membership.evaluated_ms)
            arm_user(machine, membership.next_ms)


# Events

cdef bint enter_session(Machine* machine, Event* event) noexcept nogil:
    """True if a session began."""
    cdef uint32_t[MERGED_MAX] merged
    cdef uint32_t merged_count = 0
    cdef uint32_t index
    cdef bint began
    cdef Session* session = session_enter(
        machine, event.time_ms, not event.late, &began, merged, &merged_count
    )
    cdef bint moved
    if session == NULL:
        event.session_serial = 0
        event.session_start_ms = NO_TIME_MS
        return False
    event.session_serial = session.serial
    event.session_start_ms = session.start_ms
    moved = not began and (session.start_ms == event.time_ms or merged_count)
    arm_user(machine, plus(session.last_ms, machine.plan.gap_ms))
    for index in range(merged_count):
        merge_session(machine, event.session_serial, merged[index])
    if moved and machine.plan.segment_count:
        rearm_segments(machine)
    if began:
        machine.counters[COUNT_SESSIONS_STARTED] += 1
    return began


cdef void run_features(Machine* machine, Event* event, const Dispatch* dispatch) noexcept nogil:
    cdef uint32_t index
    cdef const FeatureRule* rule
    cdef bint is_late = False
    for index in range(dispatch.resets.count):
        rule = &machine.plan.features[listed(machine, &dispatch.resets, index)]
        if selects(machine, event, rule.reset_selector):
            reset_since(machine, rule, event)
    for index in range(dispatch.features.count):
        rule = &machine.plan.features[listed(machine, &dispatch.features, index)]
        if feed(machine, rule, event, False) == FED_LATE:
            is_late = True
        elif rule.emitted:
            arm_windows(machine, rule)
    if is_late and event.late:
        machine.counters[COUNT_LATE_PARTLY] += 1


# The closings of an emitted feature's windows.
cdef void arm_windows(Machine* machine, const FeatureRule* rule) noexcept nogil:
    cdef uint32_t offset = first_cell(machine.keeper.user)
    while offset < machine.keeper.user.size:
        if cell_at(machine.keeper.user, offset).slot == rule.slot:
            arm_user(machine, next_end_ms(machine, rule, offset))
        offset += cell_at(machine.keeper.user, offset).size


cdef void run_sequences(Machine* machine, Event* event, const Span* sequences) noexcept nogil:
    cdef uint32_t index, trigger
    cdef const TriggerRule* rule
    cdef Taken taken
    cdef Match match
    for index in range(sequences.count):
        trigger = listed(machine, sequences, index)
        rule = &machine.plan.triggers[trigger]
        if rule.event_time and event.late and not event.derived:
            continue
        if not taken_of(machine, rule, event, &taken):
            continue
        if rule.event_time:
            if wait(machine, rule, &taken):
                arm_user(machine, next_waiting_ms(machine, rule))
                keep_until(machine, event.time_ms)
        elif take_event(machine, rule, &taken, &match):
            fire_match(machine, trigger, &match, False)


cdef void run_event(Machine* machine, Event* event) noexcept nogil:
    cdef const Dispatch* dispatch = dispatch_of(machine, event)
    cdef uint8_t* before = machine.when_before + <size_t>machine.depth * machine.plan.trigger_count
    cdef Caused* caused = machine.caused + <size_t>machine.depth * (machine.plan.segment_count + 1)
    cdef uint32_t count = 0
    cdef uint32_t index
    cdef uint32_t trigger
    if dispatch.whens.count:
        note_before(machine, event, &dispatch.whens, before)
    if not event.derived:
        machine.counters[COUNT_EVENTS] += 1
        machine.counters[COUNT_LATE] += event.late
        if enter_session(machine, event) and machine.plan.session_start_event >= 0:
            caused[0].event_id = machine.plan.session_start_event
            caused[0].time_ms = event.time_ms
            count = 1
        machine.keeper.user.latest_ms = max(machine.keeper.user.latest_ms, event.time_ms)
    run_features(machine, event, dispatch)
    for index in range(dispatch.metrics.count):
        trigger = listed(machine, &dispatch.metrics, index)
        if selects(machine, event, machine.plan.metrics[trigger].selector):
            count_event(machine, trigger, event, False)
    if dispatch.segments.count:
        count += run_segments(machine, event, &dispatch.segments, &caused[count])
    if dispatch.sequences.count:
        run_sequences(machine, event, &dispatch.sequences)
    for index in range(dispatch.occasions.count):
        trigger = listed(machine, &dispatch.occasions, index)
        if selects(machine, event, machine.plan.triggers[trigger].selector):
            fire_event(machine, trigger, event)
    if dispatch.whens.count:
        run_whens(machine, event, &dispatch.whens, before)
    for index in range(count):
        run_derived(machine, caused[index].event_id, caused[index].time_ms, event.warm, NULL)


# Derived events

cdef inline void give_field(Machine* machine, Event* event, int32_t field, Value value) noexcept nogil:
    if field >= 0:
        event.fields[field] = value


# Run a derived event: session.end if `closing` is given, else session.start, an enter or a leave.
cdef void run_derived(Machine* machine, int32_t event_id, int64_t time_ms, bint warm, const Session* closing) noexcept nogil:
    cdef Event* event
    cdef size_t at = machine.scratch.size
    cdef uint32_t segment
    if machine.depth + 1 >= EVENT_DEPTH_MAX or buffer_room(&machine.scratch, 512) == NULL:
        machine.counters[COUNT_DEPTH_EXCEEDED] += 1
        return
    machine.depth += 1
    event = &machine.events[machine.depth]
    event.event_id = event_id
    event.derived = True
    event.warm = warm
    event.late = False
    event.time_ms = time_ms
    event.name = machine.plan.event_names[event_id]
    event.id.kind = VALUE_MISSING
    event.session.kind = VALUE_MISSING
    event.user.data = user_id(machine.keeper.user)
    event.user.size = machine.keeper.user.id_bytes
    event.generation += 1
    event.session_serial = 0
    event.session_start_ms = NO_TIME_MS
    clear_fields(machine.plan, event)
    if closing != NULL:
        pack_map(&machine.scratch, 3)
        pack_str(&machine.scratch, <const uint8_t*>b"start", 5)
        pack_int(&machine.scratch, closing.start_ms)
        pack_str(&machine.scratch, <const uint8_t*>b"end", 3)
        pack_int(&machine.scratch, closing.last_ms)
        pack_str(&machine.scratch, <const uint8_t*>b"events", 6)
        pack_int(&machine.scratch, closing.events)
        give_field(machine, event, machine.plan.starts_field, of_int(closing.start_ms))
        give_field(machine, event, machine.plan.ends_field, of_int(closing.last_ms))
        give_field(machine, event, machine.plan.events_field, of_int(closing.events))
    elif event_id == machine.plan.session_start_event:
        pack_map(&machine.scratch, 1)
        pack_str(&machine.scratch, <const uint8_t*>b"start", 5)
        pack_int(&machine.scratch, time_ms)
        give_field(machine, event, machine.plan.starts_field, of_int(time_ms))
    else:
        pack_map(&machine.scratch, 1)
        pack_str(&machine.scratch, <const uint8_t*>b"segment", 7)
        for segment in range(machine.plan.segment_count):
            if (
                machine.plan.segments[segment].enters_event == event_id
                or machine.plan.segments[segment].leaves_event == event_id
            ):
                pack_str(
                    &machine.scratch, machine.plan.segments[segment].name.data, machine.plan.segments[segment].name.size
                )
                give_field(machine, event, machine.plan.segment_field, of_text(
                    machine.plan.segments[segment].name.data, machine.plan.segments[segment].name.size
                ))
                break
    event.props = machine.scratch.data + at
    event.props_bytes = <uint32_t>(machine.scratch.size - at)
    run_event(machine, event)
    machine.depth -= 1


# Late events

cdef bint late_fits(Machine* machine, Event* event) noexcept nogil:
    cdef const Dispatch* dispatch = dispatch_of(machine, event)
    cdef uint32_t index, trigger
    cdef const TriggerRule* rule
    cdef const FeatureRule* feature
    cdef Taken taken
    cdef uint32_t offset
    if session_holding(machine, event.time_ms) != NULL:
        return True
    event.session_serial = 0
    for index in range(dispatch.features.count):
        if feed(machine, &machine.plan.features[listed(machine, &dispatch.features, index)], event, True) == FED_TAKEN:
            return True
    for index in range(dispatch.resets.count):
        feature = &machine.plan.features[listed(machine, &dispatch.resets, index)]
        offset = find_cell(machine.keeper.user, feature.slot, NULL, 0, 0)
        if selects(machine, event, feature.reset_selector) and (
            offset == 0 or (<int64_t*>payload(machine.keeper.user, offset))[0] <= event.time_ms
        ):
            return True
    for index in range(dispatch.metrics.count):
        trigger = listed(machine, &dispatch.metrics, index)
        if selects(machine, event, machine.plan.metrics[trigger].selector) and count_event(machine, trigger, event, True):
            return True
    for index in range(dispatch.occasions.count):
        if selects(machine, event, machine.plan.triggers[listed(machine, &dispatch.occasions, index)].selector):
            return True
    for index in range(dispatch.sequences.count):
        rule = &machine.plan.triggers[listed(machine, &dispatch.sequences, index)]
        if not rule.event_time and taken_of(machine, rule, event, &taken):
            return True
    for index in range(dispatch.whens.count):
        rule = &machine.plan.triggers[listed(machine, &dispatch.whens, index)]
        if names_field_of(machine, rule, event):
            return True
    return False


cdef bint names_field_of(Machine* machine, const TriggerRule* rule, const Event* event) noexcept nogil:
    """True if the condition reads a property of just this event: FIELD_OF or OWN_OF with its id."""
    cdef const uint32_t* words = machine.plan.codes[rule.when].words
    cdef uint32_t at = 0
    while at < machine.plan.codes[rule.when].size:
        if words[at] & 0xFF == 4 or words[at] & 0xFF == 5:
            if event.event_id >= 0 and words[at + 1] == <uint32_t>event.event_id:
                return True
            at += 1
        at += 1
    return False


# Time

cdef inline void sooner(Due* due, int64_t instant_ms, Phase phase, uint32_t index, uint32_t offset) noexcept nogil:
    if instant_ms > due.instant_ms or instant_ms == NEVER_MS:
        return
    if instant_ms == due.instant_ms and (phase > due.phase or (phase == due.phase and index >= due.index)):
        return
    due.instant_ms = instant_ms
    due.phase = phase
    due.index = index
    due.offset = offset


cdef int64_t expiry_ms(Machine* machine) noexcept nogil:
    """The instant at which the user has outlived the time to live and every `keep`."""
    cdef User* user = machine.keeper.user
    cdef int64_t base_ms = max(user.latest_ms, user.kept_until_ms)
    cdef int64_t ttl_ms = machine.plan.ttl_ms
    cdef uint32_t offset = first_cell(user)
    cdef const SlotRule* slot
    while offset < user.size:
        slot = &machine.slots[cell_at(user, offset).slot]
        if slot.kind == SLOT_KIND_FEATURE:
            ttl_ms = max(ttl_ms, machine.plan.features[slot.index].keep_ms)
        offset += cell_at(user, offset).size
    return plus(base_ms, ttl_ms)


# The earliest thing that time has still to do for the user.
cdef Due next_due(Machine* machine) noexcept nogil:
    cdef Due due
    cdef User* user = machine.keeper.user
    cdef uint32_t offset = first_cell(user)
    cdef const SlotRule* slot
    cdef Membership* membership
    due.instant_ms = NEVER_MS
    due.phase = PHASE_EXPIRY
    due.index = 0
    due.offset = 0
    while offset < user.size:
        slot = &machine.slots[cell_at(user, offset).slot]
        if slot.kind == SLOT_KIND_SESSIONS:
            sooner(&due, sessions_next_close_ms(machine), PHASE_SESSION, 0, 0)
        elif slot.kind == SLOT_KIND_FEATURE:
            if machine.plan.features[slot.index].emitted:
                sooner(
                    &due, next_end_ms(machine, &machine.plan.features[slot.index], offset), PHASE_WINDOW, slot.index,
                    offset,
                )
        elif slot.kind == SLOT_KIND_SEGMENT:
            membership = <Membership*>payload(user, offset)
            sooner(&due, membership.next_ms, PHASE_SEGMENT, slot.index, offset)
        elif slot.kind == SLOT_KIND_WAITING:
            sooner(&due, next_waiting_ms(machine, &machine.plan.triggers[slot.index]), PHASE_WAITING, slot.index, 0)
        elif slot.kind == SLOT_KIND_ABSENCES:
            sooner(&due, next_deadline_ms(machine, &machine.plan.triggers[slot.index]), PHASE_ABSENCE, slot.index, 0)
        offset += cell_at(user, offset).size
    sooner(&due, expiry_ms(machine), PHASE_EXPIRY, 0, 0)
    return due


cdef void run_segment_timer(Machine* machine, const Due* due) noexcept nogil:
    cdef Membership* membership = <Membership*>payload(machine.keeper.user, due.offset)
    cdef int64_t next_ms = segment_next_ms(machine, &machine.plan.segments[due.index], membership.evaluated_ms)
    cdef Caused caused
    if due.instant_ms < next_ms != NEVER_MS:    # a session went on meanwhile; one that has closed leaves nothing to ask
        membership.next_ms = next_ms
        return
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
        run_derived(
            machine, machine.plan.session_end_event, closed.last_ms if is_cut(machine, &closed) else at_ms, False, &closed
        )
    session_close(machine, at_ms, &closed)
    drop_session(machine, closed.serial, closed.start_ms, closed.last_ms)
    machine.counters[COUNT_SESSIONS_CLOSED] += 1
    if machine.emits_sessions:
        row = new_row(machine)
        row.kind = ROW_SESSION
        row.start_ms = closed.start_ms
        row.end_ms = closed.last_ms
        row.time_ms = closed.last_ms
        row.count = closed.events
        pack_array(&machine.bodies, 1)
        pack_str(&machine.bodies, user_id(machine.keeper.user), machine.keeper.user.id_bytes)
        put_row(machine, &row)
    tidy_user(machine, at_ms)


# A session's end is a quiet moment: forget what nobody can reach any more.
cdef void tidy_user(Machine* machine, int64_t at_ms) noexcept nogil:
    cdef uint32_t index
    cdef uint32_t offset
    cdef uint32_t size
    cdef const SlotRule* slot
    cdef const FeatureRule* rule
    for index in range(machine.plan.trigger_count):
        if machine.plan.triggers[index].kind == TRIGGER_SEQUENCE:
            sweep_partials(machine, &machine.plan.triggers[index])
    offset = first_cell(machine.keeper.user)
    while offset < machine.keeper.user.size:
        slot = &machine.slots[cell_at(machine.keeper.user, offset).slot]
        if slot.kind == SLOT_KIND_FEATURE:
            rule = &machine.plan.features[slot.index]
            if not rule.emitted and (rule.window == WINDOW_TUMBLING or rule.window == WINDOW_HOPPING):
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
        row.start_ms = due.instant_ms - rule.size_ms
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


cdef void expire(Machine* machine) noexcept nogil:
    cdef User* user = machine.keeper.user
    disarm(machine.keeper.group, user)
    remove_user(machine.keeper.group, entry_of(machine.keeper.group, user))
    arena_give(machine.keeper.arena, user, user.capacity)
    machine.keeper.user = NULL
    machine.users -= 1
    machine.counters[COUNT_USERS_EXPIRED] += 1


cdef void run_due(Machine* machine, int64_t to_ms) noexcept nogil:
    cdef Due due
    cdef int64_t due_before_ms = machine.due_ms
    cdef User* owner
    if machine.keeper.user.flags & RECORD_MATCHED:
        owner = owner_of(&machine.keeper)
        if owner == NULL or owner.armed_ms >= to_ms:
            machine.clock_ms = to_ms
            run_matched(machine, &machine.keeper)
            return
        machine.keeper.user = owner         # first: what waits there may still be a step
    while True:
        due = next_due(machine)
        if due.instant_ms >= to_ms:
            break
        machine.clock_ms = max(machine.clock_ms, due.instant_ms)
        if not machine.after_event:
            machine.scratch.size = 0
            machine.due_ms = due.instant_ms
        if due.phase == PHASE_SEGMENT:
            run_segment_timer(machine, &due)
        elif due.phase == PHASE_WAITING:
            run_waiting(machine, due.index)
        elif due.phase == PHASE_ABSENCE:
            run_absence(machine, due.index)
        elif due.phase == PHASE_WINDOW:
            emit_window(machine, &due)
        elif due.phase == PHASE_SESSION:
            close_session(machine, due.instant_ms)
        else:
            expire(machine)
            break
    machine.due_ms = due_before_ms
    machine.clock_ms = max(machine.clock_ms, to_ms)
    if machine.keeper.user != NULL:
        disarm(machine.keeper.group, machine.keeper.user)
        arm_user(machine, due.instant_ms)
