"""Clusters with disks: whoever dies, with its machine or alone, what leaves is the same."""

import json
import os
import random
import re
from typing import Any

import pytest
from tests.simulation import durable
from tests.simulation import test_cluster as plain
from tests.simulation.durable import DurableCluster
from tests.simulation.network import World

from augenblick import limits
from augenblick.core.gateway import GatewayCore
from augenblick.durability.formats.packs import SHARD_UNIT
from augenblick.plan.compiler import compile_plan
from augenblick.plan.load import load_plan
from augenblick.plan.program import Program
from augenblick.runtime.local import simulate

PLAN = plain.PLAN.replace(
    "emit: {session: hook}", "emit: {session: hook, metric: {traffic: hook, sales: hook}}"
)
PSEUDONYMS = PLAN.replace("plan: sim", "plan: sim\npseudonymise: true")
SEEDS = 100 if "AUGENBLICK_SIM_SEED" not in os.environ else 1
EVERYBODY = ("coordinator", "delivery", "gateway-0", "trigger-custom")


@pytest.fixture(scope="module")
def program() -> Program:
    return compile_plan(load_plan(PLAN))


def _name(record: dict[str, Any]) -> str:
    """What makes a record that leaves the one it is; the values too."""
    kinds = {
        "firing": ("id",),
        "session": ("user", "start", "end", "events"),
        "metric": ("metric", "by", "start", "end", "value"),
    }
    names = kinds[record["kind"]]
    return json.dumps([record["kind"], *(record[name] for name in names)], sort_keys=True)


def expected_of(events: list[dict[str, object]], plan: str = PLAN) -> set[str]:
    """What one process makes of the same events in the same order."""
    lines = [json.dumps(event).encode() + b"\n" for event in events]
    emit = ["firing", "session", "metric"]
    records = simulate(load_plan(plan), lines, emit=emit, drain=False)
    return {_name(one) for one in records if one.get("trigger") != "custom"}


class Found:
    """What the target has accepted so far."""

    def __init__(self, cluster: DurableCluster) -> None:
        self.names: set[str] = set()
        self._cluster = cluster
        self._seen = 0

    def look(self) -> set[str]:
        """The names of all, with those that came since the last look."""
        new = self._cluster.received[self._seen :]
        self._seen += len(new)
        self.names |= {_name(one) for one in new if one.get("trigger") != "custom"}
        return self.names


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of the checkpoint every few events."""
    monkeypatch.setattr(limits, "checkpoint_replay_events_max", 60)
    monkeypatch.setattr(limits, "checkpoint_set_ms_max", 100)
    monkeypatch.setattr(limits, "checkpoint_round_ms", 1000)
    monkeypatch.setattr(limits, "journal_unanswered_bytes_max", 1200)
    monkeypatch.setattr(limits, "savepoint_step_bytes", 400_000)


def live(program: Program, seed: int) -> DurableCluster:
    """One cluster's life: its faults come in the first two seconds, then it has to come right."""
    rng = random.Random(f"durable/{seed}")
    events = plain._events(seed, 300)
    # The end is the largest time of its connection, and the last chunk may be all that one has.
    end_ms = max(int(str(event["time"])) for event in events) + 1
    events.append({**events[-1], "event": "view", "id": "e300", "time": end_ms})
    expected = expected_of(events, PSEUDONYMS if program.pseudonymise else PLAN)
    world = World(seed, plain.BEGIN_MS + 10_000_000.0)
    crashes = rng.choices(EVERYBODY, k=rng.randrange(4))
    shards = rng.choice((1, 2, 3))
    loses_all = rng.random() < 0.3
    window = rng.choice((1, 3, 10))
    cluster = DurableCluster(world, program, shards, plain._chunks(events, rng), window)
    for _ in range(rng.randrange(30)):
        delay_ms = rng.uniform(0, 1500)
        world.later(delay_ms, lambda: rng.choice(list(world.nodes.values())).break_one())
    crashes += [f"shard-{rng.randrange(shards)}" for _ in range(rng.randrange(1, 6))]
    for name in crashes:
        world.later(rng.uniform(100, 2000), lambda one=name: cluster.crash(one))
    for _ in range(rng.randrange(4)):
        files = cluster.disks[rng.randrange(shards)].files
        fault, value = rng.choice(
            (("crash_at", rng.randrange(30)), ("failing_syncs", 1), ("room_bytes", 20_000))
        )
        delay_ms = rng.uniform(50, 2000)
        world.later(delay_ms, lambda one=(files, fault, value): setattr(*one))
        world.later(delay_ms + 300, lambda one=files: setattr(one, "room_bytes", None))
    if seed % 3 == 0:
        for delay_ms in range(300, 3000, 300):
            world.later(delay_ms, cluster.ask_savepoint)
    if loses_all:
        world.later(rng.uniform(200, 2000), cluster.crash_all)

    target = Found(cluster)

    def is_done() -> bool:
        is_all = cluster.client.is_done and expected <= target.look()
        return is_all and cluster.is_quiet()

    world.run_until(is_done, plain.LIMIT_MS)
    world.run_until(lambda: False, 1000.0)
    found = target.look()
    assert cluster.client.is_done, "not everything is acknowledged"
    assert found == expected, (sorted(expected - found)[:3], sorted(found - expected)[:3])
    for savepoint in cluster.savepoints:
        units = [
            one for (name, _), part in cluster.saved.items() if name == savepoint for one in part
        ]
        assert sorted(set(units)) == list(range(SHARD_UNIT + 1))
    bought = {event["id"] for event in events if event["event"] == "buy"}
    custom = {one["cause"]["id"] for one in cluster.received if one.get("trigger") == "custom"}
    assert custom == bought
    return cluster


