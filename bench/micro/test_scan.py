"""What scanning and routing cost for one event, on one core: the gateway's share of the work.

The events are those of the reference load: 110 bytes of msgpack, user ids of 16 bytes with Zipf
keys over 100,000 users, 5 % out of order, an id each.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from augenblick.binding.scanning import ENTRIES, NDJSON, RECORDS, Router, Source, skip, to_msgpack
from augenblick.plan.program import Schema, SchemaProperty, Segment

EVENTS = 20_000
USERS = 100_000
SHARDS = 4
NOW = 1_700_000_000_000


@dataclass(frozen=True)
class Rules:
    """What the router reads of a program."""

    schemas: tuple[Schema, ...] = ()
    event_names: tuple[str, ...] = ("view", "add_to_cart")
    event_derived: tuple[bool, ...] = (False, False)
    unknown_events_refused: bool = False
    segments: tuple[Segment, ...] = ()
    lateness_ms: int = 5_000
    future_ms: int = 300_000


UNTYPED = Rules()
TYPED = Rules(
    schemas=tuple(
        Schema(
            event_id,
            (
                SchemaProperty("category", "str", False),
                SchemaProperty("sku", "str", False),
                SchemaProperty("price", "float", event_id == 0),
            ),
        )
        for event_id in range(2)
    )
)


def reference_events() -> list[dict[str, Any]]:
    chance = random.Random(1)
    ranks = np.random.default_rng(1).zipf(1.2, EVENTS * 4)
    users = [int(rank) for rank in ranks if rank <= USERS][:EVENTS]
    return [
        {
            "user": f"user{user:012d}",
            "event": "view" if chance.random() < 0.8 else "add_to_cart",
            "time": NOW + number - (chance.randrange(4_000) if chance.random() < 0.05 else 0),
            "id": 2**40 + number,
            "props": {
                "category": chance.choice(["cameras", "laptops", "garden"]),
                "sku": f"s{chance.randrange(10_000):06d}",
                "price": chance.randrange(100, 99_999) / 100,
            },
        }
        for number, user in enumerate(users)
    ]


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    return reference_events()


def measured(benchmark: BenchmarkFixture, work: Callable[[], Any], data: bytes) -> None:
    benchmark.pedantic(work, rounds=40, warmup_rounds=3)
    benchmark.extra_info["events"] = EVENTS
    benchmark.extra_info["ns_per_event"] = round(benchmark.stats.stats.min / EVENTS * 1e9, 1)
    benchmark.extra_info["ns_per_event_median"] = round(
        benchmark.stats.stats.median / EVENTS * 1e9, 1
    )
    benchmark.extra_info["bytes_per_event"] = round(len(data) / EVENTS, 1)


@pytest.mark.parametrize("program", [UNTYPED, TYPED], ids=["untyped", "typed"])
@pytest.mark.parametrize("form", ["records", "entries with a tag", "entries", "ndjson"])
def test_route(
    benchmark: BenchmarkFixture, events: list[dict[str, Any]], program: Rules, form: str
) -> None:
    format_ = {"records": RECORDS, "ndjson": NDJSON}.get(form, ENTRIES)
    if format_ == NDJSON:
        data = b"\n".join(json.dumps(event).encode() for event in events)
    elif format_ == ENTRIES:
        data = b"".join(msgpack.packb([NOW // 1000, event]) for event in events)
    else:
        data = b"".join(map(msgpack.packb, events))
    tag = b"app.web" if form == "entries with a tag" else b""
    router = Router(program, bytes(range(16)))
    router.set_table((np.arange(4096) % SHARDS).astype(np.uint16))

    def work() -> None:
        routed = router.route(data, 0, len(data), format_, Source(), NOW, tag=tag, chunk=b"c")
        assert routed.events == EVENTS
        for shard in range(SHARDS):
            router.take(shard)

    measured(benchmark, work, data)


def test_skip_a_chunk(benchmark: BenchmarkFixture, events: list[dict[str, Any]]) -> None:
    data = msgpack.packb(["tag", [[NOW // 1000, event] for event in events]])

    def work() -> None:
        assert skip(data, 0, len(data)) == len(data)

    measured(benchmark, work, data)


def test_json_to_msgpack(benchmark: BenchmarkFixture, events: list[dict[str, Any]]) -> None:
    data = json.dumps(events).encode()
    measured(benchmark, lambda: to_msgpack(data), data)
