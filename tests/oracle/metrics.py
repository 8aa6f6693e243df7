"""Metrics: aggregates across users, and the triggers that read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.oracle import conditions, features, names
from tests.oracle.events import Event
from tests.oracle.firing import Firer
from tests.oracle.plan import Feature, Plan, Trigger

SEEN_windows = 12
Group = str | None
Records = list[dict[str, Any]]


@dataclass
class Metrics:
    """Every event that a metric counts; one clock closes the windows for all users together."""

    plan: Plan
    firer: Firer
    emit: Callable[[dict[str, Any]], None]
    clock: int = -(2**63)
    first: int | None = None  # time of the first event of all
    counted: dict[str, list[Event]] = field(default_factory=dict)

    def would_count(self, event: Event) -> bool:
        return any(self._takes(metric, event) for metric in self.plan.metrics.values())

    def count(self, event: Event) -> None:
        """Takes an applied event, real or derived; its `mark` is the clock it was applied at."""
        for name, metric in self.plan.metrics.items():
            if self._takes(metric, event):
                self.counted.setdefault(name, []).append(event)

    def _takes(self, metric: Feature, event: Event) -> bool:
        usable = event.is_selected(metric.selector) and features.is_usable(metric, event)
        return usable and event.mark <= self._window(metric, event)[1]

    def advance(self, clock: int, *, is_drain: bool = False) -> None:
        """Closes every window that the clock is strictly past, in order of (end, plan)."""
        for end in sorted(self._ends(clock, is_drain)):
            for name, metric in self.plan.metrics.items():
                if end % metric.size_ms == 0:
                    self._emit(name, metric, end)
            for trigger in self.plan.triggers:
                if trigger.kind == "metric" and end % self._shortest_ms(trigger) == 0:
                    self._evaluate(trigger, end, is_drain)
        self.clock = max(self.clock, clock)

    def _ends(self, clock: int, is_drain: bool) -> set[int]:
        """Ends in [this clock, the new clock): of windows with content; for triggers also after."""
        ends: set[int] = set()
        for name, metric in self.plan.metrics.items():
            ends |= {self._window(metric, event)[1] for event in self.counted.get(name, [])}
        for trigger in self.plan.triggers:
            if trigger.kind != "metric" or is_drain:
                continue
            size_ms = self._shortest_ms(trigger)
            if self.first is not None:
                start = self._first_end(trigger)
                start = max(start, -(-self.clock // size_ms) * size_ms)
                ends |= set(range(start, clock, size_ms))
        return {end for end in ends if self.clock <= end < clock}

    def _window(self, metric: Feature, event: Event) -> tuple[int, int]:
        return features.windows_of(metric, event.time)[0]

    def _full(self, name: str) -> Iterator[int]:
        metric = self.plan.metrics[name]
        return (self._window(metric, event)[1] for event in self.counted.get(name, []))

    def _first_end(self, trigger: Trigger) -> int:
        """The end of the first window to look at: it holds the first event of all, or content."""
        size_ms = self._shortest_ms(trigger)
        full = [end for name in self._stored(trigger) for end in self._full(name)]
        return min([int(self.first or 0) // size_ms * size_ms + size_ms, *full])

    def _stored(self, trigger: Trigger) -> list[str]:
        """The stored metrics that the trigger's condition reads."""
        found: dict[str, None] = {}
        pending = conditions.names(str(trigger.when))
        while pending:
            name = pending.pop(0)
            if name in self.plan.metrics:
                found[name] = None
            elif name in self.plan.metric_expressions:
                pending += conditions.names(self.plan.metric_expressions[name])
        return list(found)

    def _shortest_ms(self, trigger: Trigger) -> int:
        return min(self.plan.metrics[name].size_ms for name in self._stored(trigger))

    def _held(self, name: str, group: Group, instant: int) -> list[Event]:
        """The events of the metric's last window that ended at or before the instant."""
        metric = self.plan.metrics[name]
        end = instant // metric.size_ms * metric.size_ms
        return [
            event
            for event in self.counted.get(name, [])
            if self._window(metric, event)[1] == end
            and (metric.by is None or names.group_of(event, metric.by) == group)
        ]

    def _value(self, name: str, group: Group, instant: int) -> Any:
        plain = name.removesuffix("[]")
        if plain in self.plan.metrics:
            return features.aggregate(
                self.plan.metrics[plain], self._held(plain, group, instant), instant
            )
        if plain in self.plan.metric_expressions:
            text = self.plan.metric_expressions[plain]
            return conditions.evaluate(text, lambda inner: self._value(inner, group, instant))
        return None

    def _holds(self, when: str, group: Group, instant: int) -> bool:
        return conditions.is_true(when, lambda name: self._value(name, group, instant))

    def _emit(self, name: str, metric: Feature, end: int) -> None:
        window = (end - metric.size_ms, end)
        events = [e for e in self.counted.get(name, []) if self._window(metric, e) == window]
        groups = (
            features.by_group(metric, events) if metric.by else {None: events} if events else {}
        )
        for group, held in groups.items():
            by = None if metric.by is None else {metric.by: names.group_value(group)}
            self.emit({
                "kind": "metric", "metric": name, "by": by, "start": window[0], "end": end,
                "value": features.aggregate(metric, held, 0),
            })  # fmt: skip

    def _evaluate(self, trigger: Trigger, end: int, is_drain: bool) -> None:
        when, size_ms = str(trigger.when), self._shortest_ms(trigger)
        grouped = [n for n in self._stored(trigger) if self.plan.metrics[n].by is not None]
        by = self.plan.metrics[grouped[0]].by if grouped else None
        for group in self._groups(trigger, grouped, end, is_drain):
            if not self._holds(when, group, end):
                continue
            if trigger.fire != "each" and self._holds(when, group, end - size_ms):
                continue
            if trigger.fire == "once" and not self.firer.rises_first(trigger, None):
                continue
            named = [*conditions.names(when), *trigger.values]
            known = {*self.plan.metrics, *self.plan.metric_expressions}
            values = {name: self._value(name, group, end) for name in named if name in known}
            fired = self.firer.fire_metric(trigger, by, group, (end - size_ms, end), values)
            if fired is not None:
                self.emit(fired)

    def _groups(
        self, trigger: Trigger, grouped: list[str], end: int, is_drain: bool
    ) -> list[Group]:
        """Whom to evaluate for: the whole, or each group seen in this or the last 12 windows."""
        stored = self._stored(trigger)
        if not grouped:
            if is_drain:
                return [None] if any(self._held(name, None, end) for name in stored) else []
            return [None] if end >= self._first_end(trigger) else []
        seen: set[Group] = set()
        for name in grouped:
            metric = self.plan.metrics[name]
            oldest = end - (0 if is_drain else (SEEN_windows - 1) * metric.size_ms)
            for event in self.counted.get(name, []):
                if oldest <= self._window(metric, event)[1] <= end:
                    seen.add(names.group_of(event, metric.by))
        return sorted(seen, key=_by_value)


def _by_value(group: Group) -> tuple[str, Any]:
    """Groups in order of type, then of value."""
    value = names.group_value(group)
    return type(value).__name__, value
