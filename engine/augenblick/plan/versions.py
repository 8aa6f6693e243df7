"""Versions: a hash of what decides when a thing fires, and nothing else.

A firing's id holds its trigger's version, and the kernel keeps the state of a feature whose name
and version stay. So these hashes must come out the same in every release, on every machine and for
every order of keys:

- Input is a tree of plain values that says what is meant, not how it was written: names of events
  and properties, durations in milliseconds, conditions as trees of operations. It holds no index,
  no default that was left out, no description, and not the name of any feature or segment: these
  enter by their own version. So renaming a feature changes no trigger's version.
- A trigger's tree holds its occasion, conditions, and through them the features and segments they
  read. ``then``, ``values``, ``mode``, ``cooldown`` and text stay out.
- What reads sessions holds ``gap``, ``max`` and ``ends_on``, which decide where a session ends.
- The tree is written as JSON (sorted keys, no spaces, UTF-8) and hashed with BLAKE2b to 8 bytes.

``SEMANTICS`` is part of every tree; raising it is a Breaking change, since every id changes.
"""

import json
from hashlib import blake2b
from typing import Any

from augenblick.plan.model.plan import Plan
from augenblick.plan.names import SESSION_END, SESSION_START, Names
from augenblick.plan.occasions import RuleStep
from augenblick.plan.resolved import (
    ZONED,
    EventRef,
    EventSet,
    NamedSegment,
    Ref,
    Resolved,
    StepRef,
    StoredFeature,
    StoredMetric,
)
from augenblick.plan.triggers import ResolvedTrigger

SEMANTICS = 1
_VERSION_BYTES = 8
_PLAN_HASH_BYTES = 16


def canonical_json(tree: Any, *, sort_keys: bool = True) -> bytes:
    """The one text of a tree of plain values."""
    text = json.dumps(
        tree, sort_keys=sort_keys, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8", "surrogatepass")


def plan_hash(plan: Plan) -> bytes:
    """16 bytes over the whole plan, equal for YAML and Python.

    The order of features, triggers and so on counts, since it is the order of a program's tables;
    the order of the keys inside each does not.
    """
    tree = plan.model_dump(mode="json", by_alias=True, exclude_none=True)
    data = canonical_json([SEMANTICS, tree], sort_keys=False)
    return blake2b(data, digest_size=_PLAN_HASH_BYTES).digest()


class Versions:
    """The versions of one checked plan; each is computed once. Segments must be free of circles."""

    def __init__(
        self,
        plan: Plan,
        names: Names,
        segments: list[NamedSegment],
        ends_on: EventSet | None = None,
    ) -> None:
        self._session: list[Any] = [plan.sessions.gap, plan.sessions.max]
        self._zone = plan.zone or "UTC"
        self._names = names
        self._by_name = {segment.name: segment for segment in segments}
        self._known: dict[StoredFeature | NamedSegment | StoredMetric, str] = {}
        if ends_on is not None:
            self._session.append(self._events(ends_on))

    def feature(self, feature: StoredFeature) -> str:
        """Everything that decides a feature's value."""
        if feature not in self._known:
            tree: dict[str, Any] = {
                "aggregate": feature.aggregate,
                "events": self._events(feature.events),
                "value": _ref(feature.value),
                "by": _ref(feature.by),
                "by_max": feature.by_max,
                "window": feature.window,
                "size": feature.size_ms,
                "every": feature.every_ms,
                "reset": self._events(feature.reset) if feature.reset else None,
                "list_max": feature.list_max,
                "sliding_max": feature.sliding_max,
                "keep": feature.keep_ms,
            }
            if feature.calendar:
                tree["calendar"] = [feature.calendar.zone, feature.calendar.unit]
            if feature.option:
                tree["option"] = feature.option
            if feature.window == "session":
                tree["session"] = self._session
            self._known[feature] = _hash("feature", tree)
        return self._known[feature]

    def segment(self, segment: NamedSegment) -> str:
        """A segment's condition and all it reads."""
        if segment not in self._known:
            self._known[segment] = _hash("segment", self._condition(segment.condition))
        return self._known[segment]

    def metric(self, metric: StoredMetric) -> str:
        """Everything that decides a metric's value."""
        if metric not in self._known:
            tree = {
                "aggregate": metric.aggregate,
                "events": self._events(metric.events),
                "value": _ref(metric.value),
                "by": _ref(metric.by),
                "size": metric.size_ms,
            }
            self._known[metric] = _hash("metric", tree)
        return self._known[metric]

    def trigger(self, trigger: ResolvedTrigger) -> str:
        """What decides when a trigger fires."""
        rule = trigger.rule
        tree = {
            "kind": "metric" if trigger.across_users else rule.kind,
            "fire": rule.fire,
            "when": self._condition(trigger.when) if trigger.when else None,
            "events": self._events(rule.events) if rule.events else None,
            "steps": [self._step(step) for step in rule.steps],
            "within": rule.within_ms,
            "match": _ref(rule.match),
            "timer": rule.timer,
            "event_time": rule.event_time,
            "strict": rule.strict,
            "partial_max": rule.partial_max,
            "actor": rule.actor,
            "params": rule.params,
        }
        if rule.time is not None:
            tree |= {"at": self._condition(rule.time), "past_skipped": rule.past_skipped}
        if rule.schedule is not None:
            one = rule.schedule
            tree["every"] = [one.zone, one.unit, one.offset_ms]
        return _hash("trigger", tree)

    def _step(self, step: RuleStep) -> Any:
        tree = [self._events(step.events), step.negated, step.for_ms]
        if (step.times_min, step.times_max) != (1, 1):
            tree.append([step.times_min, step.times_max])
        return tree

    def _events(self, events: EventSet) -> Any:
        names: Any = None
        if events.names is not None:
            names = [self._event(name) for name in sorted(set(events.names))]
        return [names, self._condition(events.where) if events.where else None]

    def _event(self, name: str) -> Any:
        if name in (SESSION_START, SESSION_END):
            return [name, *self._session]
        segment = self._by_name.get(self._names.segment_of(name) or "")
        if segment is not None:
            return [name.rpartition(".")[2], self.segment(segment)]
        return name

    def _condition(self, node: Resolved) -> Any:
        target = node.target
        match target:
            case StoredFeature():
                return ["feature", self.feature(target)]
            case NamedSegment():
                return ["segment", self.segment(target)]
            case StoredMetric():
                return ["metric", self.metric(target)]
            case StepRef(ref, event, step):
                return ["step", step, _ref(ref), self._event(event)]
            case EventRef(ref, event):
                return ["field", _ref(ref), self._event(event) if event else None]
        if node.operation == "const":
            return ["const", target]
        if node.operation in ZONED:
            return [node.operation, self._zone, self._condition(node.arguments[0])]
        return [node.operation, *(self._condition(argument) for argument in node.arguments)]


def _ref(ref: Ref | None) -> Any:
    return [ref.scope, ref.name] if ref else None


def _hash(kind: str, tree: Any) -> str:
    data = canonical_json([SEMANTICS, kind, tree])
    return blake2b(data, digest_size=_VERSION_BYTES).hexdigest()
