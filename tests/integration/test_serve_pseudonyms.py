"""A plan that says pseudonymise: no user id anywhere on disk, the same ids as `simulate`."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.integration.serve_process import COMMAND, serving

pytestmark = pytest.mark.timeout(240)

SHOP = """
plan: shop
pseudonymise: true
time: {lateness: 0ms, clock: event}
events: {view: {price: float}}
features: {views: {count: view, over: lifetime}}
triggers: {second_view: {event: view, when: views == 2, then: out}}
actions: {out: {file: firings.ndjson}}
"""
BEGIN_MS = 1_700_000_000_000
USERS = [f"grace-{number}@example.test" for number in range(20)]
EVENTS = [
    {"user": user, "event": "view", "time": BEGIN_MS + number, "id": f"e{number}"}
    | {"props": {"price": 1.0 if number != 33 else "dear"}}
    for number, user in enumerate(USERS * 3)
]


def _augenblick(*arguments: str | Path) -> str:
    command = [*COMMAND, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout if done.returncode == 0 else done.stderr


def test_pseudonyms(tmp_path: Path) -> None:
    data, plan, events = tmp_path / "data", tmp_path / "shop.yaml", tmp_path / "events.ndjson"
    plan.write_text(SHOP)
    events.write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    with serving(str(plan), data) as shop:
        shop.send(events, "--end")
        firings = shop.wait_for(
            lambda: len(got := shop.ask("/v1/tail?kind=firing")["records"]) == 20 and got
        )
        (letter,) = shop.ask("/v1/dead-letters")["dead_letters"]
        assert shop.stop() == 0, shop.text()
    pseudonyms = dict(
        reversed(line.split("  "))
        for line in _augenblick("pseudonym", *USERS, "--data", data).splitlines()
    )
    assert {one["record"]["user"] for one in firings} == set(pseudonyms.values())
    assert letter["event"]["user"] == pseudonyms[USERS[13]]
    key = data / "pseudonym.key"
    simulated = _augenblick("simulate", plan, events, "--no-drain", "--pseudonym-key-file", key)
    ids = {json.loads(line)["id"] for line in simulated.splitlines()}
    assert ids == {one["record"]["id"] for one in firings}
    files = [path for path in data.rglob("*") if path.is_file()]
    assert (data / "out" / "firings.ndjson") in files
    assert [path for path in files if b"grace" in path.read_bytes()] == []
    key.write_text("00" * 32 + "\n")
    ports = ("--forward", "127.0.0.1:0", "--http", "127.0.0.1:0")
    assert "users would be strangers" in _augenblick("serve", plan, "--data", data, *ports)
