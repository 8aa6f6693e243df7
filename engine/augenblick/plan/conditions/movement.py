"""Can an event make a condition true? Tells a ``when`` that only time can make true.

A ``when`` alone is read on the state without an event and with it. For each event that feeds it,
this follows an event in order through the condition: by how much each value can change, and between
what bounds it then lies. Bounds err on the side of "it can", so that nothing sensible is refused:
only counts are followed exactly, every other aggregate may move anywhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from augenblick.plan.names import Names
from augenblick.plan.resolved import (
    EventRef,
    EventSet,
    NamedSegment,
    Resolved,
    StoredFeature,
    features_read,
    segments_read,
)

_NEGATED = {"eq": "ne", "ne": "eq", "lt": "ge", "le": "gt", "gt": "le", "ge": "lt"}
_COMPARE = frozenset(_NEGATED)


@dataclass(frozen=True, slots=True)
class _Span:
    """The bounds of a number, both inclusive."""

    low: float
    high: float

    def __add__(self, other: "_Span") -> "_Span":
        return _Span(self.low + other.low, self.high + other.high)

    def __neg__(self) -> "_Span":
        return _Span(-self.high, -self.low)

    def times(self, factor: float) -> "_Span":
        if factor == 0:
            return _Span(0, 0)
        ends = (self.low * factor, self.high * factor)
        return _Span(min(ends), max(ends))


_ANYTHING = _Span(-inf, inf)
_STILL = _Span(0, 0)


@dataclass(frozen=True, slots=True)
class _Number:
    """A value after the event, and by how much the event changed it."""

    after: _Span
    change: _Span


@dataclass(frozen=True, slots=True)
class _Truth:
    """Whether a condition can be true after the event, and the event can have made it so."""

    possible: bool
    moves: bool


def can_fire(condition: Resolved, names: Names, *, needs_rise: bool) -> bool:
    """Whether some event can make the condition true, or (not ``needs_rise``) find it true."""
    for event in _feeding_events(condition):
        truth = _Follow(event, names).truth(condition, negated=False)
        if truth.possible and (truth.moves or not needs_rise):
            return True
    return False


def _feeding_events(condition: Resolved) -> list[str]:
    """The events that can change the condition; "" stands for any other event."""
    found: dict[str, None] = {}
    sets: list[EventSet | None] = []
    for feature in features_read(condition):
        sets += [feature.events, feature.reset]
    for events in sets:
        if events is not None:
            found |= dict.fromkeys(events.names if events.names is not None else ("",))
    conditions = [condition, *(segment.condition for segment in segments_read(condition))]
    for ref in (ref for one in conditions for ref in one.event_refs()):
        found[ref.event or ""] = None
    return list(found)


class _Follow:
    """One event on its way through a condition."""

    def __init__(self, event: str, names: Names) -> None:
        self._event = event
        self._names = names

    def truth(self, node: Resolved, *, negated: bool) -> _Truth:
        """What is known of ``node``, or of its negation."""
        if node.operation == "not":
            return self.truth(node.arguments[0], negated=not negated)
        if node.operation in ("and", "or"):
            parts = [self.truth(argument, negated=negated) for argument in node.arguments]
            return _all(parts) if (node.operation == "and") != negated else _any(parts)
        if node.operation in _COMPARE:
            return self._compare(node, negated)
        if node.operation == "const":
            return _Truth((node.target is True) != negated, False)
        if isinstance(node.target, NamedSegment):
            return self.truth(node.target.condition, negated=negated)
        return _Truth(True, self._touches(node))

    def _compare(self, node: Resolved, negated: bool) -> _Truth:
        sign = _NEGATED[node.operation] if negated else node.operation
        left, right = (self._number(argument) for argument in node.arguments)
        change = left.change + -right.change
        low, high = left.after.low - right.after.high, left.after.high - right.after.low
        still = change.low == 0 == change.high
        match sign:
            case "lt":
                return _Truth(low < 0, change.low < 0)
            case "le":
                return _Truth(low <= 0, change.low < 0)
            case "gt":
                return _Truth(high > 0, change.high > 0)
            case "ge":
                return _Truth(high >= 0, change.high > 0)
            case "eq":
                return _Truth(low <= 0 <= high, not still)
            case _:
                return _Truth(not low == 0 == high, not still)

    def _number(self, node: Resolved) -> _Number:
        if isinstance(node.target, StoredFeature):
            return self._feature(node.target)
        if node.operation == "const":
            if isinstance(node.target, int | float) and not isinstance(node.target, bool):
                return _Number(_Span(node.target, node.target), _STILL)
            return _Number(_ANYTHING, _STILL)
        if node.operation in ("add", "sub", "neg", "mul"):
            return self._arithmetic(node)
        return _Number(_ANYTHING, _ANYTHING if self._touches(node) else _STILL)

    def _arithmetic(self, node: Resolved) -> _Number:
        parts = [self._number(argument) for argument in node.arguments]
        if node.operation == "mul":
            for factor, other in (parts, reversed(parts)):
                if factor.after.low == factor.after.high and factor.change == _STILL:
                    by = factor.after.low
                    return _Number(other.after.times(by), other.change.times(by))
            return _Number(_ANYTHING, _ANYTHING if self._touches(node) else _STILL)
        if node.operation == "neg":
            return _Number(-parts[0].after, -parts[0].change)
        left, right = parts
        if node.operation == "sub":
            right = _Number(-right.after, -right.change)
        return _Number(left.after + right.after, left.change + right.change)

    def _feature(self, feature: StoredFeature) -> _Number:
        feeds = self._in(feature.events)
        resets = feature.reset is not None and self._in(feature.reset)
        if feature.aggregate == "time_since" and feeds and not resets:
            return _Number(_Span(0, inf), _Span(-inf, 0))
        if feature.aggregate != "count":
            return _Number(_ANYTHING, _ANYTHING if feeds or resets else _STILL)
        sure = feeds and feature.events.where is None and not resets
        after = _Span(1 if sure else 0, inf)
        change = _Span(-inf if resets else 1 if sure else 0, 1 if feeds else 0)
        if resets and feature.reset is not None and feature.reset.where is None:
            return _Number(_STILL, _Span(-inf, 0))
        return _Number(after, change)

    def _in(self, events: EventSet) -> bool:
        if events.names is None:
            return not self._names.is_derived(self._event)
        return self._event in events.names

    def _touches(self, node: Resolved) -> bool:
        """Whether the event can change anything below a node."""
        for below in node.walk():
            target = below.target
            if isinstance(target, StoredFeature):
                if self._in(target.events) or (target.reset and self._in(target.reset)):
                    return True
            elif isinstance(target, NamedSegment):
                if self._touches(target.condition):
                    return True
            elif isinstance(target, EventRef) and target.event in (None, self._event):
                return True
        return False


def _all(parts: Iterable[_Truth]) -> _Truth:
    parts = list(parts)
    return _Truth(all(part.possible for part in parts), any(part.moves for part in parts))


def _any(parts: Iterable[_Truth]) -> _Truth:
    parts = list(parts)
    rises = any(part.possible and part.moves for part in parts)
    return _Truth(any(part.possible for part in parts), rises)
