"""Which names a plan has, and what a dotted text means: an event, a property, an own field.

One ``Names`` per checked plan. Features, segments and metrics share one name space; events have
their own. ``broken`` holds what failed to validate: it is known, but nothing more is said about it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from augenblick.plan.resolved import OWN_NAMES, Ref, Type

SESSION_START = "session.start"
SESSION_END = "session.end"
NEVER_EVENTS = ("session", "context", "*")

PROPERTY_TYPES: dict[str, Type] = {
    "str": Type.TEXT,
    "int": Type.NUMBER,
    "float": Type.NUMBER,
    "bool": Type.BOOL,
    "time": Type.TIME,
    "list": Type.LIST,
}
OWN_TYPES = {"event": Type.TEXT, "user": Type.TEXT, "time": Type.TIME, "session": Type.TEXT}
SESSION_PROPERTIES = {
    SESSION_START: {"start": Type.TIME},
    SESSION_END: {"start": Type.TIME, "end": Type.TIME, "events": Type.NUMBER},
}
SEGMENT_PROPERTIES = {"segment": Type.TEXT}


class NameProblem(Exception):
    """A dotted text that means nothing; ``not_built``: it would, in a later version."""

    def __init__(self, message: str, *, not_built: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.not_built = not_built


@dataclass
class Names:
    """The events, features, segments and metrics of one plan.

    declared    the tracking plan: event to property to type; empty without ``events:``
    closed      whether an event that is not declared is a mistake in a rule
    mentioned   undeclared events that stand somewhere as an event, known when ``closed`` is false
    """

    declared: dict[str, dict[str, Type]]
    closed: bool
    features: list[str]
    segments: list[str]
    metrics: list[str]
    broken: frozenset[str] = frozenset()
    mentioned: dict[str, None] = field(default_factory=dict)

    def segment_of(self, event: str) -> str | None:
        """The segment whose entering or leaving this event is."""
        name, _, change = event.rpartition(".")
        return name if change in ("enters", "leaves") and name in self.segments else None

    def is_derived(self, event: str) -> bool:
        """Whether the engine itself makes this event."""
        return event in SESSION_PROPERTIES or self.segment_of(event) is not None

    def is_event(self, event: str) -> bool:
        """Whether the text is the name of a declared, mentioned or derived event."""
        return event in self.declared or event in self.mentioned or self.is_derived(event)

    def events(self) -> list[str]:
        """All that may stand as an event, for messages."""
        derived = [f"{name}.{change}" for name in self.segments for change in ("enters", "leaves")]
        return [*(self.declared or self.mentioned), SESSION_START, SESSION_END, *derived]

    def split_event(self, parts: tuple[str, ...]) -> tuple[str, tuple[str, ...]] | None:
        """Event and rest of a dotted text; None if it begins with no event.

        The longest beginning that is a known event wins. Without a tracking plan any name may be an
        event: then all but the property is its name.
        """
        for length in range(len(parts), 0, -1):
            event = ".".join(parts[:length])
            if self.is_event(event):
                return event, parts[length:]
        if self.closed or len(parts) < 2 or parts[0] in NEVER_EVENTS:
            return None
        length = len(parts) - 1
        if length > 1 and parts[length - 1] in ("props", "context"):
            length -= 1
        return ".".join(parts[:length]), parts[length:]

    def property_of_event(self, rest: tuple[str, ...]) -> Ref:
        """What stands after ``EVENT.``. Raises NameProblem."""
        if len(rest) == 1:
            own = rest[0] in ("user", "time", "session")
            return Ref("own", rest[0]) if own else Ref("props", rest[0])
        return self._scoped(rest, ".".join(rest))

    def property_in_where(self, parts: tuple[str, ...]) -> Ref:
        """What a name means in ``where`` and ``by``. Raises NameProblem."""
        text = ".".join(parts)
        if len(parts) == 1:
            return Ref("own", text) if text in OWN_NAMES else Ref("props", text)
        if parts[0] in ("props", "context"):
            return self._scoped(parts, text)
        split = self.split_event(parts)
        if split is not None and split[1]:
            raise NameProblem(
                f"{text!r}: in `where` and `by` the event is clear; write {'.'.join(split[1])!r}"
            )
        raise NameProblem(
            f"{text!r} is no name here; a property is its bare name, context is context.NAME"
        )

    def _scoped(self, parts: tuple[str, ...], text: str) -> Ref:
        if parts[0] == "props" and len(parts) == 2:
            return Ref("props", parts[1])
        if parts[0] == "context" and len(parts) == 2:
            return Ref("context", parts[1])
        raise NameProblem(f"{text!r} is a nested property, which is not built yet", not_built=True)

    def properties(self, event: str) -> dict[str, Type] | None:
        """The properties that an event is known to have; None when nothing is known."""
        if event in SESSION_PROPERTIES:
            return SESSION_PROPERTIES[event]
        if self.segment_of(event) is not None:
            return SEGMENT_PROPERTIES
        return self.declared.get(event)

    def type_of(self, ref: Ref, events: Iterable[str] | None) -> Type:
        """The type of a value in these events (None: any event); ANY unless all of them agree."""
        if ref.scope == "own":
            return OWN_TYPES[ref.name]
        if ref.scope == "context" or events is None:
            return Type.ANY
        types = {(self.properties(event) or {}).get(ref.name, Type.ANY) for event in events}
        return types.pop() if len(types) == 1 else Type.ANY
