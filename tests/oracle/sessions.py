"""Sessions, folded from the applied events of one user in order of arrival."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from tests.oracle.events import Event
from tests.oracle.plan import Selector


class Rules(Protocol):
    """What decides where sessions end; a plan."""

    gap_ms: int
    max_ms: int
    ends_on: Selector | None


@dataclass
class Session:
    """A session and its events in order of arrival; never empty.

    `ended`: an event of `ends_on` was its last when it came. Nothing later joins it.
    """

    start: int
    last: int
    events: list[Event]
    ended: bool = False

    def holds(self, time: int, rules: Rules) -> bool:
        """Whether an event at `time` would belong to it: within gap, and stretched within max."""
        near = self.start - rules.gap_ms <= time <= self.last + rules.gap_ms
        fits = max(self.last, time) - min(self.start, time) <= rules.max_ms
        return near and fits and not (self.ended and time > self.last)

    def joins(self, other: Session, rules: Rules) -> bool:
        """Whether a later session, bridged to it by an event, becomes one with it."""
        fits = max(self.last, other.last) - min(self.start, other.start) <= rules.max_ms
        return fits and not (self.ended and other.last > self.last)

    def still_holds_at(self, rules: Rules) -> int:
        """The last instant that it holds."""
        if self.ended:
            return self.last
        return min(self.last + rules.gap_ms, self.start + rules.max_ms)

    def take(self, events: list[Event]) -> None:
        self.events = sorted([*self.events, *events], key=lambda event: event.arrival)
        self.start = min(event.time for event in self.events)
        self.last = max(event.time for event in self.events)


def fold(history: Iterable[Event], rules: Rules) -> list[Session]:
    """All sessions by start that the events make, closed ones included.

    A session whose `last + gap` the clock had strictly passed takes no further event. A late event
    (older than the clock) that finds no session belongs to none.
    """
    sessions: list[Session] = []
    for event in history:
        if event.derived:
            continue
        candidates = [
            session
            for session in sessions
            if event.mark <= session.last + rules.gap_ms and session.holds(event.time, rules)
        ]
        if not candidates:
            if event.time < event.mark:
                continue
            first = Session(event.time, event.time, [event])
            sessions.append(first)
        else:
            first, *others = candidates
            first.take([event])
            for other in others:
                if first.joins(other, rules):
                    first.ended = other.ended if other.last > first.last else first.ended
                    first.take(other.events)
                    sessions = [kept for kept in sessions if kept is not other]
        ends = rules.ends_on is not None and event.is_selected(rules.ends_on)
        first.ended = first.ended or (ends and event.time == first.last)
        sessions.sort(key=_by_start)
    return sessions


def _by_start(session: Session) -> tuple[int, int]:
    return session.start, session.events[0].arrival


def open_sessions(sessions: Iterable[Session], clock: int, gap_ms: int) -> list[Session]:
    """Those that the clock has not strictly passed."""
    return [session for session in sessions if clock <= session.last + gap_ms]


def session_at(sessions: Iterable[Session], time: int, rules: Rules) -> Session | None:
    """The session (of open ones, by start) that holds the instant."""
    return next((one for one in sessions if one.holds(time, rules)), None)
