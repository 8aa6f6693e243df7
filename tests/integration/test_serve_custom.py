"""Custom trigger actors in a real engine: columns in, firings out; broken ones delay nobody."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.serve_process import Serve, serving

pytestmark = pytest.mark.timeout(240)
PLAN = """
plan: custom
features:
  average: {avg: order.value, over: lifetime}
triggers:
  odd:    {actor: "shop_rules:OddBasket", event: cart, values: [average], params: {factor: 3}}
  broken: {actor: "shop_rules:Broken", event: strange}
  plain:  {event: [order, strange]}
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    folder = tmp_path_factory.mktemp("custom")
    plan = folder / "custom.yaml"
    plan.write_text(PLAN)
    package = str(Path(__file__).parent / "custom")
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    flags = ("--plugins", "shop_rules", "--shards", "1")
    with serving(str(plan), folder / "data", *flags, env={"PYTHONPATH": path}) as serve:
        yield serve


def _event(name: str, number: int, **props: object) -> dict[str, object]:
    return {"user": "ann", "event": name, "id": f"{name}-{number}", "props": props}


def test_a_custom_trigger_fires_with_its_values(engine: Serve) -> None:
    engine.post([_event("order", number, value=10.0) for number in range(3)])
    engine.post([_event("cart", 1, value=20.0), _event("cart", 2, value=45.0)])
    fired = engine.wait_for(lambda: list(_odd(engine).values()))
    assert [one["cause"]["id"] for one in fired] == ["cart-2"]
    assert fired[0]["values"] == {"average": 10.0, "value": 45.0}
    engine.post([_event("cart", 3, value=50.0)])
    engine.wait_for(lambda: len(_odd(engine)) == 2)


def test_one_that_raises_is_shown_and_delays_nobody(engine: Serve) -> None:
    engine.post([_event("strange", 1, how="raise")])
    host = engine.wait_for(lambda: _host(engine)["errors"] and _host(engine))
    assert host["last_error"] == "ValueError: no rule for this"
    assert "strange-1" in _plain(engine)


def test_one_that_hangs_is_shown_replaced_and_delays_nobody(engine: Serve) -> None:
    before = _host(engine)["incarnation"]
    engine.post([_event("strange", 2, how="hang")])
    engine.wait_for(lambda: _host(engine).get("state") == "calling")
    engine.post([_event("order", 9, value=1.0), _event("cart", 9, value=900.0)])
    engine.wait_for(lambda: "order-9" in _plain(engine) and "cart-9" in _odd(engine))
    assert _host(engine)["state"] == "calling"
    engine.wait_for(lambda: _host(engine)["incarnation"] > before, 40.0)


def _host(engine: Serve) -> dict[str, object]:
    host: dict[str, object] = engine.ask("/v1/status")["hosts"]["trigger-broken"]
    return {"errors": 0, **host}


def _odd(engine: Serve) -> dict[str, dict[str, Any]]:
    """By the event that caused it."""
    fired = (one for one in engine.tail("firing") if one["trigger"] == "odd")
    return {one["cause"]["id"]: one for one in fired}


def _plain(engine: Serve) -> set[str]:
    return {one["cause"]["id"] for one in engine.tail("firing") if one["trigger"] == "plain"}
