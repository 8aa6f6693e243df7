"""Puts a checked plan together as a program: every thing gets its index, every condition its code."""

from collections.abc import Iterator
from contextlib import contextmanager

from augenblick.plan.checked import Checked
from augenblick.plan.conditions.tokens import ConditionError
from augenblick.plan.document import Path
from augenblick.plan.model.events import PropertyType
from augenblick.plan.names import SESSION_END, SESSION_START
from augenblick.plan.outlets import EMITTED_WINDOWS, action_names, program_action
from augenblick.plan.program import (
    NONE,
    Feature,
    Metric,
    MetricTrigger,
    Program,
    Schema,
    SchemaProperty,
    Segment,
    Selector,
    Step,
    Trigger,
    Value,
)
from augenblick.plan.resolved import (
    EventSet,
    NamedSegment,
    Resolved,
    StoredFeature,
    StoredMetric,
    features_read,
    segments_read,
)
from augenblick.plan.tables import Tables
from augenblick.plan.triggers import ResolvedTrigger
from augenblick.plan.values import ResolvedValue
from augenblick.plan.versions import Versions, plan_hash


def assemble(checked: Checked, *, emit_all: bool = False) -> Program | None:
    """The program; None when a condition is beyond the kernel's bounds, which is noted."""
    return _Assembly(checked, emit_all).program()


