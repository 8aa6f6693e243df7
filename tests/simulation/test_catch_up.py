"""The whole engine away for a while, on the wall clock: clients buffer and bring it, the clock
stands meanwhile, and then timers that were due fire in time order, each once, with `late_by`.
"""

import json
import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

import msgpack
import pytest
from tests.simulation.cluster import START_MS, Cluster, GatewayNode
from tests.simulation.durable import DurableCluster
from tests.simulation.network import World
from tests.simulation.test_durable import hurry

from augenblick.binding.scanning import RECORDS
from augenblick.core.gateway_begin import Begin, GatewayBegin
from augenblick.core.shard_late import LateTimers
from augenblick.ingest.dialects import Chunk
from augenblick.plan.compiler import compile_plan
from augenblick.plan.load import load_plan
from augenblick.runtime.local import simulate

PLAN = """
plan: away
time: {lateness: 2s, idle: 500ms}
sessions: {gap: 40s}
triggers:
  left:  {sequence: [cart, {not: buy}], within: 30s, then: hook}
  third: {sequence: [view, view, view], within: 60s, then: hook}
actions:
  hook: {webhook: "https://example.test/"}
emit: {session: hook}
"""
BEGIN_MS = 1_700_000_000_000.0
CATCH_UP_MS = 10_000
SEEDS = range(12)
_APART = 100_000  # of the clients' chunks
Patch = pytest.MonkeyPatch


class LiveClient:
    """Makes its events at their times, and keeps them until they are acknowledged; after the engine
    was away it needs a while to come back.
    """

    def __init__(
        self, cluster: Cluster, connection: int, events: list[dict[str, Any]], back_ms: float
    ) -> None:
        self.acked: set[int] = set()
        self._cluster = cluster
        self._connection = connection
        self._events = events
        self._back_ms = back_ms
        self._from_ms = 0.0
        self._sent = 0
        self._gateway: GatewayNode | None = None
        self._go_on()

    @property
    def is_done(self) -> bool:
        """Is everything acknowledged?"""
        return len(self.acked) == len(self._events)

    def _go_on(self) -> None:
        world = self._cluster.world
        world.later(world.between((2.0, 20.0)), self._go_on)
        gateway = world.nodes["gateway-0"]
        assert isinstance(gateway, GatewayNode)
        if not gateway.is_alive or not gateway.core.is_ready:
            return
        if gateway is not self._gateway:
            self._from_ms = world.now_ms + (self._back_ms if self._gateway else 0.0)
            self._gateway = gateway
            self._sent = 0
        if gateway.is_paused or world.now_ms < self._from_ms:
            return
        if self._connection not in gateway.core.sources:
            gateway.carry_out(gateway.core.on_opened(self._connection, "client", world.now_ms))
        while self._sent < len(self._events) and self._events[self._sent]["time"] <= world.now_ms:
            if self._sent not in self.acked:
                self._bring(gateway, self._sent)
            self._sent += 1
        gateway.carry_out(gateway.core.on_turn_end(world.now_ms))

    def _bring(self, gateway: GatewayNode, number: int) -> None:
        data = msgpack.packb(self._events[number])
        ack = struct.pack("<I", self._connection * _APART + number)
        chunk = Chunk(RECORDS, data, 0, len(data), b"sim", ack, ack)
        now_ms = self._cluster.world.now_ms
        gateway.carry_out(gateway.core.on_chunk(self._connection, chunk, now_ms))


