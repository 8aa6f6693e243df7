# cython: language_level=3
"""`when` alone: the condition without and with the event."""
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memset
from augenblick_native.firing cimport fire_event, group_for, rises_first, set_group, user_readers
from augenblick_native.listing cimport listed
from augenblick_native.machine cimport Group, Moment
from augenblick_native.predicate cimport holds, selects
from augenblick_native.program cimport FIRE_EACH, FIRE_ONCE


# The condition at an instant, for the event's group; without the event its fields are absent.
cdef inline bint holds_at(
    Machine* machine, const TriggerRule* rule, const Event* event, int64_t at_ms, bint with_event
) noexcept nogil:
    cdef Moment moment
    cdef Group group
    memset(&moment, 0, sizeof(Moment))
    group_for(machine, rule, event, &group)
    set_group(&moment, &group)
    moment.event = event if with_event else NULL
    moment.at_ms = at_ms
    return holds(machine, &moment, rule.when, user_readers())


cdef bint is_fed(Machine* machine, const TriggerRule* rule, Event* event) noexcept nogil:
    cdef uint32_t index
    for index in range(rule.feeds.count):
        if selects(machine, event, <int32_t>listed(machine, &rule.feeds, index)):
            return True
    return False


# Without the event: `when` at its own time and at the user's latest.
cdef void note_before(
    Machine* machine, Event* event, const Span* whens, uint8_t* before
) noexcept nogil:
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


cdef void run_whens(
    Machine* machine, Event* event, const Span* whens, const uint8_t* before
) noexcept nogil:
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


cdef bint names_field_of(
    Machine* machine, const TriggerRule* rule, const Event* event
) noexcept nogil:
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
