"""What names mean in the places where a condition may stand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from augenblick.plan.conditions.tokens import ConditionError
from augenblick.plan.names import SEGMENT_PROPERTIES, NameProblem, Names
from augenblick.plan.problems import known_names
from augenblick.plan.resolved import EventRef, Ref, Resolved, StepRef, Type


class BrokenName(ConditionError):
    """A name whose own definition is wrong: that has been said, so this is not reported again."""


Lookup = Callable[[str], Resolved | None]
"""The value of a feature, segment or metric by name; None if its definition is wrong."""


Earlier = tuple[tuple[str, ...] | None, ...]
"""The events of each positive step before the one at hand, in order; None: any event."""


@dataclass(frozen=True)
class EventScope:
    """``where`` and ``by``: a bare name is a property of the event. ``events`` None: any event.

    ``earlier``: of a step of a sequence, whose ``where`` may read them as EARLIER.x; else None.
    """

    names: Names
    events: Sequence[str] | None
    earlier: Earlier | None = None

    def resolve(self, parts: tuple[str, ...], at: int) -> Resolved:
        if self.earlier is not None and len(parts) > 1 and parts[0] not in ("props", "context"):
            return self._of_earlier_step(parts, at)
        ref = self.ref(parts, at)
        return Resolved("field", self.names.type_of(ref, self.events), target=EventRef(ref, None))

    def ref(self, parts: tuple[str, ...], at: int) -> Ref:
        """The value of the event that a name means. Raises ConditionError."""
        try:
            ref = self.names.property_in_where(parts)
        except NameProblem as problem:
            raise ConditionError(problem.message, at, not_built=problem.not_built) from None
        if ref.scope == "props":
            check_derived_property(self.names, ref, self.events or (), at)
        return ref

    def _of_earlier_step(self, parts: tuple[str, ...], at: int) -> Resolved:
        """``EARLIER.x``: of the nearest step before this one that names the event."""
        text = ".".join(parts)
        split = self.names.split_event(parts)
        event, rest = split if split is not None else (text, ())
        for step in reversed(range(len(self.earlier or ()))):
            if event in ((self.earlier or ())[step] or ()) and rest:
                break
        else:
            known = [name for names in self.earlier or () for name in names or ()]
            hint = known_names(event, known) if known else "this is the first step"
            raise ConditionError(f"{text!r}: no step before this one takes {event!r}; {hint}", at)
        try:
            ref = self.names.property_of_event(rest)
        except NameProblem as problem:
            raise ConditionError(problem.message, at, not_built=problem.not_built) from None
        if ref.scope == "props":
            check_derived_property(self.names, ref, (event,), at)
        return Resolved(
            "field", self.names.type_of(ref, (event,)), target=StepRef(ref, event, step)
        )


@dataclass(frozen=True)
class StateScope:
    """Everywhere else: a bare name is a feature, segment or metric, ``EVENT.x`` a property.

    at_hand     events that can be the event at hand; None: any
    no_event    why no event is at hand, as a sentence; empty: one is
    segments    whether segments may be read; metrics: whether metrics are, and nothing of a user
    """

    names: Names
    lookup: Lookup
    at_hand: tuple[str, ...] | None = None
    no_event: str = ""
    metrics: bool = False

    def resolve(self, parts: tuple[str, ...], at: int) -> Resolved:
        text = ".".join(parts)
        if len(parts) > 1:
            return self._property(parts, text, at)
        if text in self.names.broken:
            raise BrokenName(f"{text!r} is broken", at)
        per_user = text in self.names.features or text in self.names.segments
        if per_user and self.metrics:
            raise ConditionError(f"{text!r} is of one user; here only metrics can be read", at)
        if text in self.names.metrics and not self.metrics:
            raise ConditionError(
                f"{text!r} is a metric; reading one in a condition on a user is not built yet",
                at,
                not_built=True,
            )
        if not per_user and text not in self.names.metrics:
            raise ConditionError(self._unknown(text), at)
        value = self.lookup(text)
        if value is None:
            raise BrokenName(f"{text!r} is broken", at)
        return value

    def _unknown(self, text: str) -> str:
        if text == "context":
            return "context can be read in `where` and `by` only; elsewhere write EVENT.context.x"
        if self.names.is_event(text):
            return f"{text!r} is an event; a property of it is {text}.NAME"
        if self.metrics:
            return f"unknown metric {text!r}; {known_names(text, self.names.metrics)}"
        known = [*self.names.features, *self.names.segments]
        hint = known_names(text, known)
        return f"unknown feature or segment {text!r} (a property is EVENT.{text}); {hint}"

    def _property(self, parts: tuple[str, ...], text: str, at: int) -> Resolved:
        if parts[0] == "context":
            raise ConditionError(
                "context can be read in `where` and `by` only; elsewhere write EVENT.context.x", at
            )
        split = self.names.split_event(parts)
        if split is None:
            hint = known_names(parts[0], self.names.events())
            raise ConditionError(f"{text!r} names no known event; {hint}", at)
        event, rest = split
        if not rest:
            raise ConditionError(f"{text!r} is an event; a property of it is {text}.NAME", at)
        if self.no_event:
            raise ConditionError(f"{text!r} is a property of an event: {self.no_event}", at)
        if self.at_hand is not None and event not in self.at_hand:
            raise ConditionError(
                f"{event!r} is never the event at hand here, so {text!r} is always missing", at
            )
        try:
            ref = self.names.property_of_event(rest)
        except NameProblem as problem:
            raise ConditionError(problem.message, at, not_built=problem.not_built) from None
        if ref.scope == "props":
            check_derived_property(self.names, ref, (event,), at)
        kind = self.names.type_of(ref, (event,))
        return Resolved("field", kind, target=EventRef(ref, event))


def check_derived_property(names: Names, ref: Ref, events: Sequence[str], at: int) -> None:
    """A derived event has the properties we give it and no others. Raises ConditionError."""
    for event in events:
        known = names.properties(event)
        if names.is_derived(event) and known is not None and ref.name not in known:
            what = "the segment" if known is SEGMENT_PROPERTIES else "the session"
            raise ConditionError(
                f"{event!r} carries {what} and has no property {ref.name!r}; "
                f"{known_names(ref.name, known)}",
                at,
            )


def nothing_known(_: str) -> Resolved | None:
    """A Lookup for places that may read no state."""
    return None


__all__ = ["BrokenName", "Earlier", "EventScope", "Lookup", "StateScope", "Type", "nothing_known"]
