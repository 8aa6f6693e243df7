"""The engine on three Ray nodes, started as the chart starts it; nodes and launcher lose power, and
nothing acknowledged is lost: each shard lives with the directory of its node.

The tests build on each other: one cluster lives through all of them, in this order.
"""

import asyncio
import json
import os
import re
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.serve_process import Receiver
from tests.system.chart_nodes import AUGENBLICK, ChartNodes
from tests.system.nodes import Nodes, child_of
from tests.unit.native.siphash import siphash13

from augenblick.client import Client
from augenblick.link.handshake import Identity
from augenblick.link.node import LinkNode

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

PLAN = """
plan: shop
time: {lateness: 0ms, idle: 200ms}
features:
  views: {count: view, over: lifetime}
triggers:
  third_view: {when: views >= 3, then: hook}
actions:
  hook: {webhook: "URL"}
"""
ACTORS = """
import ray, sys
ray.init(sys.argv[1], log_to_driver=False)
print("actors:", ray.util.list_named_actors(all_namespaces=True))
"""


def wait_for(what: Callable[[], Any], seconds: float) -> Any:
    """What the function returns, as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.1)
    return found


class Cluster:
    """The chart's two shards on nodes 1 and 2, everything else on node 0, a webhook's target."""

    def __init__(self, helm: Path, folder: Path, nodes: Nodes, receiver: Receiver) -> None:
        values = {
            "plan": PLAN.replace("URL", receiver.url),
            "shards": {"replicas": 2},
            "dataKeys": {"existingSecret": "shop-data-keys"},
            "extraArguments": ["--webhook-allow=127.0.0.0/8", "--catch-up=1s"],
        }
        self.nodes = nodes
        self.chart = ChartNodes(helm, folder, nodes, values)
        self.receiver = receiver
        self.http = f"http://{nodes.address(0)}:8080"
        self.forward = f"{nodes.address(0)}:24224"
        self.engine: Any = None
        self.log = Path()

    def start_engine(self, *more: str) -> None:
        self.engine, self.log = self.chart.start_engine(*more)

    def wait_ready(self) -> None:
        wait_for(
            lambda: self.engine.poll() is not None or "is ready" in self.log.read_text(), 120.0
        )
        assert self.engine.poll() is None, self.log.read_text()

    def ask(self, path: str, key: str, body: bytes | None = None, seconds: float = 60.0) -> Any:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
        request = urllib.request.Request(self.http + path, body, headers)
        with self.nodes.network(0), urllib.request.urlopen(request, timeout=seconds) as answer:
            return json.load(answer)

    def status(self) -> dict[str, Any]:
        token = (self.nodes.private(0) / "data" / "control.token").read_text().strip()
        document: dict[str, Any] = self.ask("/v1/status", token)
        return document

    def view(self, *users: str) -> int:
        """Each of the users views something; how many were accepted."""
        lines = [json.dumps({"user": user, "event": "view"}) for user in users]
        body = "\n".join(lines).encode()
        accepted: int = self.ask("/v1/events", self.chart.keys["write-key"], body)["accepted"]
        return accepted

    def shard_hosts(self) -> list[str]:
        return sorted(host_of(shard) for shard in self.status()["shards"].values())

    def owner(self, user: str) -> int:
        """The shard whose user this is: of two, each has half of the keys."""
        identity = json.loads((self.nodes.private(0) / "data" / "cluster.json").read_text())
        return siphash13(bytes.fromhex(identity["hash_key"]), user.encode()) >> 63

    def shard_on(self, index: int) -> int:
        """The shard whose directory is on the node."""
        (path,) = (self.nodes.private(index) / "data").glob("shard-*")
        return int(path.name.rpartition("-")[2])

    def send_later(self, users: list[str]) -> "threading.Thread":
        """A client that views once for each user and ends when all of that is acknowledged."""
        thread = threading.Thread(target=self._send, args=(users,))
        thread.start()
        return thread

    def _send(self, users: list[str]) -> None:
        with (
            self.nodes.network(0),
            Client(self.forward, shared_key=self.chart.keys["shared-key"]) as client,
        ):
            for user in users:
                client.track(user, "view")
            assert client.flush(120)

    def is_well(self) -> bool:
        status = self.status()
        return bool(status["ready"]) and all(one["up"] for one in status["spares"].values())

    def fired(self) -> dict[str, int]:
        """Views at the firing, per user."""
        return {one["user"]: one["values"]["views"] for one in self.receiver.got}


def host_of(member: dict[str, Any]) -> str:
    host: str = member["address"].rpartition(":")[0]
    return host


@pytest.fixture(scope="module")
def cluster(helm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("nodes")
    nodes = Nodes(folder, 3)
    try:
        with nodes.network(0):
            receiver = Receiver()
        made = Cluster(helm, folder, nodes, receiver)
        made.chart.start_ray(0)
        made.chart.start_ray(1)
        made.start_engine()  # it has to wait for the second node
        made.chart.start_ray(2)
        made.wait_ready()
        yield made
        receiver.close()
    finally:
        nodes.close()


def test_each_shard_has_a_node_and_an_address_there(cluster):
    status = cluster.status()
    nodes = cluster.nodes
    assert status["ready"]
    assert cluster.shard_hosts() == [nodes.address(1), nodes.address(2)]
    assert host_of(status["delivery"]) == nodes.address(0)
    shown = nodes.output(
        0,
        [*AUGENBLICK, "status", f"--engine={cluster.http}"],
        {**cluster.chart.environment("head", "engine"), "COLUMNS": "160"},
    )
    for shard in status["shards"].values():
        assert shard["address"] in shown


def test_forward_events_become_webhooks(cluster):
    users = [f"forward-{number}" for number in range(50)]
    with (
        cluster.nodes.network(0),
        Client(cluster.forward, shared_key=cluster.chart.keys["shared-key"]) as client,
    ):
        for user in users * 3:
            client.track(user, "view")
        assert client.flush()
    wait_for(lambda: cluster.fired().keys() >= set(users), 20)
    users_held = [shard["users"] for shard in wait_for_users(cluster, 50).values()]
    assert min(users_held) > 0


def wait_for_users(cluster: Cluster, users: int) -> dict[str, Any]:
    """The shards, once their heartbeats have said so many users."""

    def shards() -> dict[str, Any] | None:
        found: dict[str, Any] = cluster.status()["shards"]
        return found if sum(one.get("users", 0) for one in found.values()) >= users else None

    return wait_for(shards, 30)


def test_the_link_wants_the_cluster_secret(cluster):
    address = cluster.status()["shards"]["shard-0"]["address"]
    identity = json.loads((cluster.nodes.private(0) / "data" / "cluster.json").read_text())
    right = cluster.chart.keys["cluster-secret"]
    with cluster.nodes.network(0):
        assert asyncio.run(knock(address, identity["cluster"], right)) == "up"
        assert asyncio.run(knock(address, identity["cluster"], "0" * 64)) != "up"


async def knock(address: str, cluster_id: str, secret: str) -> str:
    """What a link connection of a stranger with this secret comes to."""
    outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    class Owner:
        def on_link_up(self, peer: str, hello: dict[str, Any]) -> None:
            self.done("up")

        def on_link_message(self, peer: str, message: Any) -> None:
            pass

        def on_link_down(self, peer: str, reason: str) -> None:
            pass

        def on_link_refused(self, reason: str) -> None:
            self.done(reason)

        def done(self, text: str) -> None:
            if not outcome.done():
                outcome.set_result(text)

    node = LinkNode(Identity("control", "stranger", 1, cluster_id), secret.encode(), Owner())
    node.connect("shard-0", address)
    try:
        return await asyncio.wait_for(outcome, 10)
    finally:
        await node.close()


def test_state_lies_on_the_shards_nodes_alone(cluster):
    assert {cluster.shard_on(1), cluster.shard_on(2)} == {0, 1}
    assert not list((cluster.nodes.private(0) / "data").glob("shard-*"))
    for index in (1, 2):
        (shard,) = (cluster.nodes.private(index) / "data").glob("shard-*")
        journal = b"".join(path.read_bytes() for path in (shard / "journal").iterdir())
        assert len(journal) > 10_000
        assert b"forward-" not in journal  # encrypted


def two_views(cluster: Cluster, kind: str) -> list[str]:
    users = [f"{kind}-{number}" for number in range(24)]
    assert cluster.view(*users, *users) == 48
    return users


def third_views_fire(cluster: Cluster, users: list[str]) -> None:
    """Nothing of the first two was lost, nothing is counted twice."""
    wait_for(lambda: cluster.fired().keys() >= set(users), 60)
    assert {cluster.fired()[user] for user in users} == {3}


def test_a_killed_shard_is_replaced_on_its_machine_by_the_spare(cluster):
    wait_for(lambda: cluster.is_well(), 60)
    users = two_views(cluster, "spare")
    shard = f"shard-{cluster.shard_on(2)}"
    before = cluster.status()["shards"][shard]
    lock = cluster.nodes.common / "data" / shard / "lock"
    cluster.nodes.output(2, ["bash", "-c", f"kill -9 $(cat {lock})"], {})
    began = time.monotonic()
    assert cluster.view(*users) == len(users)
    assert time.monotonic() - began < 5.0
    third_views_fire(cluster, users)
    after = wait_for(lambda: (s := cluster.status())["ready"] and s["shards"][shard], 30)
    assert after["address"] == before["address"]
    assert after["incarnation"] > before["incarnation"]
    assert not any("started anew" in line["text"] for line in cluster.status()["log"])


def test_a_node_loses_power_and_its_users_wait_for_it(cluster):
    wait_for(lambda: cluster.is_well(), 60)
    users = two_views(cluster, "power")
    lost = [user for user in users if cluster.owner(user) == cluster.shard_on(2)]
    kept = [user for user in users if user not in lost]
    assert kept
    assert lost
    cluster.nodes.kill(2)
    client = cluster.send_later(lost)
    assert cluster.view(*kept) == len(kept)
    wait_for(lambda: cluster.fired().keys() >= set(kept), 20)
    text = "the machine with its directory is away; its users wait for it"
    wait_for(lambda: any(text in line["text"] for line in cluster.status()["log"]), 20)
    assert client.is_alive()
    assert not cluster.fired().keys() & set(lost)
    cluster.chart.start_ray(2)
    back = time.monotonic()
    client.join(60)
    assert not client.is_alive()
    print(f"a node is back: {time.monotonic() - back:.1f} s to the acks")
    third_views_fire(cluster, users)
    assert cluster.status()["state_lost"] == {}


def test_a_machine_that_falls_silent_is_missed_after_five_seconds(cluster):
    """A pulled cable tells nobody; its users wait, and are served as before when it is back."""
    wait_for(lambda: cluster.is_well(), 60)
    users = two_views(cluster, "silent")
    shard = f"shard-{cluster.shard_on(2)}"
    cluster.nodes.cut(2)
    began = time.monotonic()
    client = cluster.send_later(users)
    wait_for(lambda: not cluster.status()["shards"][shard]["up"], 20)
    assert 4.0 < time.monotonic() - began < 9.0
    cluster.nodes.heal(2)
    time.sleep(2.0)
    if not cluster.nodes.is_on(2):  # Ray had given it up
        cluster.chart.start_ray(2)
    client.join(60)
    assert not client.is_alive()
    third_views_fire(cluster, users)


def test_the_launcher_loses_power(cluster):
    """The engine goes on; a new launcher replaces what the old one has left."""
    users = two_views(cluster, "launcher")
    os.kill(child_of(cluster.engine), signal.SIGKILL)
    assert cluster.engine.wait(10) == -signal.SIGKILL
    assert cluster.view("alone") == 1
    cluster.start_engine()
    cluster.wait_ready()
    assert re.search(r"ended \d+ processes of an earlier start", cluster.log.read_text())
    assert "is lost" not in cluster.log.read_text()
    assert cluster.view(*users) == len(users)
    third_views_fire(cluster, users)


def test_launcher_and_a_node_lose_power_together(cluster):
    """The new launcher waits for the node's directory, while Ray still takes it for alive."""
    users = two_views(cluster, "together")
    os.kill(child_of(cluster.engine), signal.SIGKILL)
    cluster.nodes.kill(2)
    assert cluster.engine.wait(10) == -signal.SIGKILL
    cluster.start_engine()
    cluster.chart.start_ray(2)
    cluster.wait_ready()
    assert cluster.shard_hosts() == [cluster.nodes.address(1), cluster.nodes.address(2)]
    assert cluster.view(*users) == len(users)
    third_views_fire(cluster, users)


