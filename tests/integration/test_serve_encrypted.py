"""An engine whose directory is encrypted: crashes, a new key, and what is said without a key."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.integration.serve_process import COMMAND, serving

pytestmark = pytest.mark.timeout(240)

SHOP = """
plan: shop
time: {lateness: 0ms, idle: 200ms}
events: {view: {price: float}}
features: {views: {count: view, over: lifetime}}
triggers: {third_view: {event: view, when: views == 3}}
"""
PORTS = ("--forward", "127.0.0.1:0", "--http", "127.0.0.1:0")
USERS = [f"grace-{number}@example.test" for number in range(40)]
GOOD = [{"user": user, "event": "view", "props": {"price": 1.5}} for user in USERS]
BAD = [{"user": USERS[0], "event": "view", "props": {"price": "grace"}}]


def _augenblick(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _used(keys: Path, data: Path) -> dict[str, str]:
    found = _augenblick("key", "list", keys, "--data", data)
    assert found.returncode == 0, found.stderr
    return dict(line.split("  ", 1) for line in found.stdout.splitlines())


def _leaks(data: Path) -> list[str]:
    files = [path for path in data.rglob("*") if path.is_file()]
    assert len(files) > 8
    return [str(path) for path in files if b"grace" in path.read_bytes()]


def test_an_encrypted_directory(tmp_path: Path) -> None:
    data, keys, plan = tmp_path / "data", tmp_path / "keys", tmp_path / "shop.yaml"
    plan.write_text(SHOP)
    first = _augenblick("key", "new", keys).stdout.strip()
    with serving(str(plan), data, "--key-file", str(keys)) as shop:
        assert shop.post(GOOD)["accepted"] == len(USERS)
        shop.post(BAD)
        status = shop.ask("/v1/status")
        for name in ("shard-0", "shard-1"):
            os.kill(shop.pid_at(status["shards"][name]["address"]), signal.SIGKILL)
        shop.wait_for(lambda: shop.post(GOOD)["accepted"] == len(USERS))
        (letter,) = shop.ask("/v1/dead-letters")["dead_letters"]
        assert letter["reason"] == "bad_property"
        assert _leaks(data) == []
    for flags, text in (((), "--key-file"), (("--key-file", str(tmp_path / "no")), "key new")):
        refused = _augenblick("serve", plan, "--data", data, *PORTS, *flags)
        assert refused.returncode in (1, 2)
        assert text in refused.stderr
    second = _augenblick("key", "new", keys).stdout.strip()
    with serving(str(plan), data, "--key-file", str(keys)) as shop:
        assert sum(one["users"] for one in shop.ask("/v1/status")["shards"].values()) == len(USERS)
        assert shop.post(GOOD)["accepted"] == len(USERS)
        fired = shop.ask("/v1/tail?kind=firing&wait=5")["records"]
        assert {one["record"]["user"] for one in fired} <= set(USERS)
        (letter,) = shop.ask("/v1/dead-letters")["dead_letters"]
        used = _used(keys, data)
        assert list(used) == [first, second]
        assert used[second].endswith("encrypts")
        assert shop.stop() == 0, shop.text()
    assert _leaks(data) == []
    other = tmp_path / "other"
    _augenblick("key", "new", other)
    refused = _augenblick("serve", plan, "--data", data, *PORTS, "--key-file", other)
    assert refused.returncode == 1
    assert f"which {other} does not hold" in refused.stderr
