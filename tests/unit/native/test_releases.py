"""Firings as they leave: their ids against hashlib, their records against the rules of the plan."""

import hashlib
import json
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.native.kernels import EVENT, Run, key_of, mark

from augenblick.binding.releases import Release, record_key
from augenblick.plan import compile_plan, load_plan
from augenblick_native.releases import firing_id

PLAN = """
plan: releases
time: {clock: event}
features:
  seen:   {count: view, by: kind, over: lifetime}
  latest: {last: view.extra, over: lifetime}
triggers:
  third:  {when: seen >= 3, values: [latest], then: [hook, hook2]}
  follow: {sequence: [view, buy], match: kind, within: 10m, values: [seen], mode: shadow}
actions:
  hook:  {file: a.ndjson}
  hook2: {file: b.ndjson}
"""


def digest(parts: list[str]) -> str:
    joined = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return hashlib.blake2b(joined, digest_size=16).hexdigest()


@given(st.lists(st.text(max_size=300), max_size=8))
def test_ids_are_blake2b_over_the_parts(parts: list[str]) -> None:
    assert firing_id(parts) == digest(parts)


def test_ids_at_the_edges_of_a_block() -> None:
    for size in [0, 1, 119, 123, 124, 125, 251, 252, 253, 1000, 100_000]:
        assert firing_id(["x" * size]) == digest(["x" * size])


VERSIONS = {one.name: one.version for one in compile_plan(load_plan(PLAN)).triggers}


def event(time_ms: int, name: str, props: dict[str, Any], **more: Any) -> bytes:
    body = msgpack.packb({"user": "ann", "event": name, "time": time_ms, "props": props, **more})
    return EVENT.pack(len(body), 0, time_ms, key_of("ann"), 0, 0) + body


def released(kind: Any, extra: Any = None, **more: Any) -> dict[str, Release]:
    """What a third view and then a purchase of this kind release, by trigger."""
    views = [event(at, "view", {"kind": kind, "extra": extra}, **more) for at in (1000, 2000, 3000)]
    bought = event(4000, "buy", {"kind": kind}, **more)
    out = Run(PLAN).apply(mark(0), *views, bought)
    return {one.trigger: one for one in out.releases}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("shoes", '"shoes"'),
        ('"\\\n\x1fé😀', json.dumps('"\\\n\x1fé😀', ensure_ascii=False)),
        ("k" * 40, '"' + "k" * 40 + '"'),
        (7, "7"),
        (-(2**63), str(-(2**63))),
        (1.0, "1.0"),
        (1e16, "1e+16"),
        (-0.1, "-0.1"),
        (True, "true"),
    ],
)
def test_a_group_and_a_match_are_part_of_the_id(kind: Any, text: str) -> None:
    third, follow = (released(kind)[name] for name in ("third", "follow"))
    assert third.key == digest(
        ["third", VERSIONS["third"], "ann", text, "3000", "view", "3000", "0"]
    )
    assert third.record["by"] == follow.record["by"] == {"kind": kind}
    parts = ["view", "1000", "buy", "4000"]
    assert follow.key == digest(["follow", VERSIONS["follow"], "ann", text, "4000", *parts, "0"])
    assert follow.record["values"] == {"seen": 3}
    for one in (third, follow):
        assert one.key == one.record["id"] == record_key(one.record)


def test_a_release_says_what_is_to_be_done() -> None:
    third, follow = (released("x")[name] for name in ("third", "follow"))
    assert (third.kind, third.trigger, third.is_shadow) == ("firing", "third", False)
    assert third.plain == {
        "record": third.record,
        "actions": ["hook", "hook2"],
        "shadow": False,
    }
    assert (follow.is_shadow, follow.plain["shadow"], follow.plain["actions"]) == (True, True, [])
    assert follow.record["mode"] == "shadow"
    assert "mode" not in third.record
    for one in (third, follow):
        made = Release.from_plain(one.plain)  # the same, but for the forms of numbers
        assert (made.plain, made.key, made.is_shadow) == (one.plain, one.key, one.is_shadow)


def test_an_id_that_is_a_number_becomes_text() -> None:
    for given_id in (0, 7, 2**64 - 1, "seven"):
        third = released("x", id=given_id)["third"]
        assert third.record["cause"]["id"] == str(given_id)
        parts = ["third", VERSIONS["third"], "ann", '"x"', "3000", str(given_id), "0"]
        assert third.key == digest(parts)


@pytest.mark.parametrize(
    ("extra", "left"),
    [
        (None, None),
        ([1, {"a": 2.5}], [1, {"a": 2.5}]),
        ({2: 2, 1.5: [], True: {3: 4}, "t": None}, {"2": 2, "1.5": [], "true": {3: 4}, "t": None}),
        ({b"raw": 1}, {b"raw": 1}),
    ],
)
def test_values_go_along(extra: Any, left: Any) -> None:
    assert released("x", extra)["third"].record["values"].get("latest") == left
