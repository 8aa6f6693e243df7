"""One sequence trigger of one user: its partials, its timers, the events that wait."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from tests.oracle import conditions
from tests.oracle.events import Event, group_text
from tests.oracle.plan import Step, Trigger


@dataclass
class Partial:
    """The events that have taken the first steps, for each of these steps one or more."""

    taken: list[list[Event]]

    @property
    def began(self) -> tuple[int, int]:
        return self.taken[0][0].position

    @property
    def last(self) -> Event:
        return self.taken[-1][-1]

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(event for step in self.taken for event in step)

    def with_step(self, event: Event) -> Partial:
        return Partial([*self.taken, [event]])

    def with_repeat(self, event: Event) -> Partial:
        return Partial([*self.taken[:-1], [*self.taken[-1], event]])


@dataclass(frozen=True)
class Timer:
    """An absence that is being waited for."""

    step: Event
    deadline: int
    value: str | None


@dataclass(frozen=True)
class Match:
    events: tuple[Event, ...]
    value: str | None


@dataclass
class Sequence:
    """The state. `take` gets each event in the order in which the trigger looks at them."""

    trigger: Trigger
    partials: dict[str | None, list[Partial]] = field(default_factory=dict)
    timers: list[Timer] = field(default_factory=list)
    waiting: list[Event] = field(default_factory=list)

    @property
    def positive(self) -> list[Step]:
        return [step for step in self.trigger.steps if not step.negated]

    @property
    def absence(self) -> Step | None:
        return self.trigger.steps[-1] if self.trigger.ends_in_not else None

    @property
    def absence_ms(self) -> int:
        for_ms = self.trigger.steps[-1].for_ms
        return for_ms if for_ms is not None else int(self.trigger.within_ms or 0)

    def negations_after(self, taken: int) -> list[Step]:
        """The negations between positive step number `taken` (from 1) and the next positive one."""
        steps, seen, found = self.trigger.steps, 0, []
        for step in steps[:-1] if self.absence else steps:
            if step.negated and seen == taken:
                found.append(step)
            seen += not step.negated
        return found

    def is_concerned(self, event: Event) -> bool:
        """Whether the event can be a step or a negation, or break a strict sequence."""
        if self.value_of(event) is None and self.trigger.match is not None:
            return False
        selected = any(self._may_select(step, event) for step in self.trigger.steps)
        return selected or (self.trigger.strict and not event.derived)

    def _may_select(self, step: Step, event: Event) -> bool:
        """Whether it is one of the step's events, as far as the event alone can tell."""
        if self.earlier_read(step):
            return event.is_selected(replace(step.selector, where=None))
        return event.is_selected(step.selector)

    def earlier_read(self, step: Step) -> list[tuple[str, int, str, str]]:
        """What its `where` reads of earlier steps: name there, step, its event, name of the value.

        `EARLIER.x` is of the nearest positive step before it that names the event.
        """
        found = []
        place = next(index for index, one in enumerate(self.trigger.steps) if one is step)
        before = self.trigger.steps[:place]
        positive = [one for one in before if not one.negated]
        for name in conditions.names(step.selector.where or "true"):
            event, _, value = name.partition(".")
            for index in reversed(range(len(positive))):
                if value and event in (positive[index].selector.names or ()):
                    found.append((name, index, event, value))
                    break
        return found

    def _selects(self, step: Step, partial: Partial, event: Event) -> bool:
        """Whether a step takes the event after what the partial has taken."""
        read = {name: rest for name, *rest in self.earlier_read(step)}
        if not read:
            return event.is_selected(step.selector)

        def lookup(name: str) -> Any:
            if name not in read:
                return event.value(name)
            index, wanted, value = read[name]
            earlier = partial.taken[index][-1]
            return earlier.value(value) if earlier.name == wanted else None

        named = event.is_selected(replace(step.selector, where=None))
        return named and conditions.is_true(str(step.selector.where), lookup)

    def value_of(self, event: Event) -> str | None:
        match = self.trigger.match
        return None if match is None else group_text(event.value(match))

    def take(self, event: Event, clock: int) -> Match | None:
        """Lets the event cancel, step and begin. The match that it completes, if any.

        `clock` is the user's: partials that it is strictly past, `within` included, are given up.
        """
        value = self.value_of(event)
        self._give_up(value, clock)
        self._cancel(event, value)
        kept: list[Partial] = []
        complete: list[Partial] = []
        arms = False
        for partial in self.partials.get(value, []):
            moved = self._moved(partial, event)
            if moved is None:
                if not (self.trigger.strict and not event.derived):
                    kept.append(partial)
            elif not self._is_complete(moved):
                kept.append(moved)
            elif self.absence:
                arms = True
                kept += [] if self.trigger.strict else [partial]
            else:
                complete.append(moved)
        match: Match | None = None
        if complete:
            first = min(complete, key=lambda partial: partial.began)
            match = Match(first.events, value)
            rest = [*kept, *complete]
            kept = [partial for partial in rest if partial.began > event.position]
        elif event.is_selected(self.positive[0].selector):
            if not self._is_complete(Partial([[event]])):
                kept.append(Partial([[event]]))
            elif self.absence:
                arms = True
            else:
                match = Match((event,), value)
        if arms:
            self._arm(event, value)
        kept.sort(key=lambda partial: partial.began)
        self.partials[value] = kept[-self.trigger.partial_max :]
        return match

    def _give_up(self, value: str | None, clock: int) -> None:
        within = self.trigger.within_ms
        self.partials[value] = [
            partial
            for partial in self.partials.get(value, [])
            if within is None or partial.began[0] + within >= clock
        ]

    def _cancel(self, event: Event, value: str | None) -> None:
        if self.absence and event.is_selected(self.absence.selector):
            self.timers = [
                timer
                for timer in self.timers
                if timer.value != value or not timer.step.time <= event.time <= timer.deadline
            ]
        self.partials[value] = [
            partial
            for partial in self.partials.get(value, [])
            if event.time < partial.last.time or not self._is_negated(partial, event)
        ]

    def _is_negated(self, partial: Partial, event: Event) -> bool:
        """Whether the event may not come where the partial waits; one more repeat always may."""
        moved = self._moved(partial, event)
        if moved is not None and len(moved.taken) == len(partial.taken):
            return False
        return self._is_enough(partial) and any(
            self._selects(step, partial, event) for step in self.negations_after(len(partial.taken))
        )

    def _is_enough(self, partial: Partial) -> bool:
        """Whether the latest step has come as often as it has to."""
        return len(partial.taken[-1]) >= self.positive[len(partial.taken) - 1].times[0]

    def _is_complete(self, partial: Partial) -> bool:
        return len(partial.taken) == len(self.positive) and self._is_enough(partial)

    def _moved(self, partial: Partial, event: Event) -> Partial | None:
        """The partial with the event as its next step, else as one more repeat; None: neither."""
        within = self.trigger.within_ms
        if event.time < partial.last.time:
            return None
        if within is not None and event.time - partial.began[0] > within:
            return None
        step = self.positive[len(partial.taken) - 1]
        if self._is_enough(partial) and self._selects(
            self.positive[len(partial.taken)], partial, event
        ):
            return partial.with_step(event)
        if len(partial.taken[-1]) < step.times[1] and self._selects(step, partial, event):
            return partial.with_repeat(event)
        return None

    def _arm(self, event: Event, value: str | None) -> None:
        running = [timer for timer in self.timers if timer.value == value]
        if self.trigger.timer == "keep" and any(timer.deadline > event.time for timer in running):
            return
        if self.trigger.timer == "restart":
            self.timers = [timer for timer in self.timers if timer.value != value]
        self.timers.append(Timer(event, event.time + self.absence_ms, value))
