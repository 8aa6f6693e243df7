"""A shard's part of a savepoint: all of its key groups as they stand at one journal position.

While they are snapshotted nothing is applied: batches wait, the clock stands, everything else goes
on. That lasts as long as the snapshots take (memory speed), not as long as writing them: they wait
for the disk or the network, up to `savepoint_waiting_bytes_max`. A place that is too slow for that
ends the savepoint, not the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from augenblick import limits
from augenblick.core.effects import DropSave, Effect, Save, Send
from augenblick.core.shard_kernel import ShardKernel
from augenblick.durability.formats.packs import SHARD_UNIT
from augenblick.link.messages import Kind


class ShardSavepoint:
    """One request; `url` is the savepoint's folder. It holds from the begin until `is_whole`."""

    def __init__(self, name: str, url: str, groups: Sequence[int], now_ms: float) -> None:
        self.name = name
        self.url = url
        self.held_ms = 0.0
        self.is_whole = False
        self._groups = groups
        self._done = 0
        self._began_ms = now_ms

    @property
    def has_begun(self) -> bool:
        """Has a key group been snapshotted?"""
        return self._done > 0

    @property
    def progress(self) -> dict[str, int]:
        """Key groups snapshotted, of how many."""
        return {"done": self._done, "groups": len(self._groups)}

    def is_too_slow(self, now_ms: float) -> bool:
        """Has it held the shard for longer than is bearable?"""
        return not self.is_whole and now_ms - self._began_ms > limits.savepoint_hold_ms_max

    def step(self, kernel: ShardKernel, waiting_bytes: int) -> list[Save]:
        """The next snapshots; `waiting_bytes`: of those before that are not written yet."""
        saves: list[Save] = []
        step_bytes = 0
        while (
            self._done < len(self._groups)
            and step_bytes < limits.savepoint_step_bytes
            and waiting_bytes + step_bytes < limits.savepoint_waiting_bytes_max
        ):
            group = self._groups[self._done]
            data = kernel.snapshot(group)
            saves.append(Save(self.name, self.url, group, data))
            step_bytes += len(data)
            self._done += 1
        return saves

    @property
    def has_all_groups(self) -> bool:
        """Is only the shard's own unit missing?"""
        return self._done == len(self._groups)

    def on_whole(self, now_ms: float) -> None:
        """Everything is snapshotted: the shard goes on."""
        self.is_whole = True
        self.held_ms = now_ms - self._began_ms


class SavepointDuty:
    """What a shard core does for savepoints: one at a time, the latest asked for.

    While `is_holding` the core applies nothing and moves no clock.
    """

    def __init__(self, kernel: ShardKernel) -> None:
        self._kernel = kernel
        self._current: ShardSavepoint | None = None

    @property
    def is_holding(self) -> bool:
        """Must the kernel stand still?"""
        return self._current is not None and not self._current.is_whole

    def on_request(
        self, header: dict[str, Any], is_recovering: bool, now_ms: float
    ) -> list[Effect]:
        """The coordinator's request; `go_on` follows."""
        if is_recovering:
            reason = "the shard is still recovering: try again when `status` shows it ready"
            return [_saved(header["name"], is_done=True, error=reason)]
        dropped = self._drop()
        groups = [one for low, high in header["ranges"] for one in range(low, high + 1)]
        self._current = ShardSavepoint(header["name"], header["url"], groups, now_ms)
        return dropped

    def go_on(
        self,
        waiting_bytes: int | None,
        unit: Callable[[], bytes],
        is_settled: bool,
        now_ms: float,
    ) -> list[Effect]:
        """The next snapshots; `unit` makes the shard's own, which is the last. The first come when
        the core `is_settled` (nothing that it has applied waits for the disk), the others when the
        shell says how much of those before waits.
        """
        current = self._current
        if current is None or current.is_whole:
            return []
        if current.is_too_slow(now_ms):
            seconds = limits.savepoint_hold_ms_max // 1000
            reason = f"too slow to take the state in {seconds} s: save to a local directory"
            return [*self._drop(), _saved(current.name, is_done=True, error=reason)]
        if (waiting_bytes is None) if current.has_begun else not is_settled:
            return []
        effects: list[Effect] = [*current.step(self._kernel, waiting_bytes or 0)]
        if current.has_all_groups:
            effects.append(Save(current.name, current.url, SHARD_UNIT, unit()))
            current.on_whole(now_ms)
        return effects

    def report(self) -> list[Effect]:
        """How far it is, once a second."""
        current = self._current
        return [] if current is None else [_saved(current.name, current.progress)]

    def on_saved(self, name: str, size: int, error: str) -> list[Effect]:
        """The shell has written the last unit, or has failed before."""
        current = self._current
        if current is None or current.name != name:
            return []
        self._current = None
        facts = {**current.progress, "bytes": size, "held_ms": round(current.held_ms, 1)}
        return [_saved(name, facts, is_done=True, error=error)]

    def on_dropped(self, name: str) -> list[Effect]:
        """The savepoint has failed elsewhere: there is nothing to hold for."""
        is_mine = self._current is not None and self._current.name == name
        return self._drop() if is_mine else []

    def _drop(self) -> list[Effect]:
        current, self._current = self._current, None
        return [] if current is None else [DropSave(current.name)]


def _saved(
    name: str,
    facts: dict[str, Any] | None = None,
    *,
    is_done: bool = False,
    error: str = "",
) -> Send:
    header = {"name": name, "is_done": is_done, "error": error, **(facts or {})}
    return Send("coordinator", Kind.SAVED, header)
