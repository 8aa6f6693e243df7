"""Savepoints of a running engine, and engines that begin with one."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.serve_process import COMMAND, Receiver, Serve, run, serving

pytestmark = pytest.mark.timeout(240)

SHOP = """
plan: shop
time: {lateness: 0ms, idle: 200ms}
features:
  views: {count: view, over: lifetime}
  carts: {count: cart, over: lifetime}
triggers:
  third_view: {event: view, when: views == 3, then: hook}
actions:
  hook: {webhook: "URL"}
"""
USERS = [f"user-{number}" for number in range(60)]


def _views(users: list[str], number: int) -> list[dict[str, object]]:
    return [{"user": user, "event": "view", "id": f"{user}/{number}"} for user in users]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def plan(tmp_path: Path, receiver: Receiver) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP.replace("URL", receiver.url))
    return path


def _savepoint(serve: Serve, *flags: str) -> dict[str, object]:
    output = run("savepoint", "--engine", serve.http, "--data", str(serve.data), "--json", *flags)
    document: dict[str, object] = json.loads(output)
    assert document["state"] == "done"
    return document


def _refused(*arguments: str) -> str:
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2, done.stderr
    return done.stderr


def test_another_number_of_shards_and_another_plan_go_on_from_a_savepoint(
    plan: Path, tmp_path: Path, receiver: Receiver
) -> None:
    data = tmp_path / "data"
    with serving(str(plan), data) as shop:
        assert shop.post(_views(USERS, 1))["accepted"] == len(USERS)
        early = _savepoint(shop)
        assert Path(str(early["url"]).removeprefix("file://")).parent == data / "savepoints"
        assert shop.post(_views(USERS, 2))["accepted"] == len(USERS)
        refused = subprocess.run(
            [*COMMAND, "savepoint", "--engine", shop.http, "--data", str(data), "--to", "/nope"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert refused.returncode == 1
        assert "--savepoint-allow" in refused.stderr
        last = _savepoint(shop, "--stop")
        assert shop.process.wait(60) == 0, shop.text()
    assert receiver.got == []
    changed = tmp_path / "changed.yaml"
    changed.write_text(plan.read_text().replace("carts: {count: cart", "carts: {count: basket"))
    moved = tmp_path / "moved"
    flags = ("--from", str(last["url"]), "--shards", "3")
    with serving(str(changed), moved, *flags) as shop:
        status = shop.ask("/v1/status")
        assert len(status["shards"]) == 3
        assert sum(one["users"] for one in status["shards"].values()) == len(USERS)
        assert shop.post(_views(USERS, 2))["accepted"] == len(USERS)  # known: duplicates
        assert shop.post(_views(USERS, 3))["accepted"] == len(USERS)
        shop.wait_for(lambda: {one["user"] for one in receiver.got} == set(USERS))
        assert len(receiver.got) == len(USERS)
        assert shop.stop() == 0, shop.text()
    command = ("serve", str(plan), "--data", str(moved))
    assert "--from begins a new directory" in _refused(*command, *flags)
    assert "savepoint --stop" in _refused(*command, "--shards", "2")
    with serving(str(changed), moved, "--shards", "3") as shop:
        assert sum(one["users"] for one in shop.ask("/v1/status")["shards"].values()) == 60
    _half_savepoints_are_refused(Path(str(early["url"]).removeprefix("file://")), plan, tmp_path)


def _half_savepoints_are_refused(folder: Path, plan: Path, tmp_path: Path) -> None:
    broken = tmp_path / folder.name
    shutil.copytree(folder, broken)
    (broken / "savepoint.json").unlink()
    new = tmp_path / "new"
    flags = ("serve", str(plan), "--data", str(new), "--from", str(broken))
    assert "never finished" in _refused(*flags)
    assert not list(new.glob("shard-*"))
