"""The gateway's sources and the watermark they make together.

A source is one Forward connection, or all HTTP requests of the gateway together. It counts from
its first event until it closes. On the event clock nothing but events and end marks move time. On
the wall clock a source that is silent for `idle` goes on at the wall clock's rate from where it
stood, unless what it sent last was old data (a replay); when no source decides, the gateway's own
clock goes on the same way. The watermark never goes back.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from augenblick.binding.scanning import Source
from augenblick.limits import source_lags_max
from augenblick.plan.program import Clock, Program

NO_WATERMARK: Final = -(2**63)
NO_OTHERS: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ClockRules:
    """What of the plan's `time:` rules the gateway's clock, all in ms."""

    lateness_ms: int
    idle_ms: int
    future_ms: int
    is_event_clock: bool
    catch_up_ms: int = 0  # after a start of the whole engine

    @classmethod
    def of(cls, program: Program, clock: Clock | None = None, catch_up_ms: int = 0) -> "ClockRules":
        """The rules of a plan; the command's clock wins over the plan's, which wins over wall."""
        is_event = (clock or program.clock) == "event"
        return cls(program.lateness_ms, program.idle_ms, program.future_ms, is_event, catch_up_ms)


@dataclass(slots=True)
class OpenSource:
    """One source of events: its native counters and what the gateway knows about it.

    `requests` counts the open HTTP requests; None for a connection, which counts while it is open.
    `is_backlog`: its latest event came while the clock stood, or directly after events that did,
    and would have been late had the clock gone on: what it had buffered while the engine was away.
    """

    connection: int
    peer: str
    native: Source
    requests: int | None = None
    is_paused: bool = False
    is_backlog: bool = False
    heard_ms: int = NO_WATERMARK  # not before this could it be heard: it was paused, or we stood
    ended_ms: int = NO_WATERMARK  # largest event time when it said that this was the end
    chunks: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    lags_ms: deque[int] = field(default_factory=lambda: deque(maxlen=source_lags_max))

    @property
    def is_counting(self) -> bool:
        """Does it take part in the gateway's watermark at all?"""
        return self.native.events > 0 and self.requests != 0

    def watermark_ms(self, rules: ClockRules) -> int:
        """Where its own events and end mark put it."""
        native = self.native
        largest_ms = native.max_event_ms if rules.is_event_clock else native.max_event_clock_ms
        ended_ms = self.ended_ms + 1 if self.ended_ms != NO_WATERMARK else NO_WATERMARK
        return max(largest_ms - rules.lateness_ms, ended_ms)

    def is_idle(self, rules: ClockRules, now_ms: int) -> bool:
        """Silent for `idle` although it was free to send; never on the event clock."""
        if rules.is_event_clock or self.is_paused:
            return False
        return now_ms - max(self.native.ingest_ms, self.heard_ms) >= rules.idle_ms

    def is_replay(self, rules: ClockRules) -> bool:
        """Was its largest event time old when its last event came?"""
        return self.native.ingest_ms - self.native.max_event_ms > rules.future_ms

    def status(self) -> dict[str, Any]:
        """Plain values for `status`."""
        lags = sorted(self.lags_ms)
        events = self.native.events
        return {
            "peer": self.peer,
            "events": events,
            "chunks": self.chunks,
            "refused": dict(self.refused),
            "late_share": self.native.late / events if events else 0.0,
            "lag_p99_ms": lags[(len(lags) * 99 - 1) // 100] if lags else None,
            "is_paused": self.is_paused,
        }


class Sources:
    """All open sources and the clock they make; used by GatewayCore only."""

    def __init__(self, rules: ClockRules, new_source: Callable[[], Source] = Source) -> None:
        self.rules = rules
        self._new_source = new_source
        self._open: dict[int, OpenSource] = {}
        self._line_ms: int | None = None  # the gateway's clock goes on as now + this

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[OpenSource]:
        return iter(self._open.values())

    def __contains__(self, connection: int) -> bool:
        return connection in self._open

    def open(self, connection: int, peer: str, *, is_http: bool) -> OpenSource:
        """A connection was opened, or the HTTP port is there."""
        source = OpenSource(connection, peer, self._new_source(), 0 if is_http else None)
        self._open[connection] = source
        return source

    def close(self, connection: int) -> OpenSource | None:
        """The connection is gone: its source counts no more and holds nobody up."""
        return self._open.pop(connection, None)

    def get(self, connection: int) -> OpenSource | None:
        """The open source of a connection."""
        return self._open.get(connection)

    def others_min_ms(self, source: OpenSource, watermark_ms: int, now_ms: int) -> int:
        """How far the sources beside this one let the gateway go."""
        least_ms = NO_OTHERS
        for other in self._open.values():
            if other is source or not other.is_counting or other.is_idle(self.rules, now_ms):
                continue
            own_ms = other.watermark_ms(self.rules)
            if watermark_ms <= own_ms < least_ms:
                least_ms = own_ms
        return least_ms

    def note_standstill(self, now_ms: int) -> None:
        """This process stood still: what its sources sent meanwhile is yet to be read."""
        for source in self._open.values():
            source.heard_ms = now_ms

    def note_events(
        self, source: OpenSource, watermark_ms: int, *, is_standing: bool = False
    ) -> None:
        """The source's events were just routed: the gateway's clock would go on from here, unless
        it stands and goes on from where it stood.
        """
        native, line_ms = source.native, self._line_ms
        if line_ms is not None and (is_standing or source.is_backlog):
            source.is_backlog = native.max_event_clock_ms < native.ingest_ms + line_ms
            if is_standing or source.is_backlog:
                return
        if source.watermark_ms(self.rules) >= watermark_ms:
            self._keep_line(watermark_ms, native.ingest_ms, source.is_replay(self.rules))

    def begin_at(self, watermark_ms: int, ingest_ms: int) -> None:
        """The watermark at which earlier gateways stood, and when they had reached it."""
        is_replay = ingest_ms - (watermark_ms + self.rules.lateness_ms) > self.rules.future_ms
        self._keep_line(watermark_ms, ingest_ms, is_replay)

    def watermark_at(self, watermark_ms: int, now_ms: int) -> int:
        """The gateway's watermark at `now_ms`, from where it stands: the same or a larger one."""
        counting = [source for source in self._open.values() if source.is_counting]
        standing = [
            own_ms
            for source in counting
            if not source.is_idle(self.rules, now_ms)
            and (own_ms := source.watermark_ms(self.rules)) >= watermark_ms
        ]
        if standing:
            return min(standing)
        if self.rules.is_event_clock:
            return watermark_ms
        going_on = []
        is_held = False
        for source in counting:
            own_ms = source.watermark_ms(self.rules)
            if source.is_backlog or not source.is_idle(self.rules, now_ms):
                continue
            if source.is_replay(self.rules):
                is_held = is_held or own_ms >= watermark_ms
            elif (gone_ms := own_ms + now_ms - source.native.ingest_ms) >= watermark_ms:
                going_on.append(gone_ms)
        if going_on:
            return min(going_on)
        if is_held or self._line_ms is None:
            return watermark_ms
        return max(watermark_ms, now_ms + self._line_ms)

    def is_clock_running(self, watermark_ms: int) -> bool:
        """Does this gateway's clock move or will it? If not, the shards leave it out."""
        if self._line_ms is not None and not self.rules.is_event_clock:
            return True
        return any(
            source.is_counting and source.watermark_ms(self.rules) >= watermark_ms
            for source in self._open.values()
        )

    def _keep_line(self, watermark_ms: int, ingest_ms: int, is_replay: bool) -> None:
        self._line_ms = None if is_replay else watermark_ms - ingest_ms
