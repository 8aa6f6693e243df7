"""Planted mistakes that only a whole cluster shows: each has to be found by some seed."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.simulation import durable
from tests.simulation import test_cluster as plain
from tests.simulation.durable import DurableCluster
from tests.simulation.test_durable import PLAN, hurry, live

from augenblick.core import shard_rolling
from augenblick.core.effects import Append, Send
from augenblick.core.gateway_begin import Begin, GatewayBegin
from augenblick.core.outbox import Outbox
from augenblick.core.shard import ShardCore
from augenblick.core.shard_panes import ShardPanes
from augenblick.core.shard_replay import ShardReplay
from augenblick.durability.snapshot_set import SnapshotSet
from augenblick.errors import StorageError
from augenblick.link.messages import Kind
from augenblick.plan.compiler import compile_plan
from augenblick.plan.load import load_plan

SEEDS = range(1, 41)
Patch = pytest.MonkeyPatch
_APPLY: Callable[..., Any] = ShardCore._apply
_START: Callable[..., Any] = DurableCluster.start_shard


def _acks_at_once(monkeypatch: Patch) -> None:
    def hasty(self: ShardCore, peer: str, number: int, header: dict[str, Any], *more: Any) -> Any:
        effects = _APPLY(self, peer, number, header, *more)
        return [*effects, Send(peer, Kind.BATCH_ACK, {"seq": header["seq"]})]

    monkeypatch.setattr(ShardCore, "_apply", hasty)


def _fires_at_once(monkeypatch: Patch) -> None:
    def hasty(self: ShardCore, *arguments: Any) -> Any:
        effects = _APPLY(self, *arguments)
        for one in [one for one in effects if isinstance(one, Append)]:
            pending = self._pending[one.token]
            effects += self._out.hand_over(pending.outputs.releases, 0, 0.0)
            pending.outputs.releases = []
        return effects

    monkeypatch.setattr(ShardCore, "_apply", hasty)


def _keeps_the_epoch(monkeypatch: Patch) -> None:
    def again(self: DurableCluster, index: int, incarnation: int, is_start: bool = False) -> None:
        if self.disks[index].epoch:
            self.disks[index].epoch -= 1
        _START(self, index, incarnation, is_start)

    monkeypatch.setattr(DurableCluster, "start_shard", again)


def _notes_no_outcome(monkeypatch: Patch) -> None:
    monkeypatch.setattr(ShardCore, "_note_outcomes", lambda self, **_: self._end_if_done())


def _sends_final_ones_again(monkeypatch: Patch) -> None:
    monkeypatch.setattr(Outbox, "_shorten", lambda self, waiting: None)


def _forgets_panes(monkeypatch: Patch) -> None:
    monkeypatch.setattr(ShardPanes, "restore", lambda self, plain: None)


def _loses_what_was_to_leave(monkeypatch: Patch) -> None:
    monkeypatch.setattr(ShardReplay, "_take", lambda self, outputs: None)


def _truncates_too_early(monkeypatch: Patch) -> None:
    def greedy(self: SnapshotSet) -> None:
        self._checkpoint.commit()
        self._journal.truncate_below(self._journal.synced)

    monkeypatch.setattr(SnapshotSet, "write", greedy)


def _drops_what_is_held(monkeypatch: Patch) -> None:
    def forgetful(self: ShardCore, now_ms: float) -> Any:
        self._held.clear()
        return []

    monkeypatch.setattr(ShardCore, "_take_held", forgetful)


def _begins_at_the_largest(monkeypatch: Patch) -> None:
    """What one shard has still to get again is late there. Shards write their own units so rarely
    that clocks differ after a crash.
    """
    begin = GatewayBegin.begin
    monkeypatch.setattr(shard_rolling, "_SETS", 1)

    def largest(self: GatewayBegin, shards: Any, now_ms: int) -> Any:
        made = begin(self, shards, now_ms)
        return made and Begin(made.line_ms, made.line_ms, made.rose_ms)

    monkeypatch.setattr(GatewayBegin, "begin", largest)


@pytest.mark.parametrize(
    "plant",
    [
        _acks_at_once,
        _fires_at_once,
        _keeps_the_epoch,
        _notes_no_outcome,
        _sends_final_ones_again,
        _forgets_panes,
        _loses_what_was_to_leave,
        _truncates_too_early,
        _drops_what_is_held,
        _begins_at_the_largest,
    ],
)
def test_a_planted_mistake_is_found(monkeypatch: Patch, plant: Callable[[Patch], None]) -> None:
    program = compile_plan(load_plan(PLAN))
    hurry(monkeypatch)
    monkeypatch.setattr(plain, "LIMIT_MS", 100_000.0)
    monkeypatch.setattr(durable, "SPARE_SHARE", 0.0)  # who is away for longer shows more
    plant(monkeypatch)
    for seed in SEEDS:
        try:
            live(program, seed)
        except (AssertionError, StorageError):
            return
    pytest.fail(f"{len(SEEDS)} seeds do not notice")
