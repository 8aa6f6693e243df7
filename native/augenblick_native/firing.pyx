# cython: language_level=3
"""From an occasion to a result row.

The body of a firing is a msgpack array: [user, group, match value, cause, identities, values];
`releases` makes the record and its id of it.
"""
from libc.stdint cimport int32_t, uint8_t, uint64_t
from libc.string cimport memcmp, memset

from augenblick_native.buffer cimport pack_array, pack_map, pack_nil, pack_str, put_bytes
from augenblick_native.decode cimport clear_fields, read_event
from augenblick_native.hash cimport name_hash
from augenblick_native.machine cimport (
    COUNT_FIRINGS_WARM, EVENT_DEPTH_MAX, ROW_ACTOR, ROW_APPROXIMATE, ROW_FIRING, ROW_SHADOW, Rise,
    renew,
)
from augenblick_native.msgpack cimport VALUE_MISSING, Value
from augenblick_native.pattern cimport pack_cause, pack_identity
from augenblick_native.policies cimport (
    FiredHead, count_firing, fired_cell, may_leave, variant_of,
)
from augenblick_native.predicate cimport evaluate
from augenblick_native.program cimport OPERAND_NONE, TRIGGER_ACTOR, TRIGGER_WHEN, ValueRule
from augenblick_native.reading cimport pack_feature_map, read_feature
from augenblick_native.record cimport find_cell, payload
from augenblick_native.reducing cimport pack_groups, reduce_groups
from augenblick_native.session cimport session_holding
from augenblick_native.state cimport NO_TIME_MS, Session
from augenblick_native.status cimport STATUS_OK
from augenblick_native.table cimport user_id
from augenblick_native.values cimport has_value, is_true, of_bool, pack_value
from augenblick_native.window cimport event_group

cdef enum:
    ROW_TIMED = 4                   # beside ROW_APPROXIMATE and ROW_SHADOW: time decided it


cdef Value read_segment(Machine* machine, Moment* moment, int32_t index) noexcept nogil:
    cdef uint32_t offset
    if machine.keeper.user == NULL:
        return of_bool(False)
    offset = find_cell(machine.keeper.user, machine.plan.segments[index].slot, NULL, 0, 0)
    if offset == 0:
        return of_bool(False)
    return of_bool((<Membership*>payload(machine.keeper.user, offset)).is_member != 0)


cdef Readers READERS
READERS.feature = read_feature
READERS.segment = read_segment
READERS.metric = NULL
READERS.reduction = reduce_groups


cdef const Readers* user_readers() noexcept nogil:
    return &READERS


cdef bint group_for(
    Machine* machine, const TriggerRule* rule, const Event* event, Group* group
) noexcept nogil:
    return event_group(machine, event, rule.group, group)


cdef void set_group(Moment* moment, const Group* group) noexcept nogil:
    moment.group = group.data
    moment.group_bytes = group.size
    moment.group_hash = group.hashed


