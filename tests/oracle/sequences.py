"""One sequence trigger of one user: its partials, its timers, the events that wait."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.oracle.events import Event, group_text
from tests.oracle.plan import Step, Trigger


@dataclass
class Partial:
    """The events that have taken the first steps."""

    taken: list[Event]

    @property
    def began(self) -> tuple[int, int]:
        return self.taken[0].position


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
        selected = any(event.is_selected(step.selector) for step in self.trigger.steps)
        return selected or (self.trigger.strict and not event.derived)

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
            if self._is_next(partial, event):
                is_last = len(partial.taken) + 1 == len(self.positive)
                if is_last and self.absence:
                    arms = True
                    kept += [] if self.trigger.strict else [partial]
                elif is_last:
                    complete.append(Partial([*partial.taken, event]))
                else:
                    kept.append(Partial([*partial.taken, event]))
            elif not (self.trigger.strict and not event.derived):
                kept.append(partial)
        match: Match | None = None
        if complete:
            first = min(complete, key=lambda partial: partial.began)
            match = Match(tuple(first.taken), value)
            rest = [*kept, *complete]
            kept = [partial for partial in rest if partial.began > event.position]
        elif event.is_selected(self.positive[0].selector):
            if len(self.positive) > 1:
                kept.append(Partial([event]))
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
            if within is None or partial.taken[0].time + within >= clock
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
            if event.time < partial.taken[-1].time
            or not any(
                event.is_selected(step.selector)
                for step in self.negations_after(len(partial.taken))
            )
        ]

    def _is_next(self, partial: Partial, event: Event) -> bool:
        within = self.trigger.within_ms
        return (
            event.is_selected(self.positive[len(partial.taken)].selector)
            and event.time >= partial.taken[-1].time
            and (within is None or event.time - partial.taken[0].time <= within)
        )

    def _arm(self, event: Event, value: str | None) -> None:
        running = [timer for timer in self.timers if timer.value == value]
        if self.trigger.timer == "keep" and any(timer.deadline > event.time for timer in running):
            return
        if self.trigger.timer == "restart":
            self.timers = [timer for timer in self.timers if timer.value != value]
        self.timers.append(Timer(event, event.time + self.absence_ms, value))
