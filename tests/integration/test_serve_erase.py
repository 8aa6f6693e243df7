"""A user erased from a real engine that is killed right after: no file holds the id in the end."""

import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.integration.serve_process import COMMAND, Serve, run, serving

pytestmark = pytest.mark.timeout(240)

AGE_MAX = "20s"  # the erasure waits for the second engine
ANN = "ann.to.be.erased@example.test"
OTHERS = [f"user-{number}@example.test" for number in range(20)]
SHOP = """
plan: shop
time: {lateness: 0ms}
events: {view: {price: float}, buy: {}}
features:
  views: {count: view, over: lifetime}
  hourly: {sum: view.price, over: {tumbling: 1h}}
segments: {keen: views >= 2}
metrics: {traffic: {count: "*", over: {tumbling: 1m}}}
triggers:
  second_view: {event: view, when: views == 2, then: nobody}
  left: {sequence: [view, {not: buy}], within: 1h}
  pair: {sequence: [view, buy], within: 2h}
actions: {nobody: {webhook: "http://127.0.0.1:9/nobody-listens"}}
"""


def _events(user: str) -> list[dict[str, Any]]:
    view = {"user": user, "event": "view", "props": {"price": 2.5}}
    return [view, view, {**view, "props": {"price": "dear"}}]


def _user(what: str, serve: Serve, user: str) -> Any:
    """As the command asks; without its process."""
    token = (serve.data / "control.token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    body = json.dumps({"user": user}).encode()
    request = urllib.request.Request(f"{serve.http}/v1/users/{what}", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def _where(serve: Serve) -> tuple[str, ...]:
    return "--engine", serve.http, "--data", str(serve.data)


def _files_with(data: Path, text: str) -> list[str]:
    found = []
    for path in sorted(data.rglob("*")):
        if path.is_file() and text.encode() in path.read_bytes():
            found.append(str(path.relative_to(data)))
    return found


def test_an_erased_user_is_in_no_file(tmp_path: Path) -> None:
    data, plan = tmp_path / "data", tmp_path / "shop.yaml"
    plan.write_text(SHOP)
    flags = ("--journal-age-max", AGE_MAX)
    with serving(str(plan), data, *flags) as shop:
        for user in (ANN, *OTHERS):
            shop.post(_events(user))
        shown = shop.wait_for(
            lambda: len((one := _user("show", shop, ANN))["dead_letters"]) == 1 and one
        )
        state = shown["state"]
        assert state["features"]["views"] == [{"group": None, "value": 2, "bytes": 8}]
        assert state["features"]["hourly"][0]["windows"][0]["value"] == 5.0
        assert state["segments"]["keen"]["is_member"]
        assert len(state["sessions"]) == 1
        assert len(state["sequences"]["pair"]["begun"]) == 2
        assert state["sequences"]["left"]["absences"][0]["cause"]["props"] == {"price": 2.5}
        assert [one["trigger"] for one in shown["outbox"]] == ["second_view"]
        assert _user("receipt", shop, ANN)["receipts"] == []
        files = _files_with(data, ANN)
        assert {name.split("/")[0] for name in files} >= {"dead-letters"}
        assert any("/journal/" in name for name in files)
        assert "second_view" in run("user", "show", ANN, *_where(shop))
        asked = json.loads(run("user", "erase", ANN, *_where(shop), "--json"))
        assert _user("show", shop, ANN)["state"] is None
        shop.kill()
    with serving(str(plan), data, *flags) as shop:
        receipts = shop.wait_for(lambda: _user("receipt", shop, ANN)["receipts"], 60.0)
        assert _files_with(data, ANN) == []
        assert _files_with(data, OTHERS[0]) != []
        (receipt,) = receipts
        assert receipt["user"] == asked["user"]
        assert ANN not in json.dumps(receipt)
        _check_verify(tmp_path, data, receipt)
        assert _user("show", shop, ANN)["outbox"] == []
        shop.post(_events(ANN)[:1])
        assert _user("show", shop, ANN)["state"]["features"]["views"][0]["value"] == 1
        assert _user("show", shop, OTHERS[3])["state"]["features"]["views"][0]["value"] == 2
    log = (data / "audit.ndjson").read_text()
    assert ANN not in log
    assert {"users erase", "user erased"} <= {json.loads(one)["what"] for one in log.splitlines()}


def _check_verify(tmp_path: Path, data: Path, receipt: dict[str, Any]) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(receipt))
    assert "good" in run("user", "verify", str(file), "--user", ANN, "--data", str(data))
    for changed, text in (
        ({"issued": "2000-01-01"}, "not as it was signed"),
        ({"public_key": "00" * 32}, "another key"),
    ):
        file.write_text(json.dumps({**receipt, **changed}))
        command = [*COMMAND, "user", "verify", str(file), "--data", str(data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert text in done.stderr
