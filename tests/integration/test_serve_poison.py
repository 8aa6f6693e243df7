"""An event that ends every shard that applies it, in a real engine: set aside, the others go on."""

import os
import threading
from pathlib import Path

import pytest
from tests.integration.serve_process import Serve, serving

pytestmark = pytest.mark.timeout(240)

SHOP = """
plan: shop
time: {lateness: 0ms}
features: {views: {count: view, over: lifetime}}
triggers: {each: {event: view, values: [views]}}
"""
POISONED = Path(__file__).parent / "poisoned"


def _letters(shop: Serve) -> list[str]:
    return [one["reason"] for one in shop.ask("/v1/dead-letters")["dead_letters"]]


def test_a_poison_event_is_set_aside(tmp_path: Path) -> None:
    data, plan = tmp_path / "data", tmp_path / "shop.yaml"
    plan.write_text(SHOP)
    env = {"PYTHONPATH": f"{POISONED}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    with serving(str(plan), data, "--shards", "1", env=env) as shop:
        shop.post([{"user": "ann", "event": "view"}])
        events = [{"user": name, "event": "view"} for name in ("bob", "poison-pill", "ann")]

        def post() -> None:
            try:
                shop.post(events)
            except OSError:
                return  # it waited for too long; the gateway goes on with the events

        sender = threading.Thread(target=post)
        sender.start()
        shop.wait_for(lambda: _letters(shop) == ["poison"], 90.0)
        sender.join()
        firings = shop.wait_for(lambda: len(got := shop.tail("firing")) == 3 and got)
        assert [(one["user"], one["values"]["views"]) for one in firings] == [
            ("ann", 1),
            ("bob", 1),
            ("ann", 2),
        ]
        (shard,) = shop.ask("/v1/status")["shards"].values()
        assert shard["storage"]["poison"]["set_aside"] == 1