class LiveClients:
    """Several; an ack's number says whose it is."""

    def __init__(self, cluster: Cluster, parts: list[list[dict[str, Any]]], back_ms: float) -> None:
        self._clients = [
            LiveClient(cluster, number, part, back_ms * number)
            for number, part in enumerate(parts, 1)
        ]

    @property
    def is_done(self) -> bool:
        """Is everything acknowledged?"""
        return all(client.is_done for client in self._clients)

    def on_ack(self, number: int) -> None:
        """A chunk is confirmed."""
        self._clients[number // _APART - 1].acked.add(number % _APART)


class AwayCluster(DurableCluster):
    """On the wall clock; `go_away` ends everything, and it starts again later."""

    is_event_clock = False
    catch_up_ms = CATCH_UP_MS
    parts: list[list[dict[str, Any]]]
    back_ms: float

    def make_client(self, chunks: Sequence[bytes], window: int) -> LiveClients:
        return LiveClients(self, self.parts, self.back_ms)

    def go_away(self, down_ms: float, *, is_orderly: bool) -> None:
        """Stop or crash; the start begins after so long."""
        if is_orderly:
            coordinator = self.world.nodes["coordinator"]
            coordinator.carry_out(coordinator.core.on_stop(self.world.now_ms))
            self._end_when_stopped(down_ms)
        else:
            self._end(down_ms)

    def _end_when_stopped(self, down_ms: float) -> None:
        if self.is_stopped:
            self._end(down_ms)
        else:
            self.world.later(10.0, lambda: self._end_when_stopped(down_ms))

    def _end(self, down_ms: float) -> None:
        self.start_ms = (down_ms, down_ms + START_MS[1])
        self.crash_all()
        self.start_ms = START_MS


def _script(rng: random.Random) -> list[dict[str, Any]]:
    """Two minutes of some users."""
    events = []
    at_ms = int(BEGIN_MS) + 2000
    for number in range(rng.choice((40, 120))):
        at_ms += rng.choice((20, 300, 900, 2500))
        events.append(
            {
                "user": f"user-{rng.randrange(10)}",
                "event": rng.choice(("view", "view", "cart", "buy")),
                "time": at_ms,
                "id": f"e{number}",
            }
        )
    return events


def _name(record: dict[str, Any]) -> str:
    names = ("id",) if record["kind"] == "firing" else ("user", "start", "end", "events")
    return json.dumps([record["kind"], *(record[name] for name in names)])


def live(seed: int) -> AwayCluster:
    """One engine that is away once; what leaves is what had left if it had never been."""
    rng = random.Random(f"away/{seed}")
    events = _script(rng)
    lines = [json.dumps(event).encode() + b"\n" for event in events]
    expected = {_name(one) for one in simulate(load_plan(PLAN), lines, emit=["firing", "session"])}
    world = World(seed, BEGIN_MS)
    whose = {f"user-{number}": rng.randrange(2) for number in range(10)}
    AwayCluster.parts = [
        [event for event in events if whose[event["user"]] == number] for number in range(2)
    ]
    AwayCluster.back_ms = rng.choice((0.0, 1500.0, 4000.0))
    program = compile_plan(load_plan(PLAN))
    data = b"".join(map(msgpack.packb, events))
    cluster = AwayCluster(world, program, rng.choice((1, 2)), [data], 1)
    down_ms = rng.choice((5_000.0, 40_000.0, 90_000.0))
    is_orderly = rng.random() < 0.5
    away_ms = rng.uniform(10_000, 60_000)
    world.later(away_ms, lambda: cluster.go_away(down_ms, is_orderly=is_orderly))
    seen = 0

    def is_done() -> bool:
        nonlocal seen
        if len(cluster.received) == seen or not cluster.client.is_done:
            return False
        seen = len(cluster.received)
        return expected <= set(map(_name, cluster.received))

    is_down_ms = 2_000 + down_ms + CATCH_UP_MS  # with stop and start
    last_ms = max(events[-1]["time"] + 42_000, BEGIN_MS + away_ms + is_down_ms)
    assert world.run_until(is_done, last_ms + 4_000 - BEGIN_MS), "it comes too late"
    world.run_until(lambda: False, 1000.0)
    assert cluster.client.is_done, "not everything is acknowledged"
    assert [one["reason"] for one in cluster.letters if one["reason"] != "duplicate"] == []
    names = set(map(_name, cluster.received))
    assert names == expected, (sorted(expected - names)[:3], sorted(names - expected)[:3])
    _check_late(cluster, BEGIN_MS + away_ms, down_ms)
    return cluster


def _check_late(cluster: AwayCluster, away_ms: float, down_ms: float) -> None:
    """`late_by` is on what was due while the engine was away or its clock stood, and there only."""
    back_ms = away_ms + down_ms
    for one in cluster.received:
        if one.get("trigger") != "left":
            assert "late_by" not in one
            continue
        due_ms = one["time"] + 2000  # lateness
        if away_ms + 3000 < due_ms < back_ms + CATCH_UP_MS - 1000:
            assert abs(one.get("late_by", 0) - (one["fired_at"] - due_ms)) < 1500, one
            assert one["fired_at"] >= back_ms + CATCH_UP_MS
        elif not away_ms - 3000 < due_ms < back_ms + CATCH_UP_MS + 3000:
            assert "late_by" not in one


@pytest.mark.parametrize("seed", SEEDS)
def test_an_engine_that_was_away_misses_nothing(seed: int, monkeypatch: Patch) -> None:
    hurry(monkeypatch)
    live(seed)


def _never_waits(monkeypatch: Patch) -> None:
    monkeypatch.setattr(AwayCluster, "catch_up_ms", 0)


def _forgets_the_time_away(monkeypatch: Patch) -> None:
    begin = GatewayBegin.begin

    def now_only(self: GatewayBegin, shards: Any, now_ms: int) -> Any:
        made = begin(self, shards, now_ms)
        return made and Begin(made.watermark_ms, made.line_ms, now_ms)

    monkeypatch.setattr(GatewayBegin, "begin", now_only)


def _says_nothing_of_lateness(monkeypatch: Patch) -> None:
    monkeypatch.setattr(LateTimers, "_mark", lambda self, outputs, now_ms: None)


@pytest.mark.parametrize("plant", [_never_waits, _forgets_the_time_away, _says_nothing_of_lateness])
def test_a_planted_mistake_is_found(plant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    hurry(monkeypatch)
    plant(monkeypatch)
    for seed in SEEDS:
        try:
            live(seed)
        except AssertionError:
            return
    pytest.fail(f"{len(SEEDS)} seeds do not notice")
