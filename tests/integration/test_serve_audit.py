"""The audit log of a real engine: starts and commands, in one chain."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.integration.serve_process import COMMAND, serving

pytestmark = pytest.mark.timeout(240)


def _augenblick(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_what_was_asked_stands_in_the_log(tmp_path: Path) -> None:
    data, plan = tmp_path / "data", tmp_path / "shop.yaml"
    plan.write_text("plan: shop\nevents: {view: {price: float}}\n")
    log = data / "audit.ndjson"
    with serving(str(plan), data, "--gateways", "1") as shop:
        shop.post([{"user": "u", "event": "view", "props": {"price": "dear"}}])
        shop.ask("/v1/status")
        retry = ("dead-letters", "retry", "--all", "--engine", shop.http, "--data", data)
        assert _augenblick(*retry).returncode == 0
        entries = [json.loads(line) for line in log.read_text().splitlines()]
        whats = [entry["what"] for entry in entries]
        assert whats == ["apply", "dead-letters retry", "dead-letters retry answered"]
        apply, asked, answered = entries
        assert apply["details"]["plan"] == "shop"
        assert asked["details"] == {"all": True}
        assert "@" in asked["who"]
        assert asked["who"].endswith(" from 127.0.0.1")
        assert answered["details"] == {"of": 2, "status": 200}
        log.chmod(0o400)
        whole = log.read_bytes()
        log.unlink()
        log.mkdir()  # cannot be written, whoever the tests run as
        refused = _augenblick(*retry)
        assert refused.returncode == 1
        assert "audit.ndjson: Is a directory" in refused.stderr
        log.rmdir()
        log.write_bytes(whole)
    found = _augenblick("audit", "verify", "--data", data)
    assert found.stdout == f"3 lines, none broken; the last is {answered['hash']}\n"
    noted = ("--last", answered["hash"])
    log.write_bytes(whole[: whole.index(b"\n") + 1])
    assert _augenblick("audit", "verify", "--data", data).returncode == 0
    assert "lines were taken away" in _augenblick("audit", "verify", "--data", data, *noted).stderr
    log.write_bytes(whole.replace(b'"all":true', b'"all":null'))
    broken = _augenblick("audit", "verify", "--data", data)
    assert broken.returncode == 1
    assert "audit.ndjson: line 2 was changed" in broken.stderr
