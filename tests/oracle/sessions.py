"""Sessions, folded from the applied events of one user in order of arrival."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.oracle.events import Event


@dataclass
class Session:
    """A session and its events in order of arrival; never empty."""

    start: int
    last: int
    events: list[Event]

    def holds(self, time: int, gap_ms: int, max_ms: int) -> bool:
        """Whether an event at `time` would belong to it: within gap, and stretched within max."""
        near = self.start - gap_ms <= time <= self.last + gap_ms
        return near and max(self.last, time) - min(self.start, time) <= max_ms

    def take(self, events: list[Event]) -> None:
        self.events = sorted([*self.events, *events], key=lambda event: event.arrival)
        self.start = min(event.time for event in self.events)
        self.last = max(event.time for event in self.events)


def fold(history: Iterable[Event], gap_ms: int, max_ms: int) -> list[Session]:
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
            if event.mark <= session.last + gap_ms and session.holds(event.time, gap_ms, max_ms)
        ]
        if not candidates:
            if event.time >= event.mark:
                sessions.append(Session(event.time, event.time, [event]))
                sessions.sort(key=_by_start)
            continue
        first, *others = candidates
        first.take([event])
        for other in others:
            if max(first.last, other.last) - min(first.start, other.start) <= max_ms:
                first.take(other.events)
                sessions = [kept for kept in sessions if kept is not other]
        sessions.sort(key=_by_start)
    return sessions


def _by_start(session: Session) -> tuple[int, int]:
    return session.start, session.events[0].arrival


def open_sessions(sessions: Iterable[Session], clock: int, gap_ms: int) -> list[Session]:
    """Those that the clock has not strictly passed."""
    return [session for session in sessions if clock <= session.last + gap_ms]


def session_at(sessions: Iterable[Session], time: int, gap_ms: int, max_ms: int) -> Session | None:
    """The session (of open ones, by start) that holds the instant."""
    return next((one for one in sessions if one.holds(time, gap_ms, max_ms)), None)
