"""Planted mistakes: each has to be found by some seed, or the simulation is too kind."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.simulation import test_cluster

from augenblick.core.gateway_shards import ShardQueue
from augenblick.core.metrics import MetricMerger
from augenblick.core.outbox import Outbox
from augenblick.plan.compiler import compile_plan
from augenblick.plan.load import load_plan

SEEDS = range(1, 16)


def _nothing(*_: Any) -> list[Any]:
    return []


def _forgets_what_is_open(self: Outbox, seq: int, outcomes: Any = None) -> Any:
    return _ON_DONE(self, seq, None)


_ON_DONE: Callable[..., Any] = Outbox.on_done


@pytest.mark.parametrize(
    ("owner", "name", "mutant"),
    [
        (Outbox, "resend", _nothing),
        (Outbox, "on_done", _forgets_what_is_open),
        (ShardQueue, "resend", _nothing),
        (MetricMerger, "restore", _nothing),
    ],
    ids=["outbox-resend", "outbox-done", "gateway-resend", "metrics-restore"],
)
def test_a_planted_mistake_is_found(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, mutant: Any
) -> None:
    program = compile_plan(load_plan(test_cluster.PLAN))
    monkeypatch.setattr(owner, name, mutant)
    monkeypatch.setattr(test_cluster, "LIMIT_MS", 20_000.0)
    for seed in SEEDS:
        try:
            test_cluster.test_breaks_and_crashes_change_no_firing(program, seed)
        except AssertionError:
            return
    pytest.fail(f"{owner.__name__}.{name} may be wrong and {len(SEEDS)} seeds do not notice")
