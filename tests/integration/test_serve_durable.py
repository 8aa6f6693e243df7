"""State that outlives processes: a killed shard, a killed engine, and an orderly stop."""

import os
import signal
import subprocess
import time
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
triggers:
  third_view: {event: view, when: views == 3, then: hook}
actions:
  hook: {webhook: "URL"}
"""
CARTS = """
plan: carts
time: {lateness: 0ms, idle: 200ms}
metrics:
  traffic: {count: "*", over: {tumbling: 1s}}
triggers:
  left: {sequence: [cart, {not: buy}], within: 3s, then: hook}
  died: {when: traffic == 0, then: hook}
actions:
  hook: {webhook: "URL"}
"""
USERS = [f"user-{number}" for number in range(60)]


def _views(users: list[str]) -> list[dict[str, object]]:
    return [{"user": user, "event": "view"} for user in users]


def _fired(receiver: Receiver) -> set[str]:
    return {one["user"] for one in receiver.got}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def plan(tmp_path: Path, receiver: Receiver) -> str:
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP.replace("URL", receiver.url))
    return str(path)


def _count_ids(receiver: Receiver) -> tuple[int, int]:
    ids = [one["id"] for one in receiver.got]
    return len(ids), len(set(ids))


def test_a_killed_shard_and_a_killed_engine_keep_every_acked_event(
    plan: str, tmp_path: Path, receiver: Receiver
) -> None:
    data = tmp_path / "data"
    with serving(plan, data) as shop:
        assert shop.post(_views(USERS))["accepted"] == len(USERS)
        status = shop.ask("/v1/status")
        for name in ("shard-0", "shard-1"):
            os.kill(shop.pid_at(status["shards"][name]["address"]), signal.SIGKILL)
        shop.wait_for(lambda: shop.post(_views(USERS))["accepted"] == len(USERS))
        assert _fired(receiver) == set()
    with serving(plan, data) as shop:  # everything was killed at once
        assert sum(one["users"] for one in shop.ask("/v1/status")["shards"].values()) == 60
        assert shop.post(_views(USERS))["accepted"] == len(USERS)
        shop.wait_for(lambda: _fired(receiver) == set(USERS))
        assert _count_ids(receiver) == (60, 60)
        assert shop.stop() == 0, shop.text()
    with serving(plan, data) as shop:
        assert shop.post(_views(["user-1"]))["accepted"] == 1
        storage = shop.ask("/v1/status")["shards"]["shard-0"]["storage"]
        assert storage["durability"] == "fsync"
        assert storage["position"] > 0
        assert _count_ids(receiver) == (60, 60)
        _other_settings_are_refused(plan, data, shop)


def _other_settings_are_refused(plan: str, data: Path, shop: Serve) -> None:
    assert shop.stop() == 0, shop.text()
    for flags, text in (
        (("--shards", "3"), "savepoint --stop"),
        (("--durability", "none"), "would pass over"),
    ):
        done = subprocess.run(
            [*COMMAND, "serve", plan, "--data", str(data), *flags],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert text in done.stderr


def test_after_a_start_buffered_events_come_before_timers_that_were_due(
    tmp_path: Path, receiver: Receiver
) -> None:
    plan, data = tmp_path / "carts.yaml", tmp_path / "data"
    plan.write_text(CARTS.replace("URL", receiver.url))
    with serving(str(plan), data) as shop:
        begin_ms = int(time.time() * 1000)
        cart = {"event": "cart", "time": begin_ms}
        assert shop.post([{"user": "ann", **cart}, {"user": "bob", **cart}])["accepted"] == 2
    assert receiver.got == []
    with serving(str(plan), data, "--catch-up", "5s") as shop:
        until_ms = shop.wait_for(lambda: shop.ask("/v1/status")["catch_up_until_ms"])
        assert "catching up until" in run("status", "--engine", shop.http, "--data", str(data))
        buy = {"user": "bob", "event": "buy", "time": begin_ms + 1000}
        assert shop.post([buy])["accepted"] == 1  # buffered while the engine was away
        shop.wait_for(lambda: len(receiver.got) == 2)
        died, firing = sorted(receiver.got, key=lambda one: str(one["trigger"]))
        assert (firing["user"], firing["time"]) == ("ann", begin_ms + 3000)
        assert firing["fired_at"] >= until_ms
        assert abs(firing["late_by"] - (firing["fired_at"] - firing["time"])) < 1500
        assert died["trigger"] == "died"  # the first second without an event
        assert died["fired_at"] >= until_ms
        assert abs(died["late_by"] - (died["fired_at"] - died["time"])) < 1500
        assert shop.wait_for(lambda: shop.ask("/v1/status")["catch_up_until_ms"] is None)
        assert shop.ask("/v1/status")["counters"]["late"] == 0


def test_without_durability_a_killed_shard_begins_anew(
    plan: str, tmp_path: Path, receiver: Receiver
) -> None:
    with serving(plan, tmp_path / "data", "--durability", "none") as shop:
        shop.post(_views(USERS))
        status = shop.ask("/v1/status")
        os.kill(shop.pid_at(status["shards"]["shard-0"]["address"]), signal.SIGKILL)
        shop.wait_for(lambda: shop.post(_views(USERS))["accepted"] == len(USERS))
        status = shop.wait_for(lambda: (s := shop.ask("/v1/status"))["ready"] and s)
        assert status["state_lost"] == {"shard-0": 1}
        assert "the state of its users is lost" in shop.text()
        assert not (tmp_path / "data" / "shard-0" / "journal").exists()
