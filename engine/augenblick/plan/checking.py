"""The state of checking one plan: its names, what they mean so far, and the mistakes found.

Features, segments and metrics are looked up on demand, so that they may stand in any order; each is
resolved once. A definition that is wrong is said once, at its own line, and silently breaks
whatever reads it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from augenblick import limits
from augenblick.plan.conditions.functions import NOT_BUILT, function_not_built
from augenblick.plan.conditions.parser import parse
from augenblick.plan.conditions.resolution import Scope, resolve_condition, resolve_expression
from augenblick.plan.conditions.scopes import BrokenName, Earlier, EventScope
from augenblick.plan.conditions.syntax import calls_in
from augenblick.plan.conditions.tokens import ConditionError
from augenblick.plan.document import Path
from augenblick.plan.model.plan import Plan
from augenblick.plan.names import Names
from augenblick.plan.problems import Problems, known_names
from augenblick.plan.quoting import explain_cut_by_comment
from augenblick.plan.resolved import EventRef, Resolved

T = TypeVar("T")


@dataclass
class Checking:
    """Created by ``compiler`` for one plan, handed to every part, thrown away."""

    plan: Plan
    problems: Problems
    names: Names
    definitions: "Callable[[Checking, str], Resolved | None]"
    _open: list[str] = field(default_factory=list)
    _done: dict[Path, object | None] = field(default_factory=dict)

    def look_up(self, name: str) -> Resolved | None:
        """The value of a feature, segment or metric; None if its definition is wrong."""
        return self.definitions(self, name)

    def define(self, name: str, path: Path, make: Callable[[], T | None]) -> T | None:
        """What a name means, made once. A definition that needs itself is refused."""
        if path in self._done:
            return self._done[path]  # type: ignore[return-value]
        if name in self._open:
            circle = [*self._open[self._open.index(name) :], name]
            self.problems.add(path, f"{name!r} depends on itself: {' -> '.join(circle)}")
            return None
        if len(self._open) >= limits.expression_chain_max:
            self.problems.add(
                path, f"more than {limits.expression_chain_max} expressions read each other"
            )
            return None
        self._open.append(name)
        try:
            made = make()
        finally:
            self._open.pop()
        self._done[path] = made
        return made

    def condition(self, text: str, path: Path, scope: Scope) -> Resolved | None:
        """A condition, or None with the mistake noted."""
        return self._resolve(resolve_condition, text, path, scope)

    def expression(self, text: str, path: Path, scope: Scope) -> Resolved | None:
        """An expression of any type, or None with the mistake noted."""
        return self._resolve(resolve_expression, text, path, scope)

    def _resolve(
        self, how: Callable[[str, Scope], Resolved], text: str, path: Path, scope: Scope
    ) -> Resolved | None:
        try:
            resolved = how(text, scope)
            if resolved.size > limits.code_words_max or resolved.depth > limits.condition_tree_max:
                raise ConditionError("with the expressions it reads this is too large", 0)
        except BrokenName:
            self._note_not_built(text, path)
            return None
        except RecursionError:
            self.problems.add(path, "the condition is nested too deeply")
            return None
        except ConditionError as error:
            self.note(error, text, path)
            return None
        self._warn_of_unknown_properties(resolved, path, scope)
        return resolved

    def _note_not_built(self, text: str, path: Path) -> None:
        """Functions that are not built, of a condition that cannot be looked up any further."""
        for call in calls_in(parse(text)):
            if call.function in NOT_BUILT:
                self.note(function_not_built(call.function, call.at), text, path)

    def note(self, error: ConditionError, text: str, path: Path) -> None:
        """Notes a wrong condition with the character at which it is wrong."""
        place = f" (character {error.at + 1} of `{_shorten(text)}`)"
        tail = explain_cut_by_comment(self.problems.document, path)
        self.problems.add(path, f"{error.message}{place}{tail}", not_built=error.not_built)

    def _warn_of_unknown_properties(self, resolved: Resolved, path: Path, scope: Scope) -> None:
        for ref in resolved.event_refs():
            events = (ref.event,) if ref.event else getattr(scope, "events", None) or ()
            self.warn_of_unknown_property(ref, tuple(events), path)

    def warn_of_unknown_property(
        self, value: EventRef, events: tuple[str, ...], path: Path
    ) -> None:
        """A declared event without the property: allowed, and most often a slip."""
        if value.ref.scope != "props":
            return
        for event in events:
            known = self.names.declared.get(event)
            if known is not None and value.ref.name not in known:
                self.problems.warn(
                    path,
                    f"event {event!r} does not declare the property {value.ref.name!r}; "
                    f"{known_names(value.ref.name, known)}",
                )

    def event_scope(
        self, events: tuple[str, ...] | None, *, earlier: Earlier | None = None
    ) -> EventScope:
        """The scope of ``where`` and ``by`` for these events."""
        return EventScope(self.names, events, earlier)


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:77]}..."
