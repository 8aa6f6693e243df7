# cython: language_level=3
"""The plan's program as C tables, built once from the plain-Python program."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport INT64_MAX
from libc.string cimport memset

from augenblick_native.hash cimport HashKey, name_hash, siphash13
from augenblick_native.msgpack cimport (
    VALUE_BOOL, VALUE_FLOAT, VALUE_INT, VALUE_NULL, VALUE_STR, missing,
)

cdef int64_t FOREVER_MS = INT64_MAX

AGGREGATES = {
    "count": AGGREGATE_COUNT, "sum": AGGREGATE_SUM, "min": AGGREGATE_MIN, "max": AGGREGATE_MAX,
    "avg": AGGREGATE_AVG, "rate": AGGREGATE_RATE, "decay": AGGREGATE_DECAY,
    "time_since": AGGREGATE_TIME_SINCE,
    "first": AGGREGATE_FIRST, "last": AGGREGATE_LAST, "list": AGGREGATE_LIST,
    "distinct": AGGREGATE_DISTINCT, "quantile": AGGREGATE_QUANTILE, "top": AGGREGATE_TOP,
}
cdef dict STRIDES = {
    "count": 8, "sum": 16, "min": 16, "max": 16, "avg": 24, "rate": 16, "decay": 24,
    "time_since": 16,                                   # all others: 0
}
cdef dict WINDOWS = {
    "session": WINDOW_SESSION, "tumbling": WINDOW_TUMBLING, "hopping": WINDOW_HOPPING,
    "calendar": WINDOW_CALENDAR,
    "sliding": WINDOW_SLIDING, "lifetime": WINDOW_LIFETIME, "since": WINDOW_SINCE,
}
cdef dict REDUCTIONS = {
    "max": REDUCTION_MAX, "min": REDUCTION_MIN, "sum": REDUCTION_SUM, "any": REDUCTION_ANY,
}
cdef dict KINDS = {
    "when": TRIGGER_WHEN, "event": TRIGGER_EVENT, "sequence": TRIGGER_SEQUENCE,
    "actor": TRIGGER_ACTOR, "at": TRIGGER_AT, "every": TRIGGER_EVERY,
}
cdef dict FIRES = {"rise": FIRE_RISE, "each": FIRE_EACH, "once": FIRE_ONCE}
cdef dict TIMERS = {"restart": TIMER_RESTART, "each": TIMER_EACH, "keep": TIMER_KEEP}


cdef uint64_t CONTROL = 0x006C6F72746E6F63ULL     # "control" and a zero byte
cdef uint64_t VARIANTS = 0x73746E6169726176ULL    # "variants"


# The key under which users fall into the shares of one trigger, by its name.
cdef HashKey share_key(uint64_t domain, const Text* name):
    cdef HashKey key
    key.k0 = domain
    key.k1 = 0
    key.k0 = siphash13(&key, name.data, name.size)
    key.k1 = domain
    return key


# Where the tables of all sequences end so far.
cdef struct StepEnds:
    uint32_t steps
    uint32_t positions
    uint32_t negations
    uint32_t keeps


# The steps of a sequence, behind those that are there already.
cdef int load_steps(Plan* plan, TriggerRule* rule, trigger, StepEnds* ends) except -1:
    cdef StepRule* rule_step
    cdef uint32_t number
    rule.steps_at = ends.steps
    rule.positions_at = ends.positions
    rule.negations_at = ends.negations
    rule.keeps_at = ends.keeps
    rule.keeps_count = len(trigger.keeps)
    rule.is_plain = True
    for number, step in enumerate(trigger.steps, 1):
        if not step.negated:
            rule_step = &plan.steps[ends.steps]
            rule_step.selector = step.selector
            rule_step.code = step.code
            rule_step.times_min = step.times_min
            rule_step.times_max = step.times_max
            rule_step.kept = step.kept
            ends.steps += 1
            rule.steps_count += 1
            rule.is_plain = rule.is_plain and step.times_max == 1 and step.code < 0
        elif number == len(trigger.steps):
            rule.ends_in_not = True
            rule.negation.selector = step.selector
            rule.negation.for_ms = step.for_ms
        else:
            plan.negations[ends.negations].selector = step.selector
            plan.negations[ends.negations].code = step.code
            plan.negations[ends.negations].after = rule.steps_count
            ends.negations += 1
            rule.negations_count += 1
            rule.is_plain = False
    for operand in trigger.keeps:
        plan.keeps[ends.keeps] = operand
        ends.keeps += 1
    load_positions(plan, rule, ends)
    return 0


cdef void load_positions(Plan* plan, TriggerRule* rule, StepEnds* ends) noexcept:
    cdef PositionRule* position
    cdef const StepRule* step
    cdef uint32_t index, repeat
    for index in range(rule.steps_count):
        step = &plan.steps[rule.steps_at + index]
        for repeat in range(1, step.times_max + 1):
            position = &plan.positions[ends.positions]
            position.step = <uint8_t>(index + 1)
            position.is_enough = repeat >= step.times_min
            position.repeats = repeat < step.times_max
            position.following = <uint8_t>(
                rule.positions_count + 1 + step.times_max - repeat + 1
            )
            ends.positions += 1
            rule.positions_count += 1


cdef class Program:
    """C tables of one compiled plan.

    Created by the kernel and the router from `augenblick.plan.program.Program` (duck typed).  Owns
    every
    table; they stay valid and unchanged as long as the object lives, so any thread may read them.
    Raises ValueError for a program that does not fit its own bounds: that is a bug of the compiler.
    """

    def __cinit__(self, source):
        self._kept = []
        self._blocks = []
        memset(&self.plan, 0, sizeof(Plan))
        self._load_names(source)
        self._load_codes(source)
        self._load_calendars(source)
        self._load_reductions(source)
        self._load_features(source)
        self._load_segments(source)
        self._load_triggers(source)
        self._load_policies(source)
        load_timed(self, source)
        self._load_metrics(source)
        self._load_dispatch(source)

    cdef void* _table(self, size_t count, size_t item_bytes) except NULL:
        cdef bytes block = PyBytes_FromStringAndSize(NULL, max(count, 1) * item_bytes)
        cdef char* data = PyBytes_AS_STRING(block)
        memset(data, 0, max(count, 1) * item_bytes)
        self._blocks.append(block)
        return data

    cdef Text _text(self, text):
        cdef bytes data = text.encode() if isinstance(text, str) else bytes(text)
        cdef Text result
        self._kept.append(data)
        result.data = <const uint8_t*>PyBytes_AS_STRING(data)
        result.size = <uint32_t>len(data)
        return result

    cdef NameTable _name_table(self, list names) except *:
        """Open addressing over (name, index) pairs, at most half full."""
        cdef NameTable table
        cdef uint32_t size = 8
        cdef uint32_t at
        cdef uint64_t hashed
        cdef Text text
        while size < 2 * len(names) + 2:
            size *= 2
        table.entries = <NameEntry*>self._table(size, sizeof(NameEntry))
        table.mask = size - 1
        for at in range(size):
            table.entries[at].index = -1
        for name, index in names:
            text = self._text(name)
            hashed = name_hash(text.data, text.size)
            at = <uint32_t>hashed & table.mask
            while table.entries[at].index >= 0:
                at = (at + 1) & table.mask
            table.entries[at].hashed = hashed
            table.entries[at].name = text
            table.entries[at].index = index
        return table

    cdef int _load_names(self, source) except -1:
        cdef Plan* plan = &self.plan
        cdef bytes derived = bytes(
            bytearray(1 if flag else 0 for flag in source.event_derived) + b"\0"
        )
        cdef uint32_t index
        plan.gap_ms = source.gap_ms
        plan.session_max_ms = source.session_max_ms
        plan.ends_on = source.ends_on
        plan.dedup_ms = source.dedup_ms
        plan.ttl_ms = source.ttl_ms
        plan.event_count = len(source.event_names)
        self._kept.append(derived)
        plan.event_derived = <const uint8_t*>PyBytes_AS_STRING(derived)
        plan.event_names = <Text*>self._table(plan.event_count, sizeof(Text))
        plan.session_start_event = -1
        plan.session_end_event = -1
        for index, name in enumerate(source.event_names):
            plan.event_names[index] = self._text(name)
            if name == "session.start":
                plan.session_start_event = index
            elif name == "session.end":
                plan.session_end_event = index
        # Derived names cannot be sent: they are not in the table that client events are looked up
        # in.
        plan.events = self._name_table([
            (name, index) for index, name in enumerate(
                source.event_names
            ) if not source.event_derived[index]
        ])
        plan.field_count = len(source.fields)
        plan.fields = <FieldRule*>self._table(plan.field_count, sizeof(FieldRule))
        plan.starts_field = plan.ends_field = plan.events_field = plan.segment_field = -1
        for index, rule in enumerate(source.fields):
            plan.fields[index].in_context = rule.scope == "context"
            plan.fields[index].name = self._text(rule.name)
            if rule.scope == "props":
                if rule.name == "start":
                    plan.starts_field = index
                elif rule.name == "end":
                    plan.ends_field = index
                elif rule.name == "events":
                    plan.events_field = index
                elif rule.name == "segment":
                    plan.segment_field = index
        plan.props = self._name_table([
            (rule.name, index) for index, rule in enumerate(source.fields) if rule.scope == "props"
        ])
        plan.context = self._name_table([
            (
                rule.name, index
            ) for index, rule in enumerate(source.fields) if rule.scope == "context"
        ])
        plan.emits_sessions = bool(source.emit_session)
        return 0

    cdef int _load_codes(self, source) except -1:
        cdef Plan* plan = &self.plan
        cdef uint32_t index, at
        cdef uint32_t* words
        cdef Text text
        plan.const_count = len(source.consts)
        plan.consts = <Value*>self._table(plan.const_count, sizeof(Value))
        for index, const in enumerate(source.consts):
            plan.consts[index] = missing()
            if const is None:
                plan.consts[index].kind = VALUE_NULL
            elif isinstance(const, bool):
                plan.consts[index].kind = VALUE_BOOL
                plan.consts[index].integer = const
            elif isinstance(const, int):
                plan.consts[index].kind = VALUE_INT
                plan.consts[index].integer = const
            elif isinstance(const, float):
                plan.consts[index].kind = VALUE_FLOAT
                plan.consts[index].number = const
            else:
                text = self._text(const)
                plan.consts[index].kind = VALUE_STR
                plan.consts[index].data = text.data
                plan.consts[index].size = text.size
        plan.code_count = len(source.codes)
        plan.codes = <Code*>self._table(plan.code_count, sizeof(Code))
        for index, code in enumerate(source.codes):
            if not 0 < len(code) <= CODE_WORDS_MAX:
                raise ValueError(f"code {index} has {len(code)} words; 1 to {CODE_WORDS_MAX} fit")
            words = <uint32_t*>self._table(len(code), sizeof(uint32_t))
            for at, word in enumerate(code):
                words[at] = word
            plan.codes[index].words = words
            plan.codes[index].size = len(code)
            if (
                len(code) == 4 and words[0] & 0xFF == OP_FEATURE and words[1] & 0xFF == OP_CONST
                and OP_EQ <= words[2] & 0xFF <= OP_GE and words[3] & 0xFF == OP_END
            ):
                plan.codes[index].compares = words[2] & 0xFF
        plan.selector_count = len(source.selectors)
        plan.selectors = <SelectorRule*>self._table(plan.selector_count, sizeof(SelectorRule))
        cdef bytearray named = bytearray((plan.event_count + 1) * plan.selector_count + 1)
        for index, selector in enumerate(source.selectors):
            plan.selectors[index].code = selector.code
            for event_id in range(plan.event_count + 1):
                if selector.event_ids is None:
                    hit = event_id == plan.event_count or not source.event_derived[event_id]
                else:
                    hit = event_id in selector.event_ids
                named[index * (plan.event_count + 1) + event_id] = hit
        cdef bytes rows = bytes(named)
        self._kept.append(rows)
        plan.selector_names = <const uint8_t*>PyBytes_AS_STRING(rows)
        return 0

    cdef int _load_calendars(self, source) except -1:
        cdef Plan* plan = &self.plan
        cdef CalendarRun* runs
        cdef uint32_t index, at
        plan.calendars = <Calendar*>self._table(len(source.calendars), sizeof(Calendar))
        for index, calendar in enumerate(source.calendars):
            if not calendar or any(step_ms <= 0 for _, step_ms in calendar):
                raise ValueError("a calendar has no windows")
            runs = <CalendarRun*>self._table(len(calendar), sizeof(CalendarRun))
            for at, (start_ms, step_ms) in enumerate(calendar):
                runs[at].start_ms = start_ms
                runs[at].step_ms = step_ms
            plan.calendars[index].runs = runs
            plan.calendars[index].count = len(calendar)
        return 0

    cdef int _load_reductions(self, source) except -1:
        cdef Plan* plan = &self.plan
        cdef CalendarRun* runs
        cdef uint32_t index
        plan.reductions = <ReductionRule*>self._table(
            len(source.reductions), sizeof(ReductionRule)
        )
        for index, reduction in enumerate(source.reductions):
            plan.reductions[index].kind = REDUCTIONS[reduction.kind]
            plan.reductions[index].code = reduction.code
        runs = <CalendarRun*>self._table(len(source.offsets), sizeof(CalendarRun))
        for index, (start_ms, offset_ms) in enumerate(source.offsets):
            runs[index].start_ms = start_ms
            runs[index].step_ms = offset_ms
        plan.offsets.runs = runs
        plan.offsets.count = len(source.offsets)
        return 0

    cdef int _load_features(self, source) except -1:
        cdef Plan* plan = &self.plan
        cdef FeatureRule* rule
        cdef uint32_t index
        plan.feature_count = len(source.features)
        plan.features = <FeatureRule*>self._table(plan.feature_count, sizeof(FeatureRule))
        plan.slot_count = 1                                      # slot 0: the sessions
        for index, feature in enumerate(source.features):
            rule = &plan.features[index]
            rule.name = self._text(feature.name)
            rule.version = self._text(feature.version)
            rule.aggregate = AGGREGATES[feature.aggregate]
            rule.window = WINDOWS[feature.window]
            rule.size_ms = feature.size_ms
            rule.pane_ms = feature.every_ms if feature.window == "hopping" else feature.size_ms
            if feature.window == "hopping" and feature.size_ms % feature.every_ms:
                raise ValueError(f"feature {feature.name}: every does not divide size")
            rule.selector = feature.selector
            rule.value = feature.value
            rule.by = feature.by
            rule.by_name = self._text(feature.by_name)
            rule.by_max = feature.by_max
            rule.list_max = 1 if feature.aggregate in ("first", "last") else feature.list_max
            rule.sliding_max = feature.sliding_max
            rule.reset_selector = feature.reset_selector
            rule.keep_ms = FOREVER_MS if feature.keep < 0 else feature.keep
            rule.emitted = feature.emitted
            rule.slot = self._slot()
            rule.stride = STRIDES.get(feature.aggregate, 0)
            rule.is_sketch = rule.aggregate >= AGGREGATE_DISTINCT and rule.window != WINDOW_SLIDING
            rule.option = feature.option
            if feature.calendar >= 0:
                rule.calendar = &plan.calendars[feature.calendar]
        return 0

    cdef uint16_t _slot(self) except? 0xFFFF:
        if self.plan.slot_count >= 0xFFFF:
            raise ValueError("the plan has too many features and triggers")
        self.plan.slot_count += 1
        return <uint16_t>(self.plan.slot_count - 1)

    cdef int _load_segments(self, source) except -1:
        cdef Plan* plan = &self.plan
        cdef uint32_t index, limit = 0
        plan.limits = <LimitRule*>self._table(
            sum(len(segment.limits) for segment in source.segments), sizeof(LimitRule)
        )
        plan.segment_count = len(source.segments)
        plan.segments = <SegmentRule*>self._table(plan.segment_count, sizeof(SegmentRule))
        for index, segment in enumerate(source.segments):
            plan.segments[index].name = self._text(segment.name)
            plan.segments[index].version = self._text(segment.version)
            plan.segments[index].code = segment.code
            plan.segments[index].enters_event = segment.enters_event
            plan.segments[index].leaves_event = segment.leaves_event
            plan.segments[index].slot = self._slot()
            plan.segments[index].reads_sessions = any(
                source.features[feature].window == "session" for feature in segment.features
            )
            if plan.segments[index].reads_sessions:
                plan.session_segments = True
            plan.segments[index].limits.at = limit
            plan.segments[index].limits.count = len(segment.limits)
            for feature, limit_ms in segment.limits:
                plan.limits[limit].feature = feature
                plan.limits[limit].limit_ms = limit_ms
                limit += 1
        return 0

    cdef int _make_step_tables(self, list steps) except -1:
        cdef Plan* plan = &self.plan
        plan.steps = <StepRule*>self._table(len(steps), sizeof(StepRule))
        plan.negations = <NegationRule*>self._table(len(steps), sizeof(NegationRule))
        plan.positions = <PositionRule*>self._table(
            sum(step.times_max for step in steps), sizeof(PositionRule)
        )
        return 0

    cdef int _load_triggers(self, source) except -1:
        cdef Plan* plan = &self.plan
        cdef TriggerRule* rule
        cdef uint32_t index, value_at = 0
        cdef StepEnds ends
        memset(&ends, 0, sizeof(StepEnds))
        plan.trigger_count = len(source.triggers)
        plan.triggers = <TriggerRule*>self._table(plan.trigger_count, sizeof(TriggerRule))
        self._make_step_tables([step for t in source.triggers for step in t.steps])
        plan.keeps = <int32_t*>self._table(
            sum(len(t.keeps) for t in source.triggers), sizeof(int32_t)
        )
        plan.values = <ValueRule*>self._table(
            sum(len(t.values) for t in source.triggers), sizeof(ValueRule)
        )
        for index, trigger in enumerate(source.triggers):
            rule = &plan.triggers[index]
            rule.name = self._text(trigger.name)
            rule.version = self._text(trigger.version)
            rule.identity = name_hash(rule.name.data, rule.name.size) ^ (
                name_hash(rule.version.data, rule.version.size) * 0x9E3779B97F4A7C15ULL
            )
            rule.kind = KINDS[trigger.kind]
            rule.fire = FIRES[trigger.fire]
            rule.when = trigger.when
            rule.selector = trigger.selector
            rule.group = trigger.group
            rule.group_name = self._text(trigger.group_name)
            rule.within_ms = trigger.within_ms if trigger.within_ms else FOREVER_MS
            rule.match = trigger.match
            rule.match_name = self._text(trigger.match_name)
            rule.timer = TIMERS[trigger.timer]
            rule.event_time = trigger.event_time
            rule.strict = trigger.strict
            rule.partial_max = trigger.partial_max
            rule.cooldown_ms = trigger.cooldown_ms
            rule.shadow = trigger.mode == "shadow"
            load_steps(plan, rule, trigger, &ends)
            rule.values_at = value_at
            for value in trigger.values:
                plan.values[value_at].name = self._text(value.name)
                plan.values[value_at].code = value.code
                plan.values[value_at].map_feature = value.map_feature
                plan.values[value_at].map_groups = value.map_groups
                value_at += 1
                rule.values_count += 1
            rule.slot = self._slot()
            rule.partial_slot = self._slot()
            rule.absence_slot = self._slot()
            rule.waiting_slot = self._slot()
        return 0

    cdef int _load_policies(self, source) except -1:
        cdef Plan* plan = &self.plan
        cdef Policies* rule
        cdef uint32_t index, at = 0
        cdef uint32_t* shares = <uint32_t*>self._table(
            sum(len(trigger.policies.variants) for trigger in source.triggers), sizeof(uint32_t)
        )
        for index, trigger in enumerate(source.triggers):
            rule = &plan.triggers[index].policies
            policies = trigger.policies
            rule.cap_firings = policies.cap.firings
            rule.cap_ms = policies.cap.per_ms
            if rule.cap_firings:
                rule.cap_slot = self._slot()
            rule.is_contact = policies.is_contact
            rule.priority = policies.priority
            rule.contest = policies.slot
            rule.contends = policies.contends
            rule.control = policies.control
            rule.control_key = share_key(CONTROL, &plan.triggers[index].name)
            rule.variant_key = share_key(VARIANTS, &plan.triggers[index].name)
            rule.variants_at = at
            rule.variants_count = len(policies.variants)
            for _, end in policies.variants:
                shares[at] = end
                at += 1
        plan.shares = shares
        plan.contact_firings = source.contact_cap.firings
        plan.contact_ms = source.contact_cap.per_ms
        if plan.contact_firings:
            plan.contact_slot = self._slot()
        return 0

    cdef int _load_metrics(self, source) except -1:
        cdef Plan* plan = &self.plan
        cdef uint32_t index
        plan.metric_count = len(source.metrics)
        plan.metrics = <MetricRule*>self._table(plan.metric_count, sizeof(MetricRule))
        for index, metric in enumerate(source.metrics):
            plan.metrics[index].name = self._text(metric.name)
            plan.metrics[index].aggregate = AGGREGATES[metric.aggregate]
            plan.metrics[index].selector = metric.selector
            plan.metrics[index].value = metric.value
            plan.metrics[index].by = metric.by
            plan.metrics[index].size_ms = metric.size_ms
        return 0

    cdef int _load_dispatch(self, source) except -1:
        """For each event name, which rules an event of that name may touch, in the plan's order."""
        cdef Plan* plan = &self.plan
        cdef list lists = []
        cdef int32_t event_id
        cdef uint32_t index

        def span(indexes):
            lists.extend(indexes)
            return {"at": len(lists) - len(indexes), "count": len(indexes)}

        def named(selector):
            return selector >= 0 and names(plan, selector, event_id)

        plan.dispatch = <Dispatch*>self._table(plan.event_count + 1, sizeof(Dispatch))
        for event_id in range(plan.event_count + 1):
            index = <uint32_t>event_id
            fed = {i for i, f in enumerate(source.features) if named(f.selector) or named(
                f.reset_selector
            )}
            plan.dispatch[index].features = span(
                [i for i, f in enumerate(source.features) if named(f.selector)])
            plan.dispatch[index].resets = span(
                [i for i, f in enumerate(source.features) if named(f.reset_selector)])
            plan.dispatch[index].segments = span(
                [i for i, s in enumerate(source.segments) if fed.intersection(s.features)])
            plan.dispatch[index].whens = span(
                [i for i, t in enumerate(source.triggers)
                 if t.kind == "when" and any(named(selector) for selector in t.feeds)])
            plan.dispatch[index].sequences = span(
                [i for i, t in enumerate(source.triggers)
                 if t.kind == "sequence"
                 and (t.strict or any(named(step.selector) for step in t.steps))])
            plan.dispatch[index].occasions = span(
                [i for i, t in enumerate(source.triggers)
                 if t.kind in ("event", "actor") and named(t.selector)])
            plan.dispatch[index].metrics = span(
                [i for i, m in enumerate(source.metrics) if named(m.selector)])
            plan.dispatch[index].alarms = span(
                [i for i, t in enumerate(source.triggers)
                 if t.kind == "at" and any(named(selector) for selector in t.feeds)])
        plan.schedules = span(
            [i for i, t in enumerate(source.triggers) if t.kind == "every"])
        for index, segment in enumerate(source.segments):
            plan.segments[index].features = span(list(segment.features))
        for index, reduction in enumerate(source.reductions):
            plan.reductions[index].features = span(list(reduction.features))
        for index, trigger in enumerate(source.triggers):
            plan.triggers[index].feeds = span(list(trigger.feeds))
            plan.triggers[index].time_features = span(list(trigger.time_features))
            plan.triggers[index].group_features = span(list(trigger.group_features))
        cdef uint32_t* flat = <uint32_t*>self._table(len(lists), sizeof(uint32_t))
        for index, item in enumerate(lists):
            flat[index] = item
        plan.lists = flat
        return 0


# What `at` and `every` have beside other triggers.
cdef int load_timed(Program program, source) except -1:
    cdef Plan* plan = &program.plan
    cdef uint32_t index
    for index, trigger in enumerate(source.triggers):
        plan.triggers[index].time = trigger.time
        plan.triggers[index].past_skipped = trigger.past_skipped
        if trigger.calendar >= 0:
            plan.triggers[index].calendar = &plan.calendars[trigger.calendar]
    if any(trigger.kind == "every" for trigger in source.triggers):
        plan.schedule_slot = program._slot()
    return 0