# The last rise of the clock that a timer of this instant had to wait for.
cdef inline const Rise* releasing(const Machine* machine) noexcept nogil:
    cdef const Rise* rises = <const Rise*>machine.rises.data
    cdef uint32_t count = <uint32_t>(machine.rises.size // sizeof(Rise))
    cdef uint32_t low = 0
    cdef uint32_t high = count
    cdef uint32_t middle
    while low < high:
        middle = (low + high) // 2
        if rises[middle].watermark_ms > machine.due_ms:
            high = middle
        else:
            low = middle + 1
    return &rises[low] if low < count else NULL


cdef Row new_row(Machine* machine) noexcept nogil:
    cdef Row row
    cdef const Rise* rise
    memset(&row, 0, sizeof(Row))
    row.record = machine.record
    row.fired_ms = machine.fired_ms
    row.start_ms = NO_TIME_MS
    row.end_ms = NO_TIME_MS
    if machine.due_ms != NO_TIME_MS:
        row.flags = ROW_TIMED
        rise = releasing(machine)
        row.record = rise.record if rise != NULL else -1
        if rise != NULL and machine.ingest_is_now:
            row.fired_ms = rise.ingest_ms
    row.body_at = machine.bodies.size
    return row


cdef void put_row(Machine* machine, Row* row) noexcept nogil:
    row.body_bytes = machine.bodies.size - row.body_at
    put_bytes(&machine.rows, row, sizeof(Row))


cdef bint rises_first(Machine* machine, const TriggerRule* rule) noexcept nogil:
    cdef uint32_t offset = fired_cell(machine, rule)
    cdef FiredHead* head
    if offset == 0:
        return False
    head = <FiredHead*>payload(machine.keeper.user, offset)
    if head.has_risen:
        return False
    head.has_risen = 1
    return True


cdef void pack_group(Machine* machine, const Group* group) noexcept nogil:
    if group.data == NULL:
        pack_nil(&machine.bodies)
    else:
        put_bytes(&machine.bodies, group.data, group.size)


cdef void pack_values(Machine* machine, const TriggerRule* rule, Moment* moment) noexcept nogil:
    cdef uint32_t index
    cdef const ValueRule* wanted
    cdef Value value
    pack_map(&machine.bodies, rule.values_count)
    for index in range(rule.values_count):
        wanted = &machine.plan.values[rule.values_at + index]
        pack_str(&machine.bodies, wanted.name.data, wanted.name.size)
        if wanted.map_feature >= 0:
            pack_feature_map(machine, moment, wanted.map_feature)
        elif wanted.map_groups >= 0:
            pack_groups(machine, moment, wanted.map_groups, &READERS)
        else:
            value = evaluate(machine, moment, wanted.code, &READERS)
            pack_value(&machine.bodies, &value)


# The 64-bit mark of a firing's parts that k counts by: its group or match value, and its
# identities.
cdef uint64_t parts_hash(
    Machine* machine, const TriggerRule* rule, const Event* event, const Match* match,
    const Group* group
) noexcept nogil:
    cdef size_t at = machine.scratch.size
    cdef uint8_t parts = 0
    cdef uint64_t hashed
    if match == NULL:
        pack_identity(&machine.scratch, event, &parts)
        hashed = name_hash(machine.scratch.data + at, machine.scratch.size - at)
    else:
        hashed = name_hash(match.identities, match.identities_bytes)
    if match != NULL and rule.match != OPERAND_NONE:
        return hashed ^ (<uint64_t>match.group.hashed << 17)
    return hashed ^ (<uint64_t>group.hashed << 17)


cdef void pack_body(
    Machine* machine, const TriggerRule* rule, Event* event, const Match* match,
    const Group* group, Moment* moment
) noexcept nogil:
    cdef uint8_t parts = 1 if has_value(&event.id) else 2
    pack_array(&machine.bodies, 6)
    pack_str(&machine.bodies, user_id(machine.keeper.user), machine.keeper.user.id_bytes)
    pack_group(machine, group)
    if match == NULL:
        pack_nil(&machine.bodies)
        pack_cause(&machine.bodies, event)
        pack_array(&machine.bodies, parts)
        pack_identity(&machine.bodies, event, &parts)
    else:
        pack_group(machine, &match.group)
        put_bytes(&machine.bodies, match.cause, match.cause_bytes)
        pack_array(&machine.bodies, match.identity_parts)
        put_bytes(&machine.bodies, match.identities, match.identities_bytes)
    pack_values(machine, rule, moment)


# The firing's cause is `event`; `match` is given for a sequence.
cdef void fire(
    Machine* machine, uint32_t trigger, Event* event, const Match* match, bint is_absence
) noexcept nogil:
    cdef const TriggerRule* rule = &machine.plan.triggers[trigger]
    cdef Moment moment
    cdef Group group
    cdef Value truth
    cdef Row row
    cdef Session* session
    cdef uint32_t offset
    memset(&moment, 0, sizeof(Moment))
    moment.event = event
    moment.at_ms = match.time_ms if match != NULL else event.time_ms
    moment.ends_at = is_absence
    group_for(machine, rule, event, &group)
    set_group(&moment, &group)
    if group.data == NULL and match != NULL:
        set_group(&moment, &match.group)
    if rule.when >= 0 and rule.kind != TRIGGER_WHEN:
        truth = evaluate(machine, &moment, rule.when, &READERS)
        if not is_true(&truth):
            return
    if event.warm:
        machine.counters[COUNT_FIRINGS_WARM] += 1
        return
    row = new_row(machine)
    offset = fired_cell(machine, rule)
    if offset:
        row.k = count_firing(
            machine, offset, moment.at_ms, parts_hash(machine, rule, event, match, &group)
        )
    if rule.policies.control or rule.policies.variants_count:
        row.variant = variant_of(machine, rule)
    row.kind = ROW_ACTOR if rule.kind == TRIGGER_ACTOR else ROW_FIRING
    row.rule = trigger
    row.time_ms = moment.at_ms
    if not may_leave(machine, &row):
        return
    if not event.derived:
        session = session_holding(machine, event.time_ms)
        if session != NULL:
            row.start_ms = session.start_ms
    pack_body(machine, rule, event, match, &group, &moment)
    row.flags |= (ROW_APPROXIMATE if moment.approximate else 0) | (ROW_SHADOW if rule.shadow else 0)
    put_row(machine, &row)


cdef void fire_event(Machine* machine, uint32_t trigger, Event* event) noexcept nogil:
    fire(machine, trigger, event, NULL, False)


# True if the name is one of the plan's derived events: clients cannot send those.
cdef bint is_derived(Machine* machine, const Event* event) noexcept nogil:
    cdef uint32_t index
    if event.event_id >= 0:
        return False
    for index in range(machine.plan.event_count):
        if (
            machine.plan.event_derived[index]
            and machine.plan.event_names[index].size == event.name.size
            and memcmp(machine.plan.event_names[index].data, event.name.data, event.name.size) == 0
        ):
            return True
    return False


cdef void fire_match(
    Machine* machine, uint32_t trigger, const Match* match, bint is_absence
) noexcept nogil:
    cdef Event* cause
    if machine.depth + 1 >= EVENT_DEPTH_MAX:
        return
    machine.depth += 1
    cause = &machine.events[machine.depth]
    if read_event(machine.plan, cause, match.cause, match.cause_bytes) == STATUS_OK:
        cause.derived = is_derived(machine, cause)
        cause.warm = machine.is_warm
        cause.user.data = user_id(machine.keeper.user)
        cause.user.size = machine.keeper.user.id_bytes
        renew(machine, cause)
        fire(machine, trigger, cause, match, is_absence)
    machine.depth -= 1


cdef void fire_scheduled(
    Machine* machine, uint32_t trigger, int64_t instant_ms, const Group* group
) noexcept nogil:
    cdef Match match
    cdef Event* nothing
    if machine.depth + 1 >= EVENT_DEPTH_MAX:
        return
    memset(&match, 0, sizeof(Match))
    match.time_ms = instant_ms
    match.group = group[0]
    match.cause = <const uint8_t*>b"\xc0"           # nil
    match.cause_bytes = 1
    machine.depth += 1
    nothing = &machine.events[machine.depth]
    clear_event(machine, nothing)
    nothing.time_ms = instant_ms
    fire(machine, trigger, nothing, &match, True)
    machine.depth -= 1


# An event of no name, for what no event causes.
cdef void clear_event(Machine* machine, Event* event) noexcept nogil:
    event.event_id = -1
    event.derived = True
    event.warm = False
    event.late = False
    event.name.data = NULL
    event.name.size = 0
    event.id.kind = VALUE_MISSING
    event.session.kind = VALUE_MISSING
    event.user.data = user_id(machine.keeper.user)
    event.user.size = machine.keeper.user.id_bytes
    event.props = NULL
    event.props_bytes = 0
    event.session_serial = 0
    clear_fields(machine.plan, event)
    renew(machine, event)
