"""The reference traffic: what the figures are measured with is what the pages say."""

from collections import Counter
from typing import Any

import msgpack
import numpy as np
import pytest

from augenblick.plan.compiler import compile_plan
from augenblick_bench.harness.events import (
    BEHIND_MS,
    KINDS,
    WARM_IDS,
    WARM_PURCHASES,
    WARM_VIEWS,
    Block,
    EventMaker,
    Traffic,
)
from augenblick_bench.plans import REFERENCE, load

EVENTS = 20_000
BASE_MS = 1_700_000_000_000
TRAFFIC = Traffic(users=1_000, base_ms=BASE_MS, pace=1_000)


def decoded(block: Block) -> list[dict[str, Any]]:
    unpacker = msgpack.Unpacker()
    unpacker.feed(block.data)
    return [event for _, event in unpacker]


@pytest.fixture(scope="module")
def block() -> Block:
    return next(EventMaker(TRAFFIC).blocks(EVENTS))


@pytest.fixture(scope="module")
def events(block: Block) -> list[dict[str, Any]]:
    return decoded(block)


def test_the_same_arguments_give_the_same_bytes(block: Block) -> None:
    again = next(EventMaker(TRAFFIC).blocks(EVENTS))
    assert again.data == block.data
    assert again.ends.tolist() == block.ends.tolist()


def test_each_event_ends_where_the_block_says(block: Block) -> None:
    assert len(block) == EVENTS
    assert block.ends[-1] == len(block.data)
    start = int(block.ends[41])
    _, event = msgpack.unpackb(block.data[start : int(block.ends[42])])
    assert event["id"] == 42


def test_users_have_16_bytes_and_zipf_frequencies(events: list[dict[str, Any]]) -> None:
    counts = Counter(event["user"] for event in events)
    assert {len(user) for user in counts} == {16}
    first, tenth = counts["user000000000000"], counts["user000000000009"]
    assert first / EVENTS == pytest.approx(1 / sum(1 / np.arange(1, 1_001)), rel=0.1)
    assert first / tenth == pytest.approx(10, rel=0.25)


def test_a_view_has_110_bytes(events: list[dict[str, Any]]) -> None:
    views = [event for event in events if event["event"] == "view"]
    assert len(views) / EVENTS == pytest.approx(0.9, abs=0.02)
    sizes = {len(msgpack.packb({**event, "time": 2**62, "id": 2**63})) for event in views}
    assert sizes == {110}


def test_some_are_behind_and_some_are_repeats(events: list[dict[str, Any]]) -> None:
    largest = np.maximum.accumulate([event["time"] for event in events])
    behind = largest - np.array([event["time"] for event in events])
    assert (behind > 500).mean() == pytest.approx(0.05, abs=0.015)
    assert behind.max() < BEHIND_MS + 1_000
    ids = [event["id"] for event in events]
    assert 1 - len(set(ids)) / EVENTS == pytest.approx(0.01, abs=0.004)
    by_id: dict[int, dict[str, Any]] = {}
    for event in events:
        first = by_id.setdefault(event["id"], event)
        assert (first["user"], first["time"]) == (event["user"], event["time"])


def test_the_reference_plan_declares_these_events() -> None:
    program = compile_plan(load(REFERENCE))
    assert set(KINDS) <= set(program.event_names)


def test_the_warm_up_reaches_every_user(events: list[dict[str, Any]]) -> None:
    warm = [event for block in EventMaker(TRAFFIC).warm_up() for event in decoded(block)]
    counts = Counter((event["user"], event["event"]) for event in warm)
    assert set(counts.values()) == {WARM_VIEWS, WARM_PURCHASES}
    assert len(counts) == 2 * TRAFFIC.users
    views = Counter(
        (event["user"], event["props"]["category"]) for event in warm if event["event"] == "view"
    )
    assert set(views.values()) == {3}
    assert max(event["time"] for event in warm) < BASE_MS
    assert min(event["id"] for event in warm) == WARM_IDS
