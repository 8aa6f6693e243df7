"""Simulated clusters: whatever the network does and whoever crashes, the firings are the same."""

import json
import os
import random
from collections import Counter

import msgpack
import numpy as np
import pytest
from tests.simulation.cluster import HASH_KEY, Cluster
from tests.simulation.network import World

from augenblick.binding.scanning import RECORDS, Router, Source
from augenblick.core.gateway_shards import MARK_BYTES
from augenblick.core.routing import even_ranges
from augenblick.plan.compiler import compile_plan
from augenblick.plan.load import load_plan
from augenblick.plan.program import Program
from augenblick.runtime.local import simulate

PLAN = """
plan: sim
sessions: {gap: 20s}
time: {lateness: 60s, clock: event}
features:
  views: {count: view, over: session}
  spend: {sum: buy.value, over: {sliding: 30s}}
segments:
  spender: spend >= 50
metrics:
  traffic: {count: "*", over: {tumbling: 5s}}
  sales:   {sum: buy.value, by: user, over: {tumbling: 10s}}
triggers:
  each_buy:  {event: buy, values: [spend], then: hook}
  third:     {when: views >= 3, then: hook}
  left:      {sequence: [cart, {not: buy}], within: 15s, then: hook}
  quick:     {sequence: [view, cart], within: 5s, match: sku, then: hook}
  rich:      {event: spender.enters, then: hook}
  quiet:     {when: traffic < 4, fire: each, then: hook}
  custom:    {actor: "shop:Custom", event: buy, then: hook}
actions:
  hook: {webhook: "https://example.test/"}
emit: {session: hook}
"""
LIMIT_MS = 600_000.0  # of virtual time, for everything to be delivered
BEGIN_MS = 1_700_000_000_000
SEEDS = 12 if "AUGENBLICK_SIM_SEED" not in os.environ else 1
FIRST_SEED = int(os.environ.get("AUGENBLICK_SIM_SEED") or 1)


@pytest.fixture(scope="module")
def program() -> Program:
    return compile_plan(load_plan(PLAN))


def _events(seed: int, count: int) -> list[dict[str, object]]:
    """A stream of a few users, out of order within the lateness, some events twice."""
    rng = random.Random(seed)
    events = []
    time_ms = BEGIN_MS
    for number in range(count):
        time_ms += rng.choice((0, 1, 40, 300, 2000))
        name = rng.choice(("view", "view", "view", "cart", "buy"))
        event = {
            "user": f"user-{rng.randrange(12)}",
            "event": name,
            "time": time_ms - rng.choice((0, 0, 0, 700)),
            "id": f"e{number}",
            "props": {"sku": rng.choice("abc"), "value": rng.randrange(1, 40)},
        }
        events.append(event)
        if rng.random() < 0.05:
            events.append(event)
    return events


def _chunks(events: list[dict[str, object]], rng: random.Random) -> list[bytes]:
    chunks = []
    at = 0
    while at < len(events):
        size = rng.randrange(1, 25)
        chunks.append(b"".join(msgpack.packb(event) for event in events[at : at + size]))
        at += size
    return chunks


def _expected(events: list[dict[str, object]]) -> set[str]:
    lines = [json.dumps(event).encode() + b"\n" for event in events]
    records = simulate(load_plan(PLAN), lines, emit=["firing"], drain=False)
    return {one["id"] for one in records if one["trigger"] != "custom"}


def _firings(cluster: Cluster) -> set[str]:
    return {
        one["id"]
        for one in cluster.received
        if one["kind"] == "firing" and one["trigger"] != "custom"
    }


def _run(cluster: Cluster, expected: set[str]) -> None:
    world = cluster.world

    def is_done() -> bool:
        return cluster.client.is_done and expected <= _firings(cluster) and cluster.is_quiet()

    assert world.run_until(is_done, LIMIT_MS), _difference(cluster, expected)
    world.run_until(lambda: False, 500.0)
    assert _firings(cluster) == expected, _difference(cluster, expected)


