# cython: language_level=3
"""One user: the order of things within an event.

Session, features, segments, sequences, `at`, `event` and `actor`, `when`; then what it caused
(session.start, enters and leaves), depth first.
"""
from libc.stdint cimport uint32_t, uint8_t
from augenblick_native.alarms cimport run_alarms
from augenblick_native.buffer cimport buffer_room, pack_int, pack_map, pack_str
from augenblick_native.closing cimport merge_session, next_end_ms
from augenblick_native.decode cimport clear_fields
from augenblick_native.firing cimport fire_event, fire_match
from augenblick_native.listing cimport arm_user, dispatch_of, keep_until, listed
from augenblick_native.machine cimport (
    COUNT_DEPTH_EXCEEDED, COUNT_EVENTS, COUNT_LATE, COUNT_LATE_PARTLY, COUNT_SESSIONS_STARTED,
    EVENT_DEPTH_MAX, Caused, plus, renew,
)
from augenblick_native.membership cimport rearm_segments, run_segments
from augenblick_native.msgpack cimport VALUE_MISSING, Value
from augenblick_native.panes cimport count_event
from augenblick_native.pattern cimport next_waiting_ms, take_event, taken_of, wait
from augenblick_native.predicate cimport selects
from augenblick_native.program cimport Dispatch, FeatureRule, Span, TriggerRule
from augenblick_native.record cimport cell_at, find_cell, first_cell, payload
from augenblick_native.session cimport (
    MERGED_MAX, session_end, session_enter, session_events, session_holding,
)
from augenblick_native.step cimport Match, Taken
from augenblick_native.table cimport user_id
from augenblick_native.values cimport of_int, of_text
from augenblick_native.whens cimport names_field_of, note_before, run_whens
from augenblick_native.window cimport FED_LATE, FED_TAKEN, feed, reset_since


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
        return False
    event.session_serial = session.serial
    if machine.plan.ends_on >= 0 and selects(machine, event, machine.plan.ends_on):
        session_end(machine, session, event.time_ms)
    moved = not began
    arm_user(machine, plus(session.last_ms, machine.plan.gap_ms))
    for index in range(merged_count):
        merge_session(machine, event.session_serial, merged[index])
    if moved and machine.plan.session_segments:
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
    if dispatch.alarms.count:
        run_alarms(machine, event, &dispatch.alarms)
    for index in range(dispatch.occasions.count):
        trigger = listed(machine, &dispatch.occasions, index)
        if selects(machine, event, machine.plan.triggers[trigger].selector):
            fire_event(machine, trigger, event)
    if dispatch.whens.count:
        run_whens(machine, event, &dispatch.whens, before)
    for index in range(count):
        run_derived(machine, caused[index].event_id, caused[index].time_ms, event.warm, NULL)


# Derived events

cdef inline void give_field(
    Machine* machine, Event* event, int32_t field, Value value
) noexcept nogil:
    if field >= 0:
        event.fields[field] = value


# The props of a derived event, as msgpack in the scratch and as fields.
cdef void give_props(Machine* machine, Event* event, const Session* closing) noexcept nogil:
    cdef uint32_t segment
    if closing != NULL:
        pack_map(&machine.scratch, 3)
        pack_str(&machine.scratch, <const uint8_t*>b"start", 5)
        pack_int(&machine.scratch, closing.start_ms)
        pack_str(&machine.scratch, <const uint8_t*>b"end", 3)
        pack_int(&machine.scratch, closing.last_ms)
        pack_str(&machine.scratch, <const uint8_t*>b"events", 6)
        pack_int(&machine.scratch, session_events(closing))
        give_field(machine, event, machine.plan.starts_field, of_int(closing.start_ms))
        give_field(machine, event, machine.plan.ends_field, of_int(closing.last_ms))
        give_field(machine, event, machine.plan.events_field, of_int(session_events(closing)))
    elif event.event_id == machine.plan.session_start_event:
        pack_map(&machine.scratch, 1)
        pack_str(&machine.scratch, <const uint8_t*>b"start", 5)
        pack_int(&machine.scratch, event.time_ms)
        give_field(machine, event, machine.plan.starts_field, of_int(event.time_ms))
    else:
        pack_map(&machine.scratch, 1)
        pack_str(&machine.scratch, <const uint8_t*>b"segment", 7)
        for segment in range(machine.plan.segment_count):
            if (
                machine.plan.segments[segment].enters_event == event.event_id
                or machine.plan.segments[segment].leaves_event == event.event_id
            ):
                pack_str(
                    &machine.scratch, machine.plan.segments[segment].name.data,
                    machine.plan.segments[segment].name.size
                )
                give_field(machine, event, machine.plan.segment_field, of_text(
                    machine.plan.segments[segment].name.data,
                    machine.plan.segments[segment].name.size
                ))
                break


# Run a derived event: session.end if `closing` is given, else session.start, an enter or a leave.
cdef void run_derived(
    Machine* machine, int32_t event_id, int64_t time_ms, bint warm, const Session* closing
) noexcept nogil:
    cdef Event* event
    cdef size_t at = machine.scratch.size
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
    renew(machine, event)
    event.session_serial = 0
    clear_fields(machine.plan, event)
    give_props(machine, event, closing)
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
        if feed(
            machine, &machine.plan.features[listed(machine, &dispatch.features, index)], event, True
        ) == FED_TAKEN:
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
        if (
            selects(machine, event, machine.plan.metrics[trigger].selector)
            and count_event(machine, trigger, event, True)
        ):
            return True
    for index in range(dispatch.occasions.count):
        if selects(
            machine, event,
            machine.plan.triggers[listed(machine, &dispatch.occasions, index)].selector
        ):
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
