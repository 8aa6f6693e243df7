"""Ray's head, a raylet and whole nodes are killed, stopped and away, under load from a client: what
was acknowledged comes out, once. Head, engine and shard have a node each.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.kills.load import PLAN, Load, check
from tests.integration.serve_process import Receiver
from tests.system.chart_nodes import AUGENBLICK, RAY, STARTED
from tests.system.nodes import Nodes, child_of

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

HEAD, ENGINE, SHARD = range(3)
STOP_SECONDS = 7.0
ROUNDS = int(os.environ.get("AUGENBLICK_KILL_ROUNDS", "20"))
STATUS = """
import json, sys, urllib.request
request = urllib.request.Request("http://127.0.0.1:8080/v1/status")
request.add_header("Authorization", "Bearer " + open(sys.argv[1]).read().strip())
status = json.load(urllib.request.urlopen(request, timeout=10))
spares = [one["up"] for one in status["spares"].values()]
print("well" if status["ready"] and all(spares) else status["log"])
"""


class Scene:
    """The engine on three nodes under load, and what it sends out."""

    def __init__(self, folder: Path, nodes: Nodes) -> None:
        self.nodes = nodes
        self.folder = folder
        self.plan = folder / "kills.yaml"
        self.log = folder / "serve.log"
        with nodes.network(ENGINE):
            self.receiver = Receiver()
        self.plan.write_text(PLAN.replace("URL", self.receiver.url))
        self.data = nodes.common / "data"
        for index in (HEAD, SHARD, ENGINE):
            self.start_ray(index)
        self.engine = self._serve()
        address = f"{nodes.address(ENGINE)}:24224"
        self.load = Load(address, network=lambda: nodes.network(ENGINE))

    def start_ray(self, index: int) -> None:
        """Switch a node on."""
        address = f"{self.nodes.address(HEAD)}:6379"
        if index == HEAD:
            where = ["--head", "--port=6379", "--include-dashboard=false"]
        else:
            where = [f"--address={address}"]
        if index == SHARD:
            where.append('--resources={"augenblick_shard":1000}')
        command = [*RAY, "start", *where, "--block", "--disable-usage-stats", "--num-cpus=0"]
        command += [f"--node-ip-address={self.nodes.address(index)}"]
        command += ["--object-store-memory=80000000"]
        self.nodes.start(index, command, self._environment(), STARTED)

    def _environment(self) -> dict[str, str]:
        return {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": "ab" * 32,
            "AUGENBLICK_CLUSTER_SECRET": "a secret of at least sixteen",
            "RAY_TMPDIR": str(self.nodes.common),
            "RAY_worker_niceness": "0",
            "RAY_memory_monitor_refresh_ms": "0",
            "RAY_health_check_period_ms": "1000",
            "RAY_gcs_rpc_server_reconnect_timeout_s": "86400",
            "RAY_gcs_storage": "rocksdb",
            "RAY_gcs_storage_path": str(self.nodes.common / "gcs"),
        }

    def _serve(self) -> Any:
        command = [*AUGENBLICK, "serve", str(self.plan), "--data", str(self.data)]
        command += ["--ray", f"{self.nodes.address(HEAD)}:6379", "--clock", "event", "--insecure"]
        command += ["--shard-resource", "augenblick_shard", "--shard-nodes", "1", "--shards", "2"]
        command += ["--forward", f"{self.nodes.address(ENGINE)}:24224", "--http", "127.0.0.1:8080"]
        command += ["--webhook-allow", "127.0.0.0/8"]
        engine = self.nodes.run(ENGINE, command, self._environment(), self.log)
        deadline = time.monotonic() + 120.0
        while "is ready" not in self.log.read_text():
            assert engine.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)
        return engine

    def wait_well(self, seconds: float = 90.0) -> None:
        """Until everybody is there, a spare too."""
        deadline = time.monotonic() + seconds
        command = [sys.executable, "-c", STATUS, str(self.data / "control.token")]
        while (said := self.nodes.output(ENGINE, command, {}).strip()) != "well":
            assert time.monotonic() < deadline, said
            time.sleep(0.3)

    def signal(self, index: int, process: str, name: str) -> None:
        """To a process of Ray's on a node."""
        self.nodes.output(index, ["pkill", f"-{name}", "-x", process], {})

    def kill_shard(self) -> None:
        """The process that owns the first directory."""
        lock = self.data / "shard-0" / "lock"
        self.nodes.output(SHARD, ["bash", "-c", f"kill -9 $(cat {lock})"], {})

    def finish(self) -> None:
        """The load ends, and the history is checked."""
        self.load.finish()
        check(self.plan, self.load, self.receiver, self.folder)
        os.kill(child_of(self.engine), signal.SIGTERM)
        assert self.engine.wait(60) == 0, self.log.read_text()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("kill-nodes")
    nodes = Nodes(folder, 3)
    try:
        made = Scene(folder, nodes)
        made.load.start()
        made.load.wait_for_acks()
        yield made
        made.finish()
        made.receiver.close()
    finally:
        nodes.close()


