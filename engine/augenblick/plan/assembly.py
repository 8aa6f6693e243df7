"""Puts a checked plan together as a program: things get an index, conditions their code."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol, TypeVar

from augenblick.plan.checked import Checked
from augenblick.plan.choices import program_choice
from augenblick.plan.conditions.tokens import ConditionError
from augenblick.plan.document import Path
from augenblick.plan.model.actions import ChooseAction
from augenblick.plan.model.events import PropertyType
from augenblick.plan.names import SESSION_END, SESSION_START
from augenblick.plan.outlets import EMITTED_WINDOWS, ActionNames, action_names, program_action
from augenblick.plan.policies import contact_cap, quiet_offsets, trigger_policies
from augenblick.plan.program import (
    NONE,
    Action,
    Choice,
    Feature,
    Metric,
    MetricTrigger,
    Program,
    Schema,
    SchemaProperty,
    Segment,
    Selector,
    Trigger,
    Value,
)
from augenblick.plan.resolved import (
    EventSet,
    ExpressionMetric,
    NamedSegment,
    Resolved,
    StoredFeature,
    StoredMetric,
    features_read,
    feeding,
    segments_read,
)
from augenblick.plan.stepping import program_steps
from augenblick.plan.tables import Tables
from augenblick.plan.triggers import ResolvedTrigger
from augenblick.plan.values import ResolvedValue
from augenblick.plan.versions import Versions, plan_hash

T = TypeVar("T")


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


def assemble(checked: Checked, *, emit_all: bool = False) -> Program | None:
    """The program; None when a condition is beyond the kernel's bounds, which is noted."""
    return _Assembly(checked, emit_all).program()


def _emitted(
    items: Sequence[Feature | Metric], wanted: Mapping[str, ActionNames]
) -> dict[int, tuple[str, ...]]:
    """Index to actions of what `emit` names."""
    return {
        index: action_names(wanted[item.name])
        for index, item in enumerate(items)
        if item.name in wanted
    }


