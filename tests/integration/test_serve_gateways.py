"""Two gateways, one clock: a gateway without traffic holds nobody up, one with traffic counts."""

import json
import urllib.request
from pathlib import Path

import pytest
from tests.integration.serve_process import serving

pytestmark = pytest.mark.timeout(240)
PLAN = """
plan: two
time: {lateness: 0ms, idle: 200ms}
triggers:
  left: {sequence: [cart, {not: order}], within: 1s}
"""


def _post(http: str, *events: dict[str, str]) -> None:
    body = json.dumps(list(events)).encode()
    request = urllib.request.Request(
        f"{http}/v1/events", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=15) as answer:
        assert json.load(answer)["accepted"] == len(events)


def test_events_through_either_gateway_meet_at_one_user(tmp_path: Path) -> None:
    plan = tmp_path / "two.yaml"
    plan.write_text(PLAN)
    with serving(str(plan), tmp_path / "data", "--gateways", "2", "--shards", "2") as serve:
        status = serve.ask("/v1/status")
        first, second = (one["address"] for one in status["gateways"].values())
        _post(first, {"user": "ann", "event": "cart"}, {"user": "bob", "event": "cart"})
        _post(second, {"user": "bob", "event": "order"})
        fired = serve.wait_for(lambda: serve.tail("firing"))
        assert [one["user"] for one in fired] == ["ann"]
        _post(second, {"user": "cid", "event": "cart"})
        serve.wait_for(lambda: len(serve.tail("firing")) == 2)
        assert [one["user"] for one in serve.tail("firing")] == ["ann", "cid"]
        assert serve.stop() == 0