class _Assembly:
    """One program in the making."""

    def __init__(self, checked: Checked, emit_all: bool) -> None:
        self._checked = checked
        self._plan = checked.checking.plan
        self._names = checked.checking.names
        self._problems = checked.checking.problems
        self._emit_all = emit_all
        self._tables = Tables(self._names, checked.features, checked.segments, checked.metrics)
        self._versions = Versions(self._plan, self._names, checked.segments)

    def program(self) -> Program | None:
        before = len(self._problems.found)
        plan, tables, checked = self._plan, self._tables, self._checked
        schemas = tuple(self._schema(event) for event in plan.events or {})
        for event in (SESSION_START, SESSION_END):
            tables.event(event)
        for name in plan.segments:
            tables.event(f"{name}.enters")
            tables.event(f"{name}.leaves")
        features = tuple(found for one in checked.features if (found := self._feature(one)))
        segments = tuple(found for one in checked.segments if (found := self._segment(one)))
        metrics = tuple(found for one in checked.metrics if (found := self._metric(one)))
        live = [trigger for trigger in checked.triggers if trigger.spec.mode != "off"]
        triggers = [self._trigger(one) for one in live if not one.across_users]
        metric_triggers = [self._metric_trigger(one) for one in live if one.across_users]
        metric_values = [
            (one.name, self._code(one.expression, ("metrics", one.name)))
            for one in checked.expression_metrics
        ]
        if len(self._problems.found) > before:
            return None
        return Program(
            plan_name=plan.plan,
            plan_hash=plan_hash(plan),
            gap_ms=plan.sessions.gap,
            session_max_ms=plan.sessions.max,
            dedup_ms=plan.time.dedup,
            ttl_ms=plan.time.ttl,
            lateness_ms=plan.time.lateness,
            future_ms=plan.time.future,
            idle_ms=plan.time.idle,
            clock=plan.time.clock,
            event_names=tables.event_names,
            event_derived=tables.event_derived,
            unknown_events_refused=plan.unknown_events == "refuse",
            schemas=schemas,
            fields=tables.fields,
            consts=tables.consts,
            codes=tables.codes,
            selectors=tables.selectors,
            features=features,
            segments=segments,
            triggers=tuple(trigger for trigger in triggers if trigger is not None),
            metrics=metrics,
            metric_triggers=tuple(trigger for trigger in metric_triggers if trigger is not None),
            metric_values=tuple(metric_values),
            actions={name: program_action(name, one) for name, one in plan.actions.items()},
            emit_session=action_names(plan.emit.session),
            emit_window={
                index: action_names(plan.emit.window[feature.name])
                for index, feature in enumerate(features)
                if feature.name in plan.emit.window
            },
            emit_metric={
                index: action_names(plan.emit.metric[metric.name])
                for index, metric in enumerate(metrics)
                if metric.name in plan.emit.metric
            },
            uses_session_events=self._uses_session_events(tables.selectors),
        )

    def _schema(self, event: str) -> Schema:
        schema: dict[str, PropertyType] = (self._plan.events or {})[event]
        props = []
        for name, text in schema.items():
            kind, _, null = text.partition(" | ")
            props.append(SchemaProperty(name, kind, bool(null)))  # type: ignore[arg-type]
        return Schema(self._tables.event(event), tuple(props))

    def _feature(self, feature: StoredFeature) -> Feature | None:
        with self._noting(("features", feature.name)):
            tables = self._tables
            windowed = feature.window in EMITTED_WINDOWS
            return Feature(
                name=feature.name,
                aggregate=feature.aggregate,
                window=feature.window,
                size_ms=feature.size_ms,
                every_ms=feature.every_ms,
                selector=tables.selector(feature.events),
                value=tables.operand(feature.value),
                by=tables.operand(feature.by),
                by_name=feature.by.text if feature.by else "",
                by_max=feature.by_max,
                list_max=feature.list_max,
                sliding_max=feature.sliding_max,
                reset_selector=tables.selector(feature.reset),
                keep=feature.keep_ms,
                emitted=windowed and (self._emit_all or feature.name in self._plan.emit.window),
                version=self._versions.feature(feature),
            )
        return None

    def _segment(self, segment: NamedSegment) -> Segment | None:
        with self._noting(("segments", segment.name)):
            tables, condition = self._tables, segment.condition
            return Segment(
                name=segment.name,
                code=tables.code(condition),
                features=tuple(tables.feature(one) for one in features_read(condition)),
                segments=tuple(tables.segment(one) for one in segments_read(condition)),
                enters_event=tables.event(f"{segment.name}.enters"),
                leaves_event=tables.event(f"{segment.name}.leaves"),
                version=self._versions.segment(segment),
            )
        return None

    def _metric(self, metric: StoredMetric) -> Metric | None:
        with self._noting(("metrics", metric.name)):
            return Metric(
                name=metric.name,
                aggregate=metric.aggregate,
                selector=self._tables.selector(metric.events),
                value=self._tables.operand(metric.value),
                by=self._tables.operand(metric.by),
                by_name=metric.by.text if metric.by else "",
                size_ms=metric.size_ms,
            )
        return None

    def _trigger(self, trigger: ResolvedTrigger) -> Trigger | None:
        path: Path = ("triggers", trigger.name)
        with self._noting(path):
            tables, rule, spec = self._tables, trigger.rule, trigger.spec
            alone = rule.kind == "when" and trigger.when is not None
            return Trigger(
                name=trigger.name,
                kind=rule.kind,
                fire=rule.fire,
                when=tables.code(trigger.when),
                selector=tables.selector(rule.events),
                feeds=self._feeds(trigger.when) if alone and trigger.when else (),
                group=tables.operand(trigger.group),
                group_name=trigger.group.text if trigger.group else "",
                steps=tuple(
                    Step(tables.selector(step.events), step.negated, step.for_ms)
                    for step in rule.steps
                ),
                within_ms=rule.within_ms,
                match=tables.operand(rule.match),
                match_name=rule.match.text if rule.match else "",
                timer=rule.timer,
                event_time=rule.event_time,
                strict=rule.strict,
                partial_max=rule.partial_max,
                cooldown_ms=self._cooldown_ms(trigger),
                values=tuple(self._value(value) for value in trigger.values),
                mode="shadow" if spec.mode == "shadow" else "live",
                version=self._versions.trigger(trigger),
                actions=action_names(spec.then),
                actor=rule.actor,
                params=rule.params,
            )
        return None

    def _metric_trigger(self, trigger: ResolvedTrigger) -> MetricTrigger | None:
        assert trigger.when is not None
        with self._noting(("triggers", trigger.name)):
            return MetricTrigger(
                name=trigger.name,
                metrics=tuple(self._tables.metric(one) for one in trigger.when.metrics()),
                when=self._tables.code(trigger.when),
                fire=trigger.rule.fire,
                cooldown_ms=self._cooldown_ms(trigger),
                values=tuple(self._value(value) for value in trigger.values),
                mode="shadow" if trigger.spec.mode == "shadow" else "live",
                version=self._versions.trigger(trigger),
                actions=action_names(trigger.spec.then),
            )
        return None

    def _feeds(self, when: Resolved) -> tuple[int, ...]:
        """The selectors of all events that can change a condition."""
        sets: list[EventSet] = []
        for feature in features_read(when):
            sets += [events for events in (feature.events, feature.reset) if events is not None]
        sets += [EventSet((ref.event,), None) for ref in when.event_refs() if ref.event]
        return tuple(dict.fromkeys(self._tables.selector(events) for events in sets))

    def _value(self, value: ResolvedValue) -> Value:
        if value.map_of is not None:
            return Value(value.name, NONE, self._tables.feature(value.map_of))
        return Value(value.name, self._tables.code(value.expression), NONE)

    def _cooldown_ms(self, trigger: ResolvedTrigger) -> int:
        if trigger.spec.cooldown is not None:
            return trigger.spec.cooldown
        return self._plan.policies.cooldown or 0

    def _uses_session_events(self, selectors: tuple[Selector, ...]) -> bool:
        own = {self._tables.event(SESSION_START), self._tables.event(SESSION_END)}
        return any(own & set(selector.event_ids or ()) for selector in selectors)

    def _code(self, condition: Resolved, path: Path) -> int:
        with self._noting(path):
            return self._tables.code(condition)
        return NONE

    @contextmanager
    def _noting(self, path: Path) -> Iterator[None]:
        try:
            yield
        except ConditionError as error:
            self._problems.add(path, error.message)
