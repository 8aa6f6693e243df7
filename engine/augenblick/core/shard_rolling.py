"""When which key group of a shard is snapshotted. Pure.

Key groups go in turn, the one that stands furthest back first, in small steps between batches. A
crash applies to each key group what came behind its own snapshot, and these stand evenly spread
over the last round: half of a round's events. So a round is as long as makes that `replay_max`, and
the journal's tail is at most twice as many events behind. Each set of snapshots ends with
SHARD_UNIT and is written as one; no other begins before it is. At an orderly stop a last round
takes all at once, so that the next start has nothing to replay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from augenblick import limits
from augenblick.core.effects import Confirm, Effect, Snapshot
from augenblick.core.shard_kernel import ShardKernel

_ROUND: Final = 1.5  # of the events that may be replayed; a set takes the rest of twice as many
_SETS: Final = 8  # in a round, at least: what waits for its set stands further back meanwhile


class RollingSnapshots:
    """The turn of one shard's key groups. `positions`: of those that have a snapshot."""

    def __init__(
        self,
        key_groups: Iterable[int],
        positions: Mapping[int, int],
        replay_max: int | None = None,
    ) -> None:
        self.is_writing = False  # a set is on its way to the disk
        self._turn = sorted(key_groups, key=lambda group: positions.get(group, -1))
        self._known = {group for group in self._turn if group in positions}
        if replay_max is None:
            replay_max = limits.checkpoint_replay_events_max
        self._round_events_max = replay_max * _ROUND
        self._done = 0  # key groups of this round
        self._round_ms: float | None = None
        self._round_events = 0
        self._round_records = 0
        self._set_ms = 0.0
        self._set_bytes = 0
        self._set_units = 0
        self._is_last = False
        self._is_hurried = False  # this round takes all at once
        self._ends_set = False  # such a round is through
        self._is_complete = False  # the last round

    @property
    def is_finished(self) -> bool:
        """Is the last round written?"""
        return self._is_complete and not self.is_writing

    def begin_last(self) -> None:
        """Nothing comes any more: snapshot what has changed, without leaving time between."""
        if not self._is_last:
            self._is_last = True
            self._done = 0

    def hurry(self) -> None:
        """Begin a round now, whatever has come, and leave no time between its steps."""
        if not self._is_last:
            self._is_hurried = True
            self._done = 0

    def step(self, kernel: ShardKernel, records: int, now_ms: float) -> list[Effect]:
        """The snapshots that are due; `records`: how many the journal got since the start."""
        if self.is_writing or self._is_complete:
            return []
        events = kernel.counters()["events"]
        if self._round_ms is None:
            self._begin_round(events, records, now_ms)
        is_idle = not self._done and records == self._round_records
        if is_idle and not (self._is_last or self._is_hurried):  # nothing to do so far
            self._round_ms = now_ms
            return []
        due = self._due(events, now_ms)
        if due <= self._done:
            return []
        changed = kernel.changed_groups()
        effects: list[Effect] = []
        step_bytes = 0
        step_bytes_max = limits.checkpoint_tick_bytes_max
        if self._is_last:
            step_bytes_max = limits.checkpoint_set_bytes_max
        for group in self._turn[self._done : due]:
            if group in self._known and not changed[group]:
                effects.append(Confirm(group))
            else:
                data = kernel.snapshot(group)
                step_bytes += len(data)
                self._known.add(group)
                effects.append(Snapshot(group, data))
            if step_bytes > step_bytes_max:
                break
        if not self._set_units:
            self._set_ms = now_ms
        self._set_bytes += step_bytes
        self._set_units += len(effects)
        self._done += len(effects)
        if self._done == len(self._turn):
            self._is_complete = self._is_last
            self._ends_set, self._is_hurried = self._is_hurried, False
            self._begin_round(events, records, now_ms)
        return effects

    def is_set_full(self, now_ms: float) -> bool:
        """Is it time to end the set?"""
        return self._set_units > 0 and (
            self._is_complete
            or self._ends_set
            or self._set_bytes >= limits.checkpoint_set_bytes_max
            or now_ms - self._set_ms >= limits.checkpoint_set_ms_max
            or (self._set_units >= len(self._turn) / _SETS and not self._is_last)
        )

    def on_set_ended(self) -> None:
        """The last snapshot of a set has left; the shell says when it is written."""
        self.is_writing = True
        self._ends_set = False
        self._set_bytes = self._set_units = 0

    def on_snapshotted(self) -> None:
        """Someone else has taken snapshots, which the kernel takes for ours: ours are all due."""
        self._known.clear()

    def _begin_round(self, events: int, records: int, now_ms: float) -> None:
        self._done = 0
        self._round_ms = now_ms
        self._round_events = events
        self._round_records = records

    def _due(self, events: int, now_ms: float) -> int:
        """How many key groups of the round are to be done by now: each is snapshotted once in a
        round, and a set takes a while to be written.
        """
        assert self._round_ms is not None
        if self._is_last or self._is_hurried:
            return len(self._turn)
        by_events = (events - self._round_events) / self._round_events_max
        by_time = (now_ms - self._round_ms) / limits.checkpoint_round_ms
        return int(min(max(by_events, by_time), 1.0) * len(self._turn))
