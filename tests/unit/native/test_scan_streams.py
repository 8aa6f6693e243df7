"""Who gets an event: user keys, key groups, numbers, fingerprints, flags, tables, what is taken."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.native.routing import (
    KEY,
    NOW,
    PROGRAM,
    Event,
    event,
    events_of,
    new_router,
    pack,
    route,
    take_items,
)
from tests.unit.native.siphash import siphash13

import augenblick.examples
from augenblick.binding.scanning import ENTRIES, NDJSON, NO_TIME, Router, Source


def routed_events(*records: Any, **options: Any) -> list[Event]:
    router = new_router()
    assert route(router, pack(*records), **options).refused == []
    return events_of(take_items(router))


@pytest.mark.parametrize(
    "user", ["u", "é😀", "x" * 256, 0, 5, -5, 127, 128, -129, 2**63 - 1, -(2**63)]
)
def test_the_key_is_the_hash_of_the_ids_text(user: str | int):
    [found] = routed_events(event(user=user))
    assert found.user_key == siphash13(KEY, str(user).encode())
    assert found.record["user"] == user


def test_numbers_count_per_key_group_over_calls():
    router = new_router(shards=3)
    counted: Counter[int] = Counter()
    for _ in range(3):
        route(router, pack(*(event(user=f"u{number % 700}") for number in range(1000))))
        for shard in range(3):
            for found in events_of(take_items(router, shard)):
                group = found.user_key >> 52
                assert group % 3 == shard
                counted[group] += 1
                assert found.number == counted[group]
    assert counted.total() == 3000


def test_a_refused_event_uses_no_number():
    router = new_router()
    route(router, pack(event(), event(event=""), event(time="x"), event()))
    assert [found.number for found in events_of(take_items(router))] == [1, 2]


def test_fingerprints_of_ids():
    found = routed_events(
        event(id="a"), event(id="a", time=NOW - 5), event(id="b"), event(id="a", user="u2"),
        event(id=7), event(id="7"), event(), event(id=None), event(id=-7), event(id="-7"),
    )  # fmt: skip
    a, a_again, b, a_of_another, seven, seven_text, none, null, minus, minus_text = [
        one.fingerprint for one in found
    ]
    assert a == a_again
    assert (seven, minus) == (seven_text, minus_text)
    assert (none, null) == (0, 0)
    assert len({a, b, a_of_another, seven, minus, 0}) == 6


def test_fingerprints_of_chunks():
    records = [event(user=f"u{number}") for number in range(3)]
    first, again = (routed_events(*records, chunk=b"chunk-1") for _ in range(2))
    other = routed_events(*records, chunk=b"chunk-2")
    prints = [[one.fingerprint for one in found] for found in (first, again, other)]
    assert prints[0] == prints[1]
    assert len({*prints[0], *prints[2], 0}) == 7


def test_an_id_counts_more_than_a_chunk():
    [plain], [in_chunk] = routed_events(event(id="a")), routed_events(event(id="a"), chunk=b"c")
    assert plain.fingerprint == in_chunk.fingerprint != 0


def test_refused_events_keep_their_place_in_the_chunk():
    whole = routed_events(event(), event(user="u2"), event(user="u3"), chunk=b"c")
    router = new_router()
    route(router, pack(event(), event(user=""), event(user="u3")), chunk=b"c")
    found = events_of(take_items(router))
    assert [one.fingerprint for one in found] == [whole[0].fingerprint, whole[2].fingerprint]


def test_warm_events_are_flagged():
    assert [one.flags for one in routed_events(event(), event(), warm=True)] == [1, 1]
    assert [one.flags for one in routed_events(event())] == [0]


def test_ranges_and_formats():
    router = new_router()
    data = b"xx" + pack([NOW // 1000, event(time=...)]) + b"\xc1"
    routed = router.route(data, 2, len(data) - 1, ENTRIES, Source(), NOW)
    assert (routed.events, routed.refused, routed.consumed) == (1, [], len(data) - 1)
    assert routed.last_event_ms == NOW // 1000 * 1000
    empty = router.route(memoryview(data), 5, 5, ENTRIES, Source(), NOW)
    assert (empty.events, empty.refused, empty.last_event_ms) == (0, [], NO_TIME)
    for start, end in [(3, 2), (0, len(data) + 1)]:
        with pytest.raises(ValueError, match="no range"):
            router.route(data, start, end, ENTRIES, Source(), NOW)
    for unknown in (-1, 3):
        with pytest.raises(ValueError, match="no format"):
            router.route(data, 0, 1, unknown, Source(), NOW)


def test_a_receive_buffer_can_grow_again_after_the_call():
    data = bytearray(pack(event()))
    router = new_router()
    router.route(data, 0, len(data), 1, Source(), NOW)
    data += pack(event())
    assert route(router, data).events == 2


def test_a_router_without_a_table_routes_nothing():
    router = Router(PROGRAM, KEY)
    with pytest.raises(ValueError, match="no table"):
        route(router, pack(event()))
    assert router.shard_count == 0


def test_tables_are_checked():
    router = new_router(shards=2)
    with pytest.raises(ValueError, match="4096"):
        router.set_table(np.zeros(100, np.uint16))
    table = np.zeros(4096, np.uint16)
    table[7] = 0xFFFF
    with pytest.raises(ValueError, match="key group 7"):
        router.set_table(table)
    assert router.shard_count == 2
    with pytest.raises(IndexError):
        router.pending(2)
    with pytest.raises(IndexError):
        router.take(2)
    with pytest.raises(ValueError, match="16 bytes"):
        Router(PROGRAM, b"short")


def test_a_new_table_keeps_what_waits():
    router = new_router(shards=2)
    route(router, pack(*(event(user=f"u{number}") for number in range(100))))
    waiting = [router.pending(0), router.pending(1)]
    with pytest.raises(ValueError, match="shard 1"):
        router.set_table(np.zeros(4096, np.uint16))
    router.set_table((np.arange(4096) % 3).astype(np.uint16))
    assert [router.pending(shard) for shard in range(3)] == [*waiting, 0]
    before = events_of(take_items(router)) + events_of(take_items(router, 1))
    assert len(before) == 100
    router.set_table(np.zeros(4096, np.uint16))
    route(router, pack(*(event(user=f"u{number}") for number in range(100))))
    numbers = Counter(found.user_key >> 52 for found in before)
    for found in events_of(take_items(router)):
        numbers[found.user_key >> 52] += 1
        assert found.number == numbers[found.user_key >> 52]


def test_nothing_is_taken_twice():
    router = new_router()
    route(router, pack(event()))
    assert router.pending(0) == len(router.take(0)[0])
    assert router.take(0) == (b"", 0)
    assert router.pending(0) == 0


@pytest.mark.parametrize("name", ["otto", "ecom"])
def test_the_bundled_files_route_whole(name: str):
    path = next(Path(augenblick.examples.__file__).parent.rglob(f"{name}*.ndjson.gz"))
    data = gzip.decompress(path.read_bytes())
    router = new_router(clock_event=True, shards=4)
    router.time_required = True
    routed = route(router, data, NDJSON)
    lines = [json.loads(line) for line in data.splitlines()]
    assert (routed.events, routed.refused) == (len(lines), [])
    found = [one.record for shard in range(4) for one in events_of(take_items(router, shard))]
    assert sorted(map(json.dumps, found)) == sorted(map(json.dumps, lines))