def _difference(cluster: Cluster, expected: set[str]) -> str:
    found = _firings(cluster)
    counts = Counter(one["reason"] for one in cluster.letters)
    firings = [one for one in cluster.received if one["kind"] == "firing"]
    triggers = Counter(one["trigger"] for one in firings if one["id"] not in expected)
    return (
        f"acked all: {cluster.client.is_done}, missing {len(expected - found)}, "
        f"too many {len(found - expected)} {triggers}, dead letters {counts}"
    )


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + SEEDS))
def test_breaks_and_crashes_change_no_firing(program: Program, seed: int) -> None:
    """Connections break, and everybody but a shard crashes, at random instants."""
    rng = random.Random(seed)
    events = _events(seed, 400)
    expected = _expected(events)
    assert len(expected) > 50
    world = World(seed, BEGIN_MS + 10_000_000.0)
    crashes = rng.choices(
        ("coordinator", "delivery", "gateway-0", "trigger-custom"), k=rng.randrange(6)
    )
    # What a new gateway gets again must not be late: a few chunks, far within the lateness.
    window = rng.choice((1, 2, 3)) if "gateway-0" in crashes else rng.choice((3, 10, 20))
    cluster = Cluster(world, program, rng.choice((1, 2, 3, 4)), _chunks(events, rng), window)
    for _ in range(rng.randrange(100)):
        delay_ms = rng.uniform(0, 1500)
        world.later(delay_ms, lambda: rng.choice(list(world.nodes.values())).break_one())
    for name in crashes:
        delay_ms = rng.uniform(200, 2000)
        world.later(delay_ms, lambda one=name: cluster.crash(one))
    _run(cluster, expected)
    bought = {event["id"] for event in events if event["event"] == "buy"}
    custom = {one["cause"]["id"] for one in cluster.received if one.get("trigger") == "custom"}
    assert custom == bought


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + 4))
def test_a_shard_that_crashes_stops_no_other(program: Program, seed: int) -> None:
    """Its users' state is lost; everybody else's firings are complete, and it goes on itself."""
    rng = random.Random(seed)
    events = _events(seed, 400)
    expected = _expected(events)
    world = World(seed, BEGIN_MS + 10_000_000.0)
    cluster = Cluster(world, program, 3, _chunks(events, rng), 3)
    lost_from_ms = world.now_ms + rng.uniform(100, 800)
    world.later(lost_from_ms - world.now_ms, lambda: cluster.crash("shard-1"))
    assert world.run_until(lambda: cluster.client.is_done and cluster.is_quiet(), 600_000.0)
    world.run_until(lambda: False, 2000.0)
    users = {str(event["user"]) for event in events}
    of_lost = {user for user in users if _shard_of(program, user) == 1}
    assert of_lost
    assert users - of_lost
    found = {
        (one["user"], one["id"])
        for one in cluster.received
        if one["kind"] == "firing" and one["user"] in users - of_lost
    }
    whole = {
        (one["user"], one["id"])
        for one in simulate(
            load_plan(PLAN),
            [json.dumps(event).encode() + b"\n" for event in events],
            emit=["firing"],
            drain=False,
        )
        if one["user"] in users - of_lost and one["trigger"] != "custom"
    }
    assert whole <= found
    assert expected


def test_the_orderly_stop_delivers_everything(program: Program) -> None:
    events = _events(7, 300)
    world = World(7, BEGIN_MS + 10_000_000.0)
    cluster = Cluster(world, program, 2, _chunks(events, random.Random(7)), 3)
    assert world.run_until(lambda: cluster.client.is_done, 60_000.0)
    coordinator = world.nodes["coordinator"]
    coordinator.carry_out(coordinator.core.on_stop(world.now_ms))
    assert world.run_until(lambda: cluster.is_stopped, 60_000.0)
    bought = [event for event in events if event["event"] == "buy"]
    fired = {one["cause"]["id"] for one in cluster.received if one.get("trigger") == "each_buy"}
    assert fired == {event["id"] for event in bought}


def _shard_of(program: Program, user: str) -> int:
    """The shard, of three, that owns a user: asked of a router of its own."""
    owners = [n for n, (first, last) in enumerate(even_ranges(3)) for _ in range(first, last + 1)]
    router = Router(program, HASH_KEY)
    router.set_table(np.array(owners, np.uint16))
    data = msgpack.packb({"user": user, "event": "view", "time": BEGIN_MS})
    router.route(data, 0, len(data), RECORDS, Source(), BEGIN_MS)
    return next(shard for shard in range(3) if len(router.take(shard)[0]) > MARK_BYTES)