def _kill_raylet(scene: Scene) -> None:
    """With it go the workers of its node; the node's supervisor starts it again."""
    scene.signal(SHARD, "raylet", "KILL")
    while scene.nodes.is_on(SHARD):
        time.sleep(0.1)
    scene.nodes.kill(SHARD)
    scene.start_ray(SHARD)


def _stop_raylet(scene: Scene) -> None:
    """Nothing of the engine's notices."""
    scene.signal(SHARD, "raylet", "STOP")
    scene.load.wait_for_acks(5.0)
    time.sleep(STOP_SECONDS)
    scene.signal(SHARD, "raylet", "CONT")


def _kill_node(scene: Scene) -> None:
    scene.nodes.kill(SHARD)
    scene.start_ray(SHARD)


def _stop_head(scene: Scene) -> None:
    scene.signal(HEAD, "gcs_server", "STOP")
    scene.load.wait_for_acks(5.0)
    time.sleep(STOP_SECONDS)
    scene.signal(HEAD, "gcs_server", "CONT")


def _head_away(scene: Scene, seconds: float = 10.0) -> None:
    """The engine goes on without it, and a shard that dies meanwhile is replaced by the spare."""
    scene.nodes.kill(HEAD)
    until = time.monotonic() + seconds
    scene.load.wait_for_acks(5.0)
    scene.kill_shard()
    scene.load.wait_for_acks(10.0)
    while time.monotonic() < until:
        time.sleep(min(1.0, max(0.0, until - time.monotonic())))
        scene.load.wait_for_acks(5.0)
    scene.start_ray(HEAD)


FAULTS: dict[str, Callable[[Scene], None]] = {
    "kill-raylet": _kill_raylet,
    "stop-raylet": _stop_raylet,
    "kill-node": _kill_node,
    "stop-head": _stop_head,
    "kill-head": _head_away,
}


def _hurt(scene: Scene, fault: Callable[[Scene], None]) -> None:
    scene.wait_well()
    began = time.monotonic()
    fault(scene)
    acked = scene.load.wait_for_acks()
    print(f"{fault.__name__}: {time.monotonic() - began:.1f} s, of it {acked:.1f} to the acks")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_nothing_acknowledged_is_lost(scene: Scene, fault: Callable[[Scene], None]) -> None:
    _hurt(scene, fault)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_nothing_is_lost_again_and_again(scene: Scene, fault: Callable[[Scene], None]) -> None:
    for _ in range(ROUNDS):
        _hurt(scene, fault)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_head_is_away_for_five_minutes(scene: Scene) -> None:
    scene.wait_well()
    _head_away(scene, float(os.environ.get("AUGENBLICK_HEAD_AWAY_SECONDS", "300")))
    scene.load.wait_for_acks()
    scene.wait_well()
