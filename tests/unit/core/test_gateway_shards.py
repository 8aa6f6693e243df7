"""Batches to one shard: numbering, acks, resends, splitting."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.native.routing import Event, Mark, items

from augenblick.core.gateway_shards import ShardQueue, Waiter, split_stream
from augenblick.limits import batch_bytes_max, batches_in_flight_max

FACTS = {"incarnation": 1, "watermark_ms": 7, "is_running": True}


class Routed:
    """A router's buffer for one shard."""

    def __init__(self):
        self.stream = b""

    def pending(self, shard):
        return len(self.stream)

    def take(self, shard):
        taken, self.stream = self.stream, b""
        return taken, 0


def mark(watermark_ms: int) -> bytes:
    return struct.pack("<IIqq", 0xFFFFFFFF, 0, watermark_ms, 5)


def event(number: int, size: int = 10) -> bytes:
    return struct.pack("<IIqQQQ", size, 0, 1, 2, number, 3) + bytes(size)


@pytest.fixture
def queue():
    made = ShardQueue(3, Routed())
    made.is_up = True
    made.epoch = 9
    return made


def put(queue, *parts):
    queue._router.stream += b"".join(parts)


def test_a_batch(queue):
    put(queue, mark(1), event(1))
    queue.received_us = 77
    [sent] = queue.flush(FACTS)
    assert sent.peer == "shard-3"
    assert sent.header == {"seq": 1, "epoch": 9, "received_us": 77, **FACTS}
    assert sent.payload == mark(1) + event(1)
    assert not list(queue.flush(FACTS))
    put(queue, mark(2))
    [second] = queue.flush(FACTS)
    assert second.header["seq"] == 2
    assert second.header["received_us"] == 0


def test_nothing_leaves_while_the_shard_is_away(queue):
    queue.is_up = False
    put(queue, mark(1))
    assert not list(queue.flush(FACTS))
    assert queue.waiting_bytes == 24


def test_acks_release_waiters_that_have_no_other_shard(queue):
    mine, shared = Waiter(1, b"a", left=1), Waiter(2, b"b", left=2)
    put(queue, mark(1))
    queue.waiters = [mine, shared]
    list(queue.flush(FACTS))
    put(queue, mark(2))
    queue.waiters = [later := Waiter(3, b"c", left=1)]
    list(queue.flush(FACTS))
    assert list(queue.acknowledge(1)) == [mine]
    assert shared.left == 1
    assert list(queue.acknowledge(1)) == []
    assert list(queue.acknowledge(2)) == [later]
    assert queue.is_empty
    assert queue.waiting_bytes == 0


def test_an_ack_counts_for_all_before(queue):
    for number in range(batches_in_flight_max):
        put(queue, mark(number))
        list(queue.flush(FACTS))
    list(queue.acknowledge(batches_in_flight_max - 1))
    assert [sent.header["seq"] for sent in queue.resend()] == [batches_in_flight_max]


def test_resends_keep_numbers_and_facts_and_take_the_new_epoch(queue):
    for number in range(3):
        put(queue, mark(number))
        list(queue.flush({**FACTS, "watermark_ms": number}))
    queue.epoch = 10
    again = list(queue.resend())
    assert [one.header["seq"] for one in again] == [1, 2, 3]
    assert [one.header["watermark_ms"] for one in again] == [0, 1, 2]
    assert {one.header["epoch"] for one in again} == {10}
    assert [one.payload for one in again] == [mark(0), mark(1), mark(2)]


def test_a_refusal_holds_everything_until_the_resend(queue):
    put(queue, mark(1))
    list(queue.flush(FACTS))
    queue.refuse("epoch")
    put(queue, mark(2))
    assert not list(queue.flush(FACTS))
    assert queue.status()["refused"] == {"epoch": 1}
    assert len(list(queue.resend())) == 1
    assert len(list(queue.flush(FACTS))) == 1


def test_with_many_under_way_the_next_batch_grows(queue):
    for number in range(batches_in_flight_max):
        put(queue, mark(number))
        assert list(queue.flush(FACTS))
    put(queue, mark(100))
    assert not list(queue.flush(FACTS))
    list(queue.acknowledge(1))
    assert list(queue.flush(FACTS))
    put(queue, mark(101))
    assert not list(queue.flush(FACTS))
    put(queue, event(1, batch_bytes_max))
    assert list(queue.flush(FACTS))


def test_a_stream_that_fits_is_not_cut():
    assert list(split_stream(b"x" * 10, 10)) == [(None, b"x" * 10)]


@given(
    sizes=st.lists(st.integers(0, 100) | st.none(), max_size=40),
    bytes_max=st.integers(200, 500),
)
def test_cut_streams_carry_the_same_items(sizes, bytes_max):
    parts = [mark(0)]
    for number, size in enumerate(sizes, 1):
        parts.append(mark(number) if size is None else event(number, size))
    stream = b"".join(parts)
    cut = list(split_stream(stream, bytes_max))
    assert all(len(piece) <= bytes_max for _, piece in cut)
    assert cut[-1][0] is None
    assert held_marks(stream) == [pair for _, piece in cut for pair in held_marks(piece)]
    for watermark_ms, piece in cut[:-1]:
        last = [item for item in items(piece) if isinstance(item, Mark)][-1]
        assert watermark_ms == last.watermark_ms


def held_marks(stream: bytes) -> list[tuple[int, int]]:
    """(event number, watermark that holds for it) of each event."""
    found = items(stream)
    assert isinstance(found[0], Mark)
    pairs = []
    watermark_ms = 0
    for item in found:
        if isinstance(item, Event):
            pairs.append((item.number, watermark_ms))
        else:
            watermark_ms = item.watermark_ms
    return pairs
