"""Pseudonyms in the router: those of the Python twin, in the place of the ids."""

import json
import random
from dataclasses import replace

import msgpack
import numpy as np
import pytest
from tests.unit.native.routing import KEY, NOW, PROGRAM, event, events_of, pack, route, take_items

from augenblick.binding.pseudonyms import Pseudonyms
from augenblick.binding.scanning import ENTRIES, NDJSON, RECORDS, Router

SECRET = bytes(range(32))


def new_router(shards: int = 1) -> Router:
    router = Router(PROGRAM, KEY, SECRET)
    router.set_table(np.arange(4096, dtype=np.uint16) % shards)
    return router


def routed_users(data: bytes, format_: int = RECORDS, tag: bytes = b"") -> list[dict]:
    router = new_router()
    route(router, data, format_, tag=tag)
    return [msgpack.unpackb(one.body) for one in events_of(take_items(router, 0))]


def test_ids_of_every_length_are_hashed_as_by_hashlib() -> None:
    chance = random.Random(1)
    users = ["x" * size for size in range(1, 257)]
    users += ["".join(chance.choices("abcé∑😀", k=50)) for _ in range(200)]
    events = [event(user=user) for user in users]
    found = routed_users(b"".join(map(pack, events)))
    pseudonyms = Pseudonyms(SECRET)
    assert [one["user"] for one in found] == [pseudonyms.of(user) for user in users]
    assert len({one["user"] for one in found}) == len(set(users))


def test_an_integer_is_its_decimal_text() -> None:
    found = routed_users(b"".join(pack(event(user=user)) for user in (5, "5", -(2**63), 2**63 - 1)))
    assert found[0]["user"] == found[1]["user"] == Pseudonyms(SECRET).of("5")
    assert found[2]["user"] == Pseudonyms(SECRET).of(-(2**63))


def test_all_else_of_the_event_goes_on_as_it_came() -> None:
    whole = event(
        id=7, session=None, props={"user": "grace", "n": [1, None]}, context={"a": 1}, more={"b": 2}
    )
    wanted = {name: value for name, value in whole.items() if value is not None}
    wanted["user"] = Pseudonyms(SECRET).of(str(whole["user"]))
    for format_, data in (
        (RECORDS, pack(whole)),
        (ENTRIES, pack([NOW // 1000, whole])),
        (NDJSON, json.dumps(whole).encode() + b"\n"),
    ):
        assert routed_users(data, format_) == [wanted]
    (tagged,) = routed_users(pack(whole), tag=b"app")
    assert tagged == {**wanted, "context": {"a": 1, "stream": "app"}}


def test_a_user_is_one_key_group_whatever_the_form_of_the_id() -> None:
    keys = []
    for user in (12, "12"):
        router = new_router()
        route(router, pack(event(user=user)), RECORDS)
        (one,) = events_of(take_items(router, 0))
        keys.append(one.user_key)
    plain = Router(PROGRAM, KEY)
    plain.set_table(np.zeros(4096, np.uint16))
    route(plain, pack(event(user=Pseudonyms(SECRET).of(12))), RECORDS)
    (one,) = events_of(take_items(plain, 0))
    assert keys == [one.user_key] * 2


def test_a_key_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Router(PROGRAM, KEY, b"short")
    Router(replace(PROGRAM), KEY, None)


def test_what_is_refused_is_kept_without_its_user() -> None:
    pseudonyms = Pseudonyms(SECRET)
    assert pseudonyms.conceal({"user": "grace", "n": 1}) == {"user": pseudonyms.of("grace"), "n": 1}
    for event_ in (
        {"raw": "Z3JhY2U="},
        {"name": "grace"},
        {"user": ["grace"]},
        {"user": True},
        [1],
    ):
        assert "grace" not in json.dumps(pseudonyms.conceal(event_))
        assert list(pseudonyms.conceal(event_)) == ["left_out"]
