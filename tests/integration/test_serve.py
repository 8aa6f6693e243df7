"""The whole engine, by its command: real Ray, real sockets, real processes."""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.serve_process import (
    COMMAND,
    Receiver,
    Serve,
    our_processes,
    outer_connections,
    run,
    serving,
)

pytestmark = pytest.mark.timeout(240)

SHOP = """
plan: shop
time: {lateness: 0ms, idle: 200ms}
features:
  views: {count: view, over: session}
metrics:
  traffic: {count: "*", over: {tumbling: 1s}}
triggers:
  third_view: {when: views >= 3, then: hook}
  left:       {sequence: [cart, {not: order}], within: 1s, then: hook}
actions:
  hook: {webhook: "URL"}
"""


def _event(user: str, name: str, **more: object) -> dict[str, object]:
    return {"user": user, "event": name, **more}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Serve]:
    folder = tmp_path_factory.mktemp("shop")
    plan = folder / "shop.yaml"
    plan.write_text(SHOP.replace("URL", receiver.url))
    with serving(str(plan), folder / "data") as serve:
        yield serve


def test_events_become_webhooks(shop: Serve, receiver: Receiver) -> None:
    answer = shop.post([_event("ann", "view") for _ in range(3)])
    assert answer["accepted"] == 3
    shop.wait_for(lambda: [one for one in receiver.got if one["trigger"] == "third_view"])
    got = next(one for one in receiver.got if one["trigger"] == "third_view")
    assert (got["user"], got["values"]) == ("ann", {"views": 3})


def test_an_absence_fires_with_no_further_traffic(shop: Serve, receiver: Receiver) -> None:
    shop.post([_event("bob", "cart")])
    fired = shop.wait_for(lambda: [one for one in receiver.got if one["trigger"] == "left"])
    assert fired[0]["user"] == "bob"
    assert 0 <= fired[0]["fired_at"] - fired[0]["time"] < 15_000


def test_no_outbound_connection_is_made(shop: Serve) -> None:
    assert len(shop.started_pids) > 8
    assert outer_connections(shop.started_pids) == []


def test_status_and_tail_by_their_commands(shop: Serve) -> None:
    where = ("--engine", shop.http, "--data", str(shop.data))
    document = json.loads(run("status", *where, "--json"))
    assert document["ready"] is True
    assert set(document["shards"]) == {"shard-0", "shard-1"}
    assert sum(one["key_groups"] for one in document["shards"].values()) == 4096
    text = run("status", *where)
    assert "shop: ready" in text
    assert "third_view" in text
    lines = run("tail", "firing", "--past", "--no-follow", *where).splitlines()
    assert {json.loads(line)["trigger"] for line in lines} == {"third_view", "left"}


def test_metrics_are_merged_over_the_shards(shop: Serve) -> None:
    metrics = shop.wait_for(lambda: shop.tail("metric"))
    assert metrics[0]["metric"] == "traffic"
    assert metrics[0]["end"] - metrics[0]["start"] == 1000


def test_a_directory_has_one_engine(shop: Serve) -> None:
    done = subprocess.run(
        [*COMMAND, "serve", "example:otto", "--data", str(shop.data)]
        + ["--forward", "127.0.0.1:0", "--http", "127.0.0.1:0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert f"in use by another process (pid {shop.process.pid})" in done.stderr


@pytest.mark.parametrize("role", ["shards", "gateways", "delivery", "coordinator"])
def test_a_killed_process_is_replaced_and_the_engine_goes_on(
    shop: Serve, receiver: Receiver, role: str
) -> None:
    shop.wait_for(lambda: (s := shop.ask("/v1/status"))["ready"] and s["spares"]["spare-0"]["up"])
    status = shop.ask("/v1/status")
    if role == "coordinator":
        address = _coordinator_address(shop)
    elif role == "delivery":
        address = status["delivery"]["address"]
    elif role == "gateways":
        address = shop.forward
    else:
        address = status["shards"]["shard-0"]["address"]
    os.kill(shop.pid_at(address), signal.SIGKILL)
    users = [f"{role}-{number}" for number in range(40)]
    seen: set[str] = set()

    def all_fire() -> bool:
        shop.post([_event(user, "view") for user in users if user not in seen])
        seen.update(one["user"] for one in receiver.got if one["trigger"] == "third_view")
        return seen.issuperset(users)

    shop.wait_for(all_fire, 60.0)
    status = shop.wait_for(lambda: (s := shop.ask("/v1/status"))["ready"] and s, 60.0)
    assert status["state_lost"] == {}
    if role == "shards":
        assert "spare-0 takes over shard-0" in shop.text()


def test_sigterm_delivers_what_has_fired_and_leaves_nothing(
    shop: Serve, receiver: Receiver
) -> None:
    shop.wait_for(lambda: shop.ask("/v1/status")["ready"])
    users = [f"last-{number}" for number in range(50)]
    shop.post([_event(user, "view") for user in users for _ in range(3)])
    assert shop.stop() == 0, shop.text()
    fired = {one["user"] for one in receiver.got if one["trigger"] == "third_view"}
    assert fired.issuperset(users)


@pytest.mark.parametrize("seconds", [0.5, 1.5, 3.0, 4.2])
def test_a_start_can_be_ended_at_any_time(seconds: float, tmp_path: Path) -> None:
    ports = ["--forward", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    mark = {"AUGENBLICK_TEST_MARK": secrets.token_hex(8)}
    process = subprocess.Popen(
        [*COMMAND, "serve", "example:otto", "--data", str(tmp_path / "data"), *ports],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **mark},
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGTERM)
    process.wait(15)
    deadline = time.monotonic() + 10
    while left := our_processes("AUGENBLICK_TEST_MARK=" + mark["AUGENBLICK_TEST_MARK"]):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _coordinator_address(shop: Serve) -> str:
    """The coordinator has the link port that most others have dialled: all of them."""
    for port, _ in Counter(_established()).most_common():
        with contextlib.suppress(AssertionError):  # of others, who may be gone by now
            if shop.pid_at(f"127.0.0.1:{port}") in shop.started_pids:
                return f"127.0.0.1:{port}"
    raise AssertionError("no coordinator")


def _established() -> list[int]:
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {row[1].rpartition(":")[2] for row in rows if row[3] == "0A"}
    ends = [row[2].rpartition(":") for row in rows if row[3] == "01"]
    return [int(port, 16) for host, _, port in ends if host == "0100007F" and port in listening]
