"""What a name in a condition means: for one user, at one instant, with one clock."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.oracle import conditions, features, sessions
from tests.oracle.events import Event, group_text
from tests.oracle.plan import Feature, Plan


def stored_features(plan: Plan, text: str) -> dict[str, Feature]:
    """The stored features that the condition reads, directly, through expressions or segments."""
    found: dict[str, Feature] = {}
    for name in conditions.names(text):
        if name in plan.features:
            found[name] = plan.features[name]
        else:
            inner = plan.expressions.get(name) or plan.segments.get(name)
            if inner is not None:
                found |= stored_features(plan, inner)
    return found


def time_limits(plan: Plan, text: str) -> list[tuple[str, int]]:
    """The `time_since` features that the condition compares with a number, with that number."""
    found = [
        (name, limit)
        for name, limit in conditions.compared(text)
        if name in plan.features and plan.features[name].aggregate == "time_since"
    ]
    for name in conditions.names(text):
        if name in plan.segments:
            found += time_limits(plan, plan.segments[name])
    return found


def group_field(plan: Plan, text: str | None) -> str | None:
    """The `by` of the grouped features that the condition reads for one group, or None."""
    for name in conditions.names_of_group(text) if text is not None else ():
        if name in plan.features and plan.features[name].by is not None:
            return plan.features[name].by
        inner = group_field(plan, plan.expressions.get(name))
        if inner is not None:
            return inner
    return None


def is_fed_by_feature(plan: Plan, text: str, event: Event) -> bool:
    """Whether a stored feature that the condition reads selects the event, or is reset by it."""
    return any(
        event.is_selected(selector)
        for feature in stored_features(plan, text).values()
        for selector in (feature.selector, feature.reset)
        if selector is not None
    )


def names_field_of(text: str, event: Event) -> bool:
    return any(name.startswith(event.name + ".") for name in conditions.names(text))


def group_value(group: str | None) -> Any:
    """The value whose JSON text names the group."""
    return None if group is None else json.loads(group)


def key_text(group: str) -> str:
    """The key of a group in a record's map: a string itself, else its JSON text."""
    value = json.loads(group)
    return value if isinstance(value, str) else group


@dataclass(frozen=True)
class View:
    """One user as a condition sees it."""

    plan: Plan
    history: Sequence[Event]
    members: dict[str, bool]  # segments
    clock: int
    instant: int
    at_hand: Event | None = None
    group: str | None = None  # JSON text of the group that grouped features are read for
    closing: bool = False  # the windows that end at the clock have closed
    ends_at_instant: bool = False  # tumbling and hopping windows: the one that ends at the instant

    @property
    def open_sessions(self) -> list[sessions.Session]:
        every = sessions.fold(self.history, self.plan)
        return sessions.open_sessions(every, self.clock, self.plan.gap_ms)

    def session_start(self, time: int) -> int | None:
        """The start of the open session that holds the time."""
        found = sessions.session_at(self.open_sessions, time, self.plan)
        return None if found is None else found.start

    def content(self, feature: Feature) -> list[Event]:
        windowed = feature.window in features.WINDOWED
        instant = self.instant - 1 if windowed and self.ends_at_instant else self.instant
        return features.content(
            feature, self.history, self.open_sessions, instant, self.clock, self.plan, self.closing
        )

    def groups(self, text: str) -> dict[str, Any]:
        """{JSON text of the group: value} of an expression, for each group that it reads."""
        held: set[str] = set()
        for feature in self._grouped(text):
            held |= features.by_group(feature, self.content(feature)).keys()
        return {
            group: conditions.evaluate(text, replace(self, group=group).lookup)
            for group in sorted(held)
        }

    def _grouped(self, text: str) -> list[Feature]:
        """The grouped features that an expression reads for one group."""
        found = []
        for name in conditions.names_of_group(text):
            if name in self.plan.expressions:
                found += self._grouped(self.plan.expressions[name])
            elif name in self.plan.features and self.plan.features[name].by is not None:
                found.append(self.plan.features[name])
        return found

    def lookup(self, name: str) -> Any:
        """The value of a name; of an expression with `[]` at its end, that of all groups."""
        plan, plain = self.plan, name
        if name.endswith("[]"):
            return self.groups(name.removesuffix("[]"))
        if name in {conditions.ZONE, conditions.INSTANT}:
            return plan.zone if name == conditions.ZONE else self.instant
        if plain in plan.features:
            feature = plan.features[plain]
            if feature.by is None:
                return features.aggregate(feature, self.content(feature), self.instant)
            parts = features.by_group(feature, self.content(feature))
            return features.aggregate(feature, parts.get(str(self.group), []), self.instant)
        if plain in plan.expressions:
            return conditions.evaluate(plan.expressions[plain], self.lookup)
        if plain in plan.segments:
            return self.members.get(plain, False)
        if self.at_hand is not None and plain.startswith(self.at_hand.name + "."):
            return self.at_hand.value(plain.removeprefix(self.at_hand.name + "."))
        return None

    def holds(self, text: str) -> bool:
        return conditions.is_true(text, self.lookup)

    def recorded(self, name: str, group_name: str | None) -> Any:
        """The value of a name as a record shows it; what is grouped otherwise is a map."""
        by = group_field(self.plan, name) if name not in self.plan.segments else None
        if by is not None and by != group_name:
            return {key_text(group): value for group, value in self.groups(name).items()}
        return self.lookup(name)


def group_of(event: Event | None, name: str | None) -> str | None:
    """The JSON text of the event's value in the field that groups, or None."""
    return None if event is None or name is None else group_text(event.value(name))