def test_all_nodes_lose_power_at_once(cluster):
    users = two_views(cluster, "all")
    for index in range(3):
        cluster.nodes.kill(index)
    assert cluster.engine.wait(10) != 0
    for index in range(3):
        cluster.chart.start_ray(index)
    cluster.start_engine()
    cluster.wait_ready()
    assert cluster.view(*users) == len(users)
    third_views_fire(cluster, users)


def test_a_lost_disk_is_given_up_by_the_operator_alone(cluster):
    """Those users begin anew; the others keep what they had."""
    users = two_views(cluster, "disk")
    shard = cluster.shard_on(2)
    lost = [user for user in users if cluster.owner(user) == shard]
    os.kill(child_of(cluster.engine), signal.SIGKILL)
    cluster.nodes.kill(2)
    assert cluster.engine.wait(10) == -signal.SIGKILL
    disk = cluster.nodes.private(2) / "data"
    disk.rename(disk.with_name("broken"))
    cluster.chart.start_ray(2)
    cluster.start_engine(f"--accept-loss=shard-{shard}")
    cluster.wait_ready()
    assert cluster.shard_on(2) == shard
    assert cluster.view(*users) == len(users)
    wait_for(lambda: cluster.fired().keys() >= set(users) - set(lost), 30)
    assert not cluster.fired().keys() & set(lost)
    assert cluster.view(*lost, *lost) == 2 * len(lost)
    third_views_fire(cluster, users)


def test_an_orderly_stop_leaves_ray_alone(cluster):
    os.kill(child_of(cluster.engine), signal.SIGTERM)
    assert cluster.engine.wait(60) == 0, cluster.log.read_text()
    assert all(cluster.nodes.is_on(index) for index in range(3))
    left = cluster.nodes.output(
        0,
        [sys.executable, "-c", ACTORS, f"{cluster.nodes.address(0)}:6379"],
        cluster.chart.environment("head", "engine"),
    )
    assert "actors: []" in left.splitlines(), left  # Ray may warn of something beside it
    with pytest.raises(urllib.error.URLError):
        cluster.view("late")
