"""An event as the model holds it, its fields by name, and what is refused at the door."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.oracle import conditions
from tests.oracle.plan import Plan, Selector

TIME_min_ms = -2_208_988_800_000  # 1900-01-01
TIME_end_ms = 7_258_118_400_000  # 2200-01-01
TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,), "int": (int,), "float": (int, float), "bool": (bool,), "time": (int,),
    "list": (list,),
}  # fmt: skip


@dataclass(frozen=True)
class Event:
    """One event; `arrival` counts the applied events of its user, derived ones included."""

    user: str
    name: str
    time: int
    id: str | None = None
    props: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    session: Any = None
    derived: bool = False
    arrival: int = -1
    mark: int = 0  # the user's clock when it was applied
    closing: bool = False  # the windows that end at its mark have closed
    zone: str = "UTC"  # of the plan

    @property
    def position(self) -> tuple[int, int]:
        """The order of event-time evaluation."""
        return self.time, self.arrival

    def has(self, name: str) -> bool:
        """Whether the property is there at all, null included."""
        return name.removeprefix("props.") in self.props

    def value(self, name: str) -> Any:
        """A field in the sense of `where` and `by`: None is missing."""
        if name in {"event", "user", "time", "session"}:
            return {"event": self.name, "user": self.user, "time": self.time,
                    "session": self.session}[name]  # fmt: skip
        if name in {conditions.ZONE, conditions.INSTANT}:
            return self.zone if name == conditions.ZONE else self.time
        scope, _, rest = name.partition(".")
        if rest and scope == "context":
            return self.context.get(rest)
        return self.props.get(rest if rest and scope == "props" else name)

    def is_selected(self, selector: Selector) -> bool:
        named = not self.derived if selector.names is None else self.name in selector.names
        return named and (selector.where is None or conditions.is_true(selector.where, self.value))


class RefusedError(Exception):
    """The line is refused; the text is the reason's name."""


def read_event(line: Any, plan: Plan) -> Event:
    """The event of one line. Raises RefusedError with the reason."""
    if not isinstance(line, dict):
        raise RefusedError("not_a_map")
    user, name, time = line.get("user"), line.get("event"), line.get("time")
    if isinstance(user, bool) or not isinstance(user, str | int) or user == "":
        raise RefusedError("no_user")
    if not isinstance(name, str) or not name:
        raise RefusedError("no_event")
    if time is None:
        raise RefusedError("no_time")
    if not TIME_min_ms <= time < TIME_end_ms:
        raise RefusedError("time_range")
    props = line.get("props") or {}
    if plan.events is not None:
        if name not in plan.events:
            if plan.unknown_events == "refuse":
                raise RefusedError("unknown_event")
        elif not all(_is_typed(props.get(key), type_) for key, type_ in plan.events[name].items()):
            raise RefusedError("bad_property")
    identity = line.get("id")
    return Event(
        str(user), name, time, None if identity is None else str(identity), props,
        line.get("context") or {}, line.get("session"), zone=plan.zone,
    )  # fmt: skip


def _is_typed(value: Any, declared: str) -> bool:
    wanted = [part.strip() for part in declared.split("|")]
    if value is None:
        return "null" in wanted
    if isinstance(value, bool):
        return "bool" in wanted
    return any(isinstance(value, TYPES[name]) for name in wanted if name not in {"null", "bool"})


def group_text(value: Any) -> str | None:
    """The identity of a group or match value: its JSON text. None for what makes no group."""
    if value is None or isinstance(value, list | dict):
        return None
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
