"""The oracle against answers computed outside this project, and ids computed by hand."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from tests.oracle.firing import firing_id
from tests.oracle.simulate import Record, simulate

EXAMPLES = Path(__file__).parents[2] / "engine" / "augenblick" / "examples"


def events_of(name: str) -> list[Any]:
    (path,) = EXAMPLES.rglob(f"{name}.ndjson.gz")
    with gzip.open(path) as file:
        return [json.loads(line) for line in file]


@pytest.fixture(scope="module")
def otto() -> list[Any]:
    return events_of("otto")


def firings(plan: dict[str, Any], events: list[Any], **options: Any) -> list[Record]:
    return simulate({"plan": "otto", **plan}, events, emit=["firing"], **options)


def test_sessions_of_otto(otto: list[Any]) -> None:
    sessions = simulate({"plan": "otto"}, otto, emit=["session"])
    assert len(sessions) == 144
    assert sum(session["events"] == 1 for session in sessions) == 41
    assert max(session["end"] - session["start"] for session in sessions) == 4_691_726


def test_sessions_of_ecom() -> None:
    assert len(simulate({"plan": "ecom"}, events_of("ecom"), emit=["session"])) == 3605


@pytest.mark.parametrize(
    ("over", "count"), [({"tumbling": "5m"}, 283), ({"hopping": "1h", "every": "5m"}, 1784)]
)
def test_windows_of_otto(otto: list[Any], over: dict[str, str], count: int) -> None:
    features = {"n": {"count": "*", "by": "event", "over": over}}
    windows = simulate({"plan": "otto", "features": features}, otto, emit=["window"])
    assert len({(window["by"]["event"], window["start"]) for window in windows}) == count


def test_carts_then_orders(otto: list[Any]) -> None:
    plan = {"triggers": {"bought": {"sequence": ["carts", "orders"], "within": "1h"}}}
    assert len({firing["user"] for firing in firings(plan, otto)}) == 2


@pytest.mark.parametrize(("timer", "fired"), [("restart", 10), ("each", 32)])
def test_carts_without_orders(otto: list[Any], timer: str, fired: int) -> None:
    steps = ["carts", {"not": "orders"}]
    plan = {"triggers": {"left": {"sequence": steps, "within": "24h", "timer": timer}}}
    assert len(firings(plan, otto, drain=False)) == fired
    assert len(firings(plan, otto)) == fired + 1


def test_ten_clicks(otto: list[Any]) -> None:
    plan = {
        "features": {"clicks": {"count": "clicks", "over": {"sliding": "10m"}}},
        "triggers": {"busy": {"when": "clicks >= 10"}},
    }
    risen = firings(plan, otto)
    assert len(risen) == 29
    assert len({firing["user"] for firing in risen}) == 4


def by_hand(*parts: str) -> str:
    raw = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


def test_an_id_is_a_hash_of_length_prefixed_parts() -> None:
    assert firing_id(["a", "", "ü"]) == by_hand("a", "", "ü")
    raw = b"\0\0\0\1a\0\0\0\0\0\0\0\2\xc3\xbc"
    assert firing_id(["a", "", "ü"]) == hashlib.blake2b(raw, digest_size=16).hexdigest()


def event(time: int, name: str, **more: Any) -> dict[str, Any]:
    return {"user": "ann", "event": name, "time": time, **more}


def test_parts_of_ids() -> None:
    plan = {
        "plan": "ids",
        "features": {"n": {"count": "a", "by": "sku", "over": "lifetime"}},
        "metrics": {"m": {"count": "a", "over": {"tumbling": "10ms"}}},
        "triggers": {
            "e": {"event": "a"},
            "w": {"when": "n >= 1"},
            "s": {"sequence": ["a", "b"], "within": "1h", "match": "sku"},
            "x": {"sequence": ["a", {"not": "c"}], "within": "7ms", "timer": "each"},
            "t": {"when": "m >= 1"},
        },
    }
    events = [
        event(5, "a", id="p", props={"sku": "k"}),
        event(5, "a"),
        event(5, "a"),
        event(6, "b", props={"sku": "k"}),
    ]
    ids = [
        (record["trigger"], record["id"])
        for record in simulate(plan, events, emit=["firing"], version_of=lambda name: "v-" + name)
    ]
    assert ids == [
        ("e", by_hand("e", "v-e", "ann", "", "5", "p", "0")),
        ("w", by_hand("w", "v-w", "ann", '"k"', "5", "p", "0")),
        ("e", by_hand("e", "v-e", "ann", "", "5", "a", "5", "0")),
        ("e", by_hand("e", "v-e", "ann", "", "5", "a", "5", "1")),
        ("s", by_hand("s", "v-s", "ann", '"k"', "6", "p", "b", "6", "0")),
        ("t", by_hand("t", "v-t", "", "0")),
        ("x", by_hand("x", "v-x", "ann", "", "12", "p", "12", "0")),
        ("x", by_hand("x", "v-x", "ann", "", "12", "a", "5", "12", "0")),
        ("x", by_hand("x", "v-x", "ann", "", "12", "a", "5", "12", "1")),
    ]
