"""Several Ray nodes on one machine, each in network, process and mount namespaces of its own.

A node has its own address on a private bridge, its own /dev/shm and its own folder under one common
path; killing it kills everything in it at once, as a machine that loses power. Needs root and
iproute2. Nothing outside the namespaces is touched; `close` removes them.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PREFIX = "10.77.0"
START_SECONDS = 60.0
OBJECT_STORE_BYTES = 80_000_000
ENTER = """set -e
mount --bind {private} {common}
mount -t tmpfs -o size=256m tmpfs /dev/shm
exec {command}"""


class Nodes:
    """Nodes 0 (Ray's head) to count - 1; `common` is the folder that each has for itself."""

    def __init__(self, folder: Path, count: int) -> None:
        self._mark = secrets.token_hex(3)
        self.common = Path(f"/tmp/ab-{self._mark}")  # short: it holds Unix sockets
        self.common.mkdir()
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._first: dict[int, int] = {}  # node to the process that made its namespaces
        self.environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_memory_monitor_refresh_ms": "0",
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_timeout_ms": "1000",
            "RAY_health_check_failure_threshold": "3",
            "RAY_health_check_initial_delay_ms": "1000",
            "AUGENBLICK_CLUSTER_SECRET": secrets.token_hex(32),
        }
        for name in ("AUGENBLICK_DATA", "RAY_ADDRESS"):
            self.environment.pop(name, None)
        for index in range(count):
            self._add_network(index)

    def address(self, index: int) -> str:
        """The node's address on the bridge."""
        return f"{PREFIX}.{index + 1}"

    def private(self, index: int) -> Path:
        """The node's own folder, as seen from outside."""
        path = self._folder / f"node-{index}"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def start_ray(self, index: int, *flags: str) -> None:
        """Start Ray on a node and wait until it has; 0 is the head, to be started first."""
        role = ["--head", "--port=6379", "--include-dashboard=false"]
        if index:
            role = [f"--address={self.address(0)}:6379"]
        else:
            role += [f"--temp-dir={self.common}"]
        log = self._folder / f"ray-{index}.log"
        self._enter(
            index,
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *role),
            *(f"--node-ip-address={self.address(index)}", "--disable-usage-stats", "--num-cpus=0"),
            *(f"--object-store-memory={OBJECT_STORE_BYTES}", *flags),
            log=log,
        )
        deadline = time.monotonic() + START_SECONDS
        while "Ray runtime started" not in log.read_text():
            assert time.monotonic() < deadline, f"node {index} did not start:\n{log.read_text()}"
            time.sleep(0.1)

    def _enter(self, index: int, *command: str, log: Path) -> None:
        """Run the node's first command, in process and mount namespaces of its own."""
        text = " ".join(f"'{word}'" for word in command)
        script = ENTER.format(private=self.private(index), common=self.common, command=text)
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self._name(index)]
                + ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
                + ["bash", "-c", script],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._processes.append(process)
        self._first[index] = process.pid

    def run(self, index: int, *command: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a command on a node whose Ray runs."""
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*self._inside(index), *command],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._processes.append(process)
        return process

    def _inside(self, index: int) -> list[str]:
        """What makes the command after it run on the node."""
        outer = self._first[index]
        (first,) = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
        return ["nsenter", f"--target={first}", "--mount", "--pid", "--net", "--"]

    def command(self, index: int, *command: str, seconds: float = 60.0) -> str:
        """Run a command on a node whose Ray runs and return what it printed."""
        done = subprocess.run(
            [*self._inside(index), *command],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kill(self, index: int) -> None:
        """Everything on the node is gone at once."""
        listed = subprocess.run(
            ["ip", "netns", "pids", self._name(index)], capture_output=True, text=True, check=True
        )
        for pid in listed.stdout.split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                continue

    def close(self) -> None:
        """Kill every node and remove networks and folders."""
        names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
        found = {line.split()[0] for line in names.stdout.splitlines() if line}
        for index in range(len(found)):
            if self._name(index) in found:
                self.kill(index)
        for process in self._processes:
            process.wait(10)
        for name in found:
            if name.startswith(f"ab-{self._mark}-"):
                subprocess.run(["ip", "netns", "delete", name], check=True)
        shutil.rmtree(self.common, ignore_errors=True)

    def _name(self, index: int) -> str:
        return f"ab-{self._mark}-{index}"

    def _add_network(self, index: int) -> None:
        """Node 0 holds the bridge, the others hang on it."""
        name, head = self._name(index), self._name(0)
        _ip("netns", "add", name)
        _ip("-n", name, "link", "set", "lo", "up")
        if index == 0:
            _ip("-n", head, "link", "add", "bridge", "type", "bridge")
            _ip("-n", head, "addr", "add", f"{self.address(0)}/24", "dev", "bridge")
            _ip("-n", head, "link", "set", "bridge", "up")
            return
        port = f"port{index}"
        _ip("link", "add", port, "netns", head, "type", "veth", "peer", "eth0", "netns", name)
        _ip("-n", head, "link", "set", port, "master", "bridge", "up")
        _ip("-n", name, "addr", "add", f"{self.address(index)}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
