"""The orderly stop: spares, then gateways, shards, trigger hosts and delivery."""

from __future__ import annotations

from typing import Final

from augenblick import limits
from augenblick.core.coordinator_members import Members
from augenblick.core.effects import Send
from augenblick.link.messages import Kind

_PHASES: Final = ("spare", "gateway", "shard", "host", "delivery")


class StopPlan:
    """Where the stop stands. A phase ends when each of its members has said `STOPPED` or has gone,
    or after `stop_phase_ms_max`. `pauses`: behind the shards' phase, where nothing comes in any
    more and what fired has left, it waits for `go_on`. `late_gateways`: those that still held
    events when their phase ended.
    """

    def __init__(self, members: Members, now_ms: float, *, pauses: bool = False) -> None:
        self.is_complete = False
        self.is_paused = False
        self.late_gateways: list[str] = []
        self._pauses = pauses
        self._members = members
        self._phase = -1
        self._waiting: set[str] = set()
        self._since_ms = now_ms

    def advance(self, done: str, own_waiting: int, now_ms: float) -> list[Send]:
        """`done` has stopped or gone ("" if nobody); `own_waiting`: the coordinator's unanswered
        messages to delivery, which have to leave before delivery stops.
        """
        self._waiting.discard(done)
        sends: list[Send] = []
        while not self.is_complete:
            is_late = now_ms - self._since_ms > limits.stop_phase_ms_max
            holds = self._waiting or (self._next == "delivery" and own_waiting)
            if holds and not is_late:
                break
            if self._phase >= 0 and _PHASES[self._phase] == "gateway" and self._waiting:
                self.late_gateways = sorted(self._waiting)
            self.is_paused = self._pauses and self._next == "host"
            if self.is_paused:
                break
            self._phase += 1
            self._since_ms = now_ms
            if self._phase == len(_PHASES):
                self.is_complete = True
                break
            names = [
                member.name
                for member in self._members.of_role(_PHASES[self._phase])
                if member.is_up
            ]
            self._waiting = set(names)
            sends += [Send(name, Kind.STOP) for name in names]
        return sends

    def go_on(self) -> None:
        """Wait no more."""
        self._pauses = self.is_paused = False

    @property
    def _next(self) -> str:
        return _PHASES[self._phase + 1] if self._phase + 1 < len(_PHASES) else ""
