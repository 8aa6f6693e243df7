"""Mutated bytes at the router: it takes what the slow rules take, and nothing else ever happens."""

import json
import random
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.event_rules import is_event
from tests.unit.native.routing import NOW, event, events_of, new_router, pack, route, take_items

from augenblick.binding import scanning
from augenblick.binding.scanning import ENTRIES, NDJSON, RECORDS, ScanError

RESERVED = {"session", "context", "session.start", "session.end", "vip", "vip.enters", "vip.leaves"}
SEEDS = [
    event(),
    event(user=5, time=float(NOW), id=7, session="s", props={"a": [1, {"b": None}], "c": 1.5}),
    event(context={"stream": "x", "ip": "::1"}, consent=["ads"], more={"deep": [[[]]]}),
    event(user="é", id=None, props=None, x="y" * 40, y=list(range(20)), z=2**64 - 1),
]
INTERESTING = bytes([0x00, 0x7F, 0x80, 0x8F, 0x90, 0xA0, 0xBF, *range(0xC0, 0xE0), 0xFF])


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, put in, cut out, copied or cut off."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 3, 8])):
        at = chance.randrange(len(changed) + 1)
        kind = chance.randrange(6)
        if kind == 0 and at < len(changed):
            changed[at] = chance.choice(INTERESTING)
        elif kind == 1 and at < len(changed):
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            changed[at:at] = bytes(chance.choices(INTERESTING, k=chance.randrange(1, 5)))
        elif kind == 3:
            del changed[at : at + chance.randrange(1, 5)]
        elif kind == 4:
            other = chance.randrange(len(changed) + 1)
            changed[at:at] = changed[other : other + chance.randrange(1, 30)]
        elif chance.random() < 0.1:
            del changed[at:]
    return bytes(changed)


def check_routed(data: bytes, format_: int, tag: bytes = b"") -> list[Any]:
    """Route the data; checks what must hold of any bytes; returns the accepted events."""
    router = new_router(shards=2)
    routed = route(router, data, format_, tag=tag)
    found = [one for shard in range(2) for one in events_of(take_items(router, shard))]
    assert len(found) == routed.events
    assert routed.consumed == len(data)
    ends = [0]
    for _, start, end, status in routed.refused:
        assert ends[-1] <= start < end <= len(data)
        assert 0 < status < len(scanning.STATUS_NAMES)
        ends.append(end)
    indexes = [index for index, *_ in routed.refused]
    assert indexes == sorted(set(indexes))
    for one in found:
        body = msgpack.unpackb(one.body)
        assert is_event(one.body, RESERVED, NOW + 300_000)
        json.dumps(body)
        if tag:
            assert body["context"]["stream"] == tag.decode()
    return found


@pytest.mark.parametrize("seed", range(20))
def test_records_are_taken_as_the_slow_rules_say(seed: int):
    chance = random.Random(seed)
    for _ in range(2_000):
        data = mutated(pack(chance.choice(SEEDS)), chance)
        status = _walk(data)
        if status is None or status != len(data):
            check_routed(data, RECORDS)
            continue
        taken = bool(check_routed(data, RECORDS, chance.choice([b"", b"t"])))
        assert taken == is_event(data, RESERVED, NOW + 300_000), data


def _walk(data: bytes) -> int | None:
    """Where the first value ends, if it is msgpack and not very deep."""
    try:
        end = scanning.skip(data, 0, len(data))
    except ScanError:
        return None
    return end if end >= 0 else None


@pytest.mark.parametrize("format_", [RECORDS, ENTRIES, NDJSON])
@pytest.mark.parametrize("seed", range(5))
def test_chunks_of_mutated_events(format_: int, seed: int):
    chance = random.Random(f"{format_}/{seed}")
    for _ in range(300):
        parts = []
        for _ in range(chance.randrange(1, 8)):
            record = chance.choice(SEEDS)
            if format_ == NDJSON:
                part = json.dumps(record, ensure_ascii=chance.random() < 0.5).encode() + b"\n"
            else:
                part = pack(record if format_ == RECORDS else [NOW // 1000, record])
            parts.append(mutated(part, chance) if chance.random() < 0.4 else part)
        check_routed(b"".join(parts), format_, chance.choice([b"", b"app"]))


@settings(max_examples=500)
@given(st.binary(max_size=300), st.sampled_from([ENTRIES, RECORDS, NDJSON]))
def test_any_bytes(data: bytes, format_: int):
    check_routed(data, format_)


@pytest.mark.parametrize("seed", range(5))
def test_json_texts(seed: int):
    """What is taken is msgpack in its shortest form."""
    chance = random.Random(seed)
    reasons = set()
    for _ in range(3_000):
        text = mutated(json.dumps(chance.choice(SEEDS)).encode(), chance)
        try:
            data = scanning.to_msgpack(text)
        except ScanError as refused:
            reasons.add(refused.reason)
            continue
        assert scanning.skip(data, 0, len(data)) == len(data)
        again = msgpack.unpackb(data)
        if len(msgpack.packb(again)) == len(data):  # no key stands twice
            assert msgpack.packb(again) == data
            assert json.loads(text) == again
    assert reasons <= {"bad_json", "bad_utf8", "bad_number", "too_deep"}