class _Assembly:
    """One program in the making."""

    def __init__(self, checked: Checked, emit_all: bool) -> None:
        self._checked = checked
        self._plan = checked.checking.plan
        self._names = checked.checking.names
        self._problems = checked.checking.problems
        self._emit_all = emit_all
        self._tables = Tables(self._names, checked.features, checked.segments, checked.metrics)
        self._versions = Versions(self._plan, self._names, checked.segments, checked.ends_on)

    def program(self) -> Program | None:
        before = len(self._problems.found)
        plan, tables, checked = self._plan, self._tables, self._checked
        schemas = self._schemas()
        features = self._all("features", checked.features, self._feature)
        segments = self._all("segments", checked.segments, self._segment)
        metrics = self._all("metrics", checked.metrics, self._metric)
        live = [trigger for trigger in checked.triggers if trigger.spec.mode != "off"]
        triggers = self._all("triggers", _of_users(live), self._trigger)
        metric_triggers = self._all("triggers", _across_users(live), self._metric_trigger)
        metric_values = self._all("metrics", checked.expression_metrics, self._metric_value)
        ends_on = self._noted(("sessions",), lambda: tables.selector(checked.ends_on))
        if len(self._problems.found) > before or ends_on is None:
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
            pseudonymise=plan.pseudonymise,
            schemas=schemas,
            fields=tables.fields,
            consts=tables.consts,
            codes=tables.codes,
            selectors=tables.selectors,
            features=features,
            segments=segments,
            triggers=triggers,
            metrics=metrics,
            metric_triggers=metric_triggers,
            metric_values=metric_values,
            actions=self._actions(),
            emit_session=action_names(plan.emit.session),
            emit_window=_emitted(features, plan.emit.window),
            emit_metric=_emitted(metrics, plan.emit.metric),
            uses_session_events=self._uses_session_events(tables.selectors),
            calendars=tables.calendars,
            contact_cap=contact_cap(plan.policies.contact_cap),
            quiet_offsets=quiet_offsets(plan, (one.policies for one in triggers)),
            reductions=tables.reductions,
            offsets=tables.offsets(plan.zone),
            ends_on=ends_on,
            choices=self._choices(),
        )

    def _actions(self) -> dict[str, Action]:
        """Those that leave by a channel of their own."""
        return {
            name: program_action(name, one)
            for name, one in self._plan.actions.items()
            if not isinstance(one, ChooseAction)
        }

    def _choices(self) -> tuple[Choice, ...]:
        actions = self._plan.actions.items()
        return tuple(
            program_choice(name, one) for name, one in actions if isinstance(one, ChooseAction)
        )

    def _schemas(self) -> tuple[Schema, ...]:
        """The declared events, which get the first ids; the derived ones come next."""
        schemas = tuple(self._schema(event) for event in self._plan.events or {})
        changes = ("enters", "leaves")
        names = [f"{name}.{change}" for name in self._plan.segments for change in changes]
        for event in (SESSION_START, SESSION_END, *names):
            self._tables.event(event)
        return schemas

    def _all(self, section: str, items: list[N], make: Callable[[N], T]) -> tuple[T, ...]:
        """One thing of the program for each; those whose condition is too large are noted."""
        found = (self._noted((section, item.name), partial(make, item)) for item in items)
        return tuple(one for one in found if one is not None)

    def _schema(self, event: str) -> Schema:
        schema: dict[str, PropertyType] = (self._plan.events or {})[event]
        props = []
        for name, text in schema.items():
            kind, _, null = text.partition(" | ")
            props.append(SchemaProperty(name, kind, bool(null)))  # type: ignore[arg-type]
        return Schema(self._tables.event(event), tuple(props))

    def _feature(self, feature: StoredFeature) -> Feature:
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
            option=feature.option,
            calendar=tables.calendar(feature.calendar),
        )

    def _segment(self, segment: NamedSegment) -> Segment:
        tables, condition = self._tables, segment.condition
        return Segment(
            name=segment.name,
            code=tables.code(condition),
            features=tuple(tables.feature(one) for one in features_read(condition)),
            segments=tuple(tables.segment(one) for one in segments_read(condition)),
            enters_event=tables.event(f"{segment.name}.enters"),
            leaves_event=tables.event(f"{segment.name}.leaves"),
            version=self._versions.segment(segment),
            limits=tuple(
                (tables.feature(feature), limit_ms)
                for one in (segment, *segments_read(condition))
                for feature, limit_ms in one.limits
            ),
        )

    def _metric(self, metric: StoredMetric) -> Metric:
        return Metric(
            name=metric.name,
            aggregate=metric.aggregate,
            selector=self._tables.selector(metric.events),
            value=self._tables.operand(metric.value),
            by=self._tables.operand(metric.by),
            by_name=metric.by.text if metric.by else "",
            size_ms=metric.size_ms,
        )

    def _trigger(self, trigger: ResolvedTrigger) -> Trigger:
        tables, rule, spec = self._tables, trigger.rule, trigger.spec
        alone = rule.kind == "when" and trigger.when is not None
        steps, keeps = program_steps(rule, tables)
        shown = {value.name for value in trigger.values}
        hidden = [value for value in trigger.chosen_by if value.name not in shown]
        return Trigger(
            name=trigger.name,
            kind=rule.kind,
            fire=rule.fire,
            when=tables.code(trigger.when),
            selector=tables.selector(rule.events),
            feeds=self._feeds(rule.time or (trigger.when if alone else None)),
            group=tables.operand(trigger.group),
            group_name=trigger.group.text if trigger.group else "",
            steps=steps,
            keeps=keeps,
            within_ms=rule.within_ms,
            match=tables.operand(rule.match),
            match_name=rule.match.text if rule.match else "",
            timer=rule.timer,
            event_time=rule.event_time,
            strict=rule.strict,
            partial_max=rule.partial_max,
            cooldown_ms=self._cooldown_ms(trigger),
            values=tuple(self._value(value) for value in (*trigger.values, *hidden)),
            mode="shadow" if spec.mode == "shadow" else "live",
            version=self._versions.trigger(trigger),
            actions=action_names(spec.then),
            actor=rule.actor,
            params=rule.params,
            policies=trigger_policies(self._plan, trigger),
            time=tables.code(rule.time),
            past_skipped=rule.past_skipped,
            calendar=tables.calendar(rule.schedule),
            time_features=self._features(rule.time),
            group_features=self._grouped(rule.time or (trigger.when if rule.schedule else None)),
            hidden=tuple(value.name for value in hidden),
        )

    def _features(self, condition: Resolved | None) -> tuple[int, ...]:
        """The features that a condition reads."""
        features = features_read(condition) if condition is not None else []
        return tuple(self._tables.feature(one) for one in features)

    def _grouped(self, condition: Resolved | None) -> tuple[int, ...]:
        """The grouped features that a condition reads."""
        features = condition.features() if condition is not None else []
        return tuple(self._tables.feature(one) for one in features if one.by is not None)

    def _metric_trigger(self, trigger: ResolvedTrigger) -> MetricTrigger:
        assert trigger.when is not None
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

    def _metric_value(self, metric: ExpressionMetric) -> tuple[str, int]:
        return metric.name, self._tables.code(metric.expression)

    def _feeds(self, when: Resolved | None) -> tuple[int, ...]:
        """The selectors of all events that can change a condition."""
        if when is None:
            return ()
        sets = feeding(when)
        sets += [EventSet((ref.event,), None) for ref in when.event_refs() if ref.event]
        return tuple(dict.fromkeys(self._tables.selector(events) for events in sets))

    def _value(self, value: ResolvedValue) -> Value:
        if value.map_of is not None:
            if isinstance(value.map_of.target, StoredFeature):
                return Value(value.name, NONE, self._tables.feature(value.map_of.target))
            groups = self._tables.reduction("any", value.map_of)
            return Value(value.name, NONE, NONE, groups)
        return Value(value.name, self._tables.code(value.expression), NONE)

    def _cooldown_ms(self, trigger: ResolvedTrigger) -> int:
        if trigger.spec.cooldown is not None:
            return trigger.spec.cooldown
        return self._plan.policies.cooldown or 0

    def _uses_session_events(self, selectors: tuple[Selector, ...]) -> bool:
        own = {self._tables.event(SESSION_START), self._tables.event(SESSION_END)}
        return any(own & set(selector.event_ids or ()) for selector in selectors)

    def _noted(self, path: Path, make: Callable[[], T]) -> T | None:
        """What ``make`` makes; None with the mistake noted when a condition is too large."""
        try:
            return make()
        except ConditionError as error:
            self._problems.add(path, error.message)
            return None


def _of_users(triggers: list[ResolvedTrigger]) -> list[ResolvedTrigger]:
    return [trigger for trigger in triggers if not trigger.across_users]


def _across_users(triggers: list[ResolvedTrigger]) -> list[ResolvedTrigger]:
    return [trigger for trigger in triggers if trigger.across_users]
