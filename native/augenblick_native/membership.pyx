# cython: language_level=3
"""Segments: who is in, and when time alone may change it."""
from libc.string cimport memset
from augenblick_native.firing cimport Membership, user_readers
from augenblick_native.listing cimport arm_user, listed
from augenblick_native.machine cimport COUNT_STATE_FULL, Moment, plus
from augenblick_native.msgpack cimport Value
from augenblick_native.predicate cimport evaluate, selects
from augenblick_native.program cimport FeatureRule, LimitRule
from augenblick_native.reading cimport latest_event_ms, next_change_ms
from augenblick_native.record cimport add_cell, find_cell, payload
from augenblick_native.state cimport NO_TIME_MS
from augenblick_native.values cimport is_true


cdef int64_t segment_next_ms(
    Machine* machine, const SegmentRule* rule, int64_t after_ms
) noexcept nogil:
    cdef int64_t earliest = NEVER_MS
    cdef uint32_t index
    for index in range(rule.features.count):
        earliest = min(earliest, next_change_ms(
            machine, &machine.plan.features[listed(machine, &rule.features, index)], after_ms
        ))
    for index in range(rule.limits.count):
        earliest = min(earliest, limit_next_ms(
            machine, &machine.plan.limits[rule.limits.at + index], after_ms
        ))
    return earliest


# When `time_since` comes to the limit, and a moment later, when it is past it.
cdef int64_t limit_next_ms(
    Machine* machine, const LimitRule* limit, int64_t after_ms
) noexcept nogil:
    cdef int64_t latest_ms = latest_event_ms(machine, &machine.plan.features[limit.feature])
    cdef int64_t reached_ms
    if latest_ms == NO_TIME_MS:
        return NEVER_MS
    reached_ms = plus(latest_ms, limit.limit_ms)
    if reached_ms > after_ms:
        return reached_ms
    return reached_ms + 1 if reached_ms == after_ms else NEVER_MS


# Look at the segment at an instant; what it caused goes to `caused`.  True: it changed.
cdef bint evaluate_segment(
    Machine* machine, uint32_t segment, int64_t at_ms, bint timed, Caused* caused
) noexcept nogil:
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


cdef uint32_t run_segments(
    Machine* machine, Event* event, const Span* segments, Caused* caused
) noexcept nogil:
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


# A session went on or joined another: what time alone changes comes at another instant now.  An
# instant that the clock has reached stays: its session may have closed.
cdef void rearm_segments(Machine* machine) noexcept nogil:
    cdef uint32_t index, offset
    cdef int64_t next_ms
    cdef Membership* membership
    for index in range(machine.plan.segment_count):
        if not machine.plan.segments[index].reads_sessions:
            continue
        offset = find_cell(machine.keeper.user, machine.plan.segments[index].slot, NULL, 0, 0)
        if offset:
            membership = <Membership*>payload(machine.keeper.user, offset)
            next_ms = segment_next_ms(
                machine, &machine.plan.segments[index], membership.evaluated_ms
            )
            if membership.next_ms <= machine.clock_ms:
                next_ms = min(next_ms, membership.next_ms)
            membership.next_ms = next_ms
            arm_user(machine, membership.next_ms)