@pytest.mark.parametrize("seed", range(plain.FIRST_SEED, plain.FIRST_SEED + SEEDS))
def test_crashes_of_shards_and_machines_change_nothing(
    program: Program, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    live(program, seed)


@pytest.mark.parametrize("seed", range(1, 11))
def test_pseudonyms_stay_the_same_whoever_dies(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    cluster = live(compile_plan(load_plan(PSEUDONYMS)), seed)
    users = {one["user"] for one in cluster.received if one.get("user") is not None}
    assert users
    assert all(re.fullmatch("[0-9a-f]{32}", user) for user in users)


def test_the_seeds_have_what_they_are_about(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    clusters = [live(program, seed) for seed in range(1, 10)]
    disks = [disk for cluster in clusters for disk in cluster.disks]
    assert sum(len(cluster.savepoints) for cluster in clusters) > 0
    assert sum(cluster.takeovers for cluster in clusters) > 5
    assert sum(disk.recoveries for disk in disks) > 30
    assert sum(disk.replayed for disk in disks) > 300
    assert sum(disk.from_checkpoint for disk in disks) > 10


def _taken_over_alone(program: Program, seed: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """The coordinator is gone for good when every shard dies: is all acknowledged in the end?"""
    monkeypatch.setattr(durable, "SPARE_SHARE", 1.0)
    rng = random.Random(f"alone/{seed}")
    world = World(seed, plain.BEGIN_MS + 10_000_000.0)
    chunks = plain._chunks(plain._events(seed, 300), rng)
    cluster = DurableCluster(world, program, 2, chunks, window=1)
    world.run_until(
        lambda: cluster.table is not None and world.nodes["gateway-0"].core.is_ready, 5000.0
    )
    world.nodes["coordinator"].crash()
    for name in ("shard-0", "shard-1"):
        world.later(rng.uniform(0, 100), lambda one=name: cluster.crash(one))
    world.run_until(lambda: cluster.client.is_done, 20_000.0)
    assert cluster.takeovers >= 2
    return bool(cluster.client.is_done)


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_takeover_needs_no_coordinator(
    program: Program, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _taken_over_alone(program, seed, monkeypatch)


def test_gateways_that_only_believe_the_coordinator_are_found(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_connected = GatewayCore.on_peer_connected

    def deaf(core: GatewayCore, peer: str, hello: dict[str, Any], now_ms: float) -> Any:
        return on_connected(core, peer, {**hello, "epoch": 0}, now_ms)

    monkeypatch.setattr(GatewayCore, "on_peer_connected", deaf)
    assert not _taken_over_alone(program, 1, monkeypatch)
