"""One user: the order of things within an event, and the order of timers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from tests.oracle import conditions, features, names, sessions
from tests.oracle.alarms import Alarms, in_order
from tests.oracle.events import Event, TIME_end_ms
from tests.oracle.firing import Firer
from tests.oracle.names import View, group_of
from tests.oracle.plan import Feature, Plan, Trigger
from tests.oracle.policies import Candidate, Policies
from tests.oracle.schedules import next_instant
from tests.oracle.sequences import Match, Sequence, Timer

# The order of what happens at one instant.
SEGMENT, WAITING, ABSENCE, SCHEDULE, CLOSING = range(5)
BEFORE_TIME, NEVER = -(2**63), 2**63


class Counter(Protocol):
    """What counts across users: the metrics."""

    def would_count(self, event: Event) -> bool: ...

    def count(self, event: Event) -> None: ...


@dataclass(frozen=True)
class Due:
    """Something that the clock makes happen once it is strictly past the instant."""

    instant: int
    phase: int
    order: tuple[int, ...]
    happen: Callable[[], None]

    @property
    def key(self) -> tuple[int, int, tuple[int, ...]]:
        return self.instant, self.phase, self.order


@dataclass
class User:
    """`emit` takes each record."""

    id: str
    plan: Plan
    firer: Firer
    metrics: Counter
    emit: Callable[[dict[str, Any]], None]
    clock: int = BEFORE_TIME
    history: list[Event] = field(default_factory=list)
    members: dict[str, bool] = field(default_factory=dict)
    evaluated: dict[str, int] = field(default_factory=dict)  # segment: instant of its evaluation
    timed: dict[str, int] = field(default_factory=dict)  # segment: its last timer instant
    sequences: dict[str, Sequence] = field(default_factory=dict)
    candidates: list[Candidate] = field(default_factory=list)  # of the event or instant at hand
    alarms: dict[str, Alarms] = field(default_factory=dict)
    scheduled: int | None = None  # schedules before this instant are done; None: not known yet
    drains: bool = False  # the clock goes to the end of time: no schedules
    reached: int = BEFORE_TIME  # the clock, without the step that a closing makes past its instant
    closing: bool = False  # the windows of this instant have closed, a session ends
    next_due: int = BEFORE_TIME  # nothing happens by time before the clock is strictly past it

    def __post_init__(self) -> None:
        self.reached = self.clock
        self.policies = Policies(self.plan)
        for trigger in self.plan.triggers:
            if trigger.kind == "sequence":
                self.sequences[trigger.name] = Sequence(trigger)
            if trigger.kind == "at":
                self.alarms[trigger.name] = Alarms(trigger)

    # Reading

    @property
    def latest(self) -> int:
        """The largest time of the user's real events."""
        return max(event.time for event in self.history if not event.derived)

    def view(self, instant: int, at_hand: Event | None = None) -> View:
        history, members = tuple(self.history), dict(self.members)
        return View(self.plan, history, members, self.clock, instant, at_hand, closing=self.closing)

    def all_sessions(self) -> list[sessions.Session]:
        return sessions.fold(self.history, self.plan)

    def open_sessions(self) -> list[sessions.Session]:
        return sessions.open_sessions(self.all_sessions(), self.clock, self.plan.gap_ms)

    # Events

    def apply(self, event: Event) -> bool:
        """Applies a real event with the clock at its mark. False: it is late and fits nowhere."""
        arrived = replace(event, arrival=len(self.history), mark=self.clock, closing=self.closing)
        if event.time < self.clock and not self._fits(arrived):
            return False
        self._run(arrived)
        self._settle()
        if self.scheduled is None:
            self.scheduled = self.clock
        self.next_due = BEFORE_TIME
        self.advance(self.clock)
        return True

    def _fits(self, late: Event) -> bool:
        if any(one.holds(late.time, self.plan) for one in self.open_sessions()):
            return True
        if self.metrics.would_count(late):
            return True
        history = [*self.history, late]
        for feature in self.plan.features.values():
            if feature.window != "session" and late in features.counted(feature, history):
                return True
            if feature.reset is not None and features.last_reset(feature, history) == late:
                return True
        return any(self._takes_late(trigger, late) for trigger in self.plan.triggers)

    def _takes_late(self, trigger: Trigger, late: Event) -> bool:
        if trigger.selector is not None:
            return late.is_selected(trigger.selector)
        if trigger.kind == "sequence":
            return not trigger.event_time and self.sequences[trigger.name].is_concerned(late)
        return trigger.kind == "when" and names.names_field_of(str(trigger.when), late)

    def _run(self, event: Event) -> None:
        """The whole list for one event, real or derived; then for what it caused, depth first."""
        without = self.view(event.time)
        self.history.append(event)
        self.metrics.count(event)
        caused: list[Event] = []
        if any(session.events == [event] for session in self.all_sessions()):
            caused.append(self._derived("session.start", event.time, {"start": event.time}))
        for name in self.plan.segments:
            if names.is_fed_by_feature(self.plan, self.plan.segments[name], event):
                own = event.time if event.derived else BEFORE_TIME
                instant = max(self.latest, own, self.timed.get(name, BEFORE_TIME))
                caused += self._evaluate_segment(name, instant)
        for trigger in self.plan.triggers:
            if trigger.kind == "sequence":
                self._offer(trigger, event)
        for trigger in self.plan.triggers:
            if trigger.kind == "at" and names.is_fed_by_feature(self.plan, trigger.at, event):
                self._move(trigger, event)
        for trigger in self.plan.triggers:
            if trigger.selector is not None and event.is_selected(trigger.selector):
                self._fire(trigger, event.time, [event], None)
        for trigger in self.plan.triggers:
            if trigger.kind == "when":
                self._evaluate_when(trigger, event, without)
        for derived in caused:
            self._run(
                replace(derived, arrival=len(self.history), mark=self.clock, closing=self.closing)
            )

    def _derived(self, name: str, time: int, props: dict[str, Any]) -> Event:
        return Event(self.id, name, time, props=props, derived=True, zone=self.plan.zone)

    def _evaluate_segment(self, name: str, instant: int) -> list[Event]:
        """Looks at the segment; the enter or leave, if it changed."""
        self.evaluated[name] = instant
        was, is_in = (
            self.members.get(name, False),
            self.view(instant).holds(self.plan.segments[name]),
        )
        self.members[name] = is_in
        if was == is_in:
            return []
        return [
            self._derived(f"{name}.{'enters' if is_in else 'leaves'}", instant, {"segment": name})
        ]

    def _offer(self, trigger: Trigger, event: Event) -> None:
        sequence = self.sequences[trigger.name]
        if not sequence.is_concerned(event):
            return
        if not trigger.event_time:
            self._step(trigger, event)
        elif event.derived or event.time >= self.clock:
            sequence.waiting.append(event)

    def _step(self, trigger: Trigger, event: Event) -> None:
        match = self.sequences[trigger.name].take(event, self.reached)
        if match is not None:
            self._fire(trigger, event.time, list(match.events), match)

    def _move(self, trigger: Trigger, event: Event) -> None:
        """What TIME is now, for every group that has one or had one."""
        alarms = self.alarms[trigger.name]
        view = self.view(event.time)
        for group in in_order([*alarms.held, *self._groups(trigger.at, view)]):
            value = conditions.evaluate(trigger.at, replace(view, group=group).lookup)
            if alarms.move(group, value, event):
                self._fire_for(trigger, event.time, group, [event])

    def _groups(self, text: str, view: View) -> set[str | None]:
        """The groups that any feature in the condition holds; None stands for the user itself."""
        if names.group_field(self.plan, text) is None:
            return {None}
        found: set[str | None] = set()
        for name, feature in names.stored_features(self.plan, text).items():
            if feature.by is not None:
                found |= view.groups(name).keys()
        return found

    def _evaluate_when(self, trigger: Trigger, event: Event, without: View) -> None:
        """`when` alone: without and with the event, at its own time, then at the user's latest."""
        when = str(trigger.when)
        fed = names.is_fed_by_feature(self.plan, when, event)
        if not fed and not names.names_field_of(when, event):
            return
        group = group_of(event, names.group_field(self.plan, when))
        for instant in sorted({event.time, max(event.time, self.latest)}):
            holds = replace(self.view(instant, event), group=group).holds(when)
            held = replace(without, instant=instant, group=group).holds(when)
            if holds and (trigger.fire == "each" or not held):
                if trigger.fire != "once" or self.firer.rises_first(trigger, self.id):
                    self._fire(trigger, event.time, [event], None)
                return

    def _fire(
        self, trigger: Trigger, time: int, events: list[Event], match: Match | None,
        *, absence: Timer | None = None,
    ) -> None:  # fmt: skip
        """The occasion has come: reads `when` beside it and the values, and hands the firing on."""
        caused = events[-1]
        group_name = names.group_field(self.plan, trigger.when)
        view = replace(
            self.view(time, caused),
            group=group_of(caused, group_name), ends_at_instant=absence is not None,
        )  # fmt: skip
        if trigger.kind != "when" and trigger.when is not None and not view.holds(trigger.when):
            return
        value = match.value if match else absence.value if absence else None
        fired = self.firer.fire(
            trigger, view, group_name, caused, events, value, absence is not None, self.id
        )
        self.candidates.append(Candidate(trigger, fired["time"], fired))

    def _fire_for(
        self, trigger: Trigger, time: int, group: str | None, events: list[Event],
        *, is_timed: bool = False,
    ) -> None:  # fmt: skip
        """`at` or `every`, for one group: `when` beside it, then the firing."""
        text = trigger.when if trigger.kind == "every" else trigger.at
        caused = events[-1] if events else None
        view = replace(self.view(time, caused), group=group, ends_at_instant=is_timed)
        if trigger.when is not None and not view.holds(trigger.when):
            return
        fired = self.firer.fire(
            trigger,
            view,
            names.group_field(self.plan, text),
            caused,
            events,
            None,
            is_timed,
            self.id,
        )
        self.candidates.append(Candidate(trigger, fired["time"], fired))

    def _settle(self) -> None:
        """The event, or the instant, is over: what its firings come to."""
        candidates, self.candidates = self.candidates, []
        for one in self.policies.leaving(candidates):
            self.emit(one.record)

    # Time

    def advance(self, clock: int) -> None:
        """Moves the clock; everything whose instant it is then strictly past happens, in order."""
        at = BEFORE_TIME
        self.drains = clock > TIME_end_ms
        while self.next_due < clock:
            due = min(self.due(), key=lambda one: one.key, default=None)
            self.next_due = NEVER if due is None else due.instant
            if due is not None and due.instant < clock:
                if due.instant > at:
                    self._settle()
                    at = due.instant
                self.clock = max(self.clock, due.instant)
                self.reached = max(self.reached, due.instant)
                due.happen()
        self._settle()
        self.clock = self.reached = max(self.clock, clock)

    def due(self) -> Iterator[Due]:
        """Everything that time has still to do."""
        for order, name in enumerate(self.plan.segments):
            instant = self._next_change(name)
            if instant is not None:
                yield Due(instant, SEGMENT, (order,), partial(self._time, name, instant))
        for order, trigger in enumerate(self.plan.triggers):
            sequence = self.sequences.get(trigger.name)
            for event in sequence.waiting if sequence else ():
                yield Due(
                    event.time, WAITING, (event.arrival, order),
                    partial(self._release, trigger, event),
                )  # fmt: skip
            for timer in sequence.timers if sequence else ():
                yield Due(
                    timer.deadline, ABSENCE, (order, *timer.step.position),
                    partial(self._miss, trigger, timer),
                )  # fmt: skip
            yield from self._alarms_due(order, trigger)
            if trigger.every is not None and self.scheduled is not None and not self.drains:
                instant = next_instant(self.plan.zone, *trigger.every, self.scheduled)
                yield Due(instant, SCHEDULE, (), partial(self._run_schedules, instant))
        for instant in self._closings():
            yield Due(instant, CLOSING, (), partial(self._close, instant))

    def _alarms_due(self, order: int, trigger: Trigger) -> Iterator[Due]:
        alarms = self.alarms.get(trigger.name)
        for rank, group in enumerate(in_order(alarms.held) if alarms else ()):
            instant = alarms.held[group].instant if alarms else None
            if instant is not None:
                yield Due(
                    instant, ABSENCE, (order, rank), partial(self._ring, trigger, group, instant)
                )

    def _ring(self, trigger: Trigger, group: str | None, instant: int) -> None:
        alarm = self.alarms[trigger.name].take(group)
        self._fire_for(trigger, instant, group, [alarm.event], is_timed=True)

    def _run_schedules(self, instant: int) -> None:
        """Every schedule of the instant, in the plan's order."""
        for trigger in self.plan.triggers:
            if trigger.every is None:
                continue
            if next_instant(self.plan.zone, *trigger.every, int(self.scheduled or 0)) > instant:
                continue
            view = replace(self.view(instant), ends_at_instant=True)
            for group in in_order(self._groups(trigger.when, view) if trigger.when else [None]):
                self._fire_for(trigger, instant, group, [], is_timed=True)
        self.scheduled = instant + 1

    def _time(self, segment: str, instant: int) -> None:
        self.timed[segment] = instant
        for event in self._evaluate_segment(segment, instant):
            self._run(
                replace(event, arrival=len(self.history), mark=self.clock, closing=self.closing)
            )

    def _release(self, trigger: Trigger, event: Event) -> None:
        self.sequences[trigger.name].waiting.remove(event)
        self._step(trigger, event)

    def _miss(self, trigger: Trigger, timer: Timer) -> None:
        self.sequences[trigger.name].timers.remove(timer)
        self._fire(trigger, timer.deadline, [timer.step], None, absence=timer)

    def _next_change(self, segment: str) -> int | None:
        """The next instant at which a feature that the segment reads changes by time alone."""
        if segment not in self.evaluated:
            return None
        stored = names.stored_features(self.plan, self.plan.segments[segment])
        instants = [instant for one in stored.values() for instant in self._changes(one)]
        for name, limit in names.time_limits(self.plan, self.plan.segments[segment]):
            counted = features.counted(self.plan.features[name], self.history)
            latest = max((event.time for event in counted), default=None)
            if latest is not None:
                instants += [latest + limit, latest + limit + 1]
        later = [instant for instant in instants if instant > self.evaluated[segment]]
        return min(later, default=None)

    def _changes(self, feature: Feature) -> Iterator[int]:
        events = features.counted(feature, self.history)
        if feature.window == "sliding":
            yield from (event.time + feature.size_ms for event in events)
        elif feature.window in features.WINDOWED:
            for event in events:
                for start, end in features.panes(feature, event):
                    yield from (end - feature.every_ms if feature.every_ms else start, end)
        elif feature.window == "session":
            for session in self.all_sessions():
                if any(event in session.events for event in events):
                    yield session.still_holds_at(self.plan) + 1

    # Closing

    def _windowed(self) -> Iterator[Feature]:
        for feature in self.plan.features.values():
            if feature.window in features.WINDOWED:
                yield feature

    def _closings(self) -> set[int]:
        instants = {session.last + self.plan.gap_ms for session in self.open_sessions()}
        for feature in self._windowed():
            for event in features.counted(feature, self.history):
                instants |= {end for _, end in features.panes(feature, event)}
        return {instant for instant in instants if instant >= self.clock}

    def _close(self, instant: int) -> None:
        """Closes the windows, then the sessions, that end at the instant; the clock passes it."""
        for feature in self._windowed():
            events = features.counted(feature, self.history)
            window = (instant - feature.size_ms, instant)
            if feature.calendar is not None:
                window = features.windows_of(feature, instant - 1)[0]
                if window[1] != instant:
                    continue
            held = [event for event in events if window in features.panes(feature, event)]
            self._emit_window(feature, window, held)
        for session in self.open_sessions():
            if session.last + self.plan.gap_ms == instant:
                self._end(session)
        self.clock = max(self.clock, instant + 1)

    def _emit_window(self, feature: Feature, window: tuple[int, int], held: list[Event]) -> None:
        groups = features.by_group(feature, held) if feature.by else {None: held} if held else {}
        for group, events in groups.items():
            by = None if feature.by is None else {feature.by: names.group_value(group)}
            self.emit({
                "kind": "window", "feature": feature.name, "user": self.id, "by": by,
                "start": window[0], "end": window[1],
                "value": features.aggregate(feature, events, window[1]),
            })  # fmt: skip

    def _end(self, session: sessions.Session) -> None:
        limit = session.last + self.plan.gap_ms
        is_cut = session.ended or any(
            session.last < other.start <= limit for other in self.all_sessions()
        )
        shown = {"start": session.start, "end": session.last, "events": len(session.events)}
        end = self._derived("session.end", session.last if is_cut else limit, shown)
        self.closing = True
        self._run(replace(end, arrival=len(self.history), mark=self.clock, closing=True))
        self.closing = False
        self.emit({"kind": "session", "user": self.id, **shown})
