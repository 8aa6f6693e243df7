"""Several machines on one: each node has network, process and mount namespaces of its own.

A node has its own address on a private bridge, its own /dev/shm and its own folder under one common
path; killing it kills everything in it at once, as a machine that loses power. Needs root and
iproute2. Nothing outside the namespaces is touched; `close` removes them, and what a killed test
run has left is removed by the next one.
"""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

PREFIX = "10.77.0"
NETWORKS = Path("/run/netns")
CLONE_NEWNET = 0x40000000
RAY_SECONDS = 60.0
ENTER = """set -e
mount --bind {private} {common}
mount -t tmpfs -o size=256m tmpfs /dev/shm
exec {command}"""


class Nodes:
    """Nodes 0 to count - 1; `common` is the folder that each has for itself."""

    def __init__(self, folder: Path, count: int) -> None:
        _remove_stale()
        self.common = Path(f"/tmp/ab-{os.getpid()}")  # short: it holds Unix sockets
        self.common.mkdir()
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._first: dict[int, subprocess.Popen[bytes]] = {}  # per node: it holds the namespaces
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

    def start(
        self, index: int, command: Sequence[str], environment: dict[str, str], until: str
    ) -> None:
        """Switch the node on: run its first command and wait until that has printed the text."""
        log = self._folder / f"node-{index}.log"
        words = " ".join(f"'{word}'" for word in command)
        script = ENTER.format(private=self.private(index), common=self.common, command=words)
        outer = ["ip", "netns", "exec", self._name(index)]
        outer += ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
        first = self._first[index] = self._popen([*outer, "bash", "-c", script], environment, log)
        deadline = time.monotonic() + RAY_SECONDS
        while until not in log.read_text():
            alive = first.poll() is None and time.monotonic() < deadline
            assert alive, f"node {index} did not start:\n{log.read_text()}"
            time.sleep(0.1)

    def is_on(self, index: int) -> bool:
        """Does the node's first command run?"""
        return self._first[index].poll() is None

    def run(
        self, index: int, command: Sequence[str], environment: dict[str, str], log: Path
    ) -> "subprocess.Popen[bytes]":
        """Start a further command on a node; the handle's own process waits for it outside."""
        return self._popen([*self._inside(index), *command], environment, log)

    def output(self, index: int, command: Sequence[str], environment: dict[str, str]) -> str:
        """Run a further command on a node and return what it printed."""
        done = subprocess.run(
            [*self._inside(index), *command],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextlib.contextmanager
    def network(self, index: int) -> Iterator[None]:
        """Sockets and threads that this thread makes within are on the node's network."""
        with Path("/proc/thread-self/ns/net").open() as own:
            with (NETWORKS / self._name(index)).open() as there:
                _enter_network(there.fileno())
            try:
                yield
            finally:
                _enter_network(own.fileno())

    def kill(self, index: int) -> None:
        """Everything on the node is gone at once."""
        _kill_all(self._name(index))

    def cut(self, index: int) -> None:
        """Nothing comes through to the node or from it any more; nobody is told. Not node 0."""
        _ip("-n", self._name(0), "link", "set", f"port{index}", "down")

    def heal(self, index: int) -> None:
        """The node's cable is plugged in again."""
        _ip("-n", self._name(0), "link", "set", f"port{index}", "up")

    def close(self) -> None:
        """Kill every node and remove networks and folders."""
        _remove(f"ab-{os.getpid()}")
        for process in self._processes:
            process.wait(10)

    def _popen(
        self, command: list[str], environment: dict[str, str], log: Path
    ) -> "subprocess.Popen[bytes]":
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._processes.append(process)
        return process

    def _inside(self, index: int) -> list[str]:
        """What makes the command after it run on the node."""
        first = child_of(self._first[index])
        return ["nsenter", f"--target={first}", "--mount", "--pid", "--net", "--"]

    def _name(self, index: int) -> str:
        return f"ab-{os.getpid()}-{index}"

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


def child_of(process: "subprocess.Popen[bytes]") -> int:
    """The process that nsenter or unshare has made and waits for; its id outside."""
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 10
    while not (children := path.read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return int(children[0])


def _remove_stale() -> None:
    """What runs that are no more have left."""
    for path in {*NETWORKS.glob("ab-*-*"), *Path("/tmp").glob("ab-*")}:
        found = re.fullmatch(r"ab-(\d+)(-\d+)?", path.name)
        if found is not None and not Path(f"/proc/{found[1]}").exists():
            _remove(f"ab-{found[1]}")


def _remove(mark: str) -> None:
    for path in NETWORKS.glob(f"{mark}-*"):
        _kill_all(path.name)
        _ip("netns", "delete", path.name)
    shutil.rmtree(f"/tmp/{mark}", ignore_errors=True)


def _kill_all(network: str) -> None:
    listed = subprocess.run(
        ["ip", "netns", "pids", network], capture_output=True, text=True, check=True
    )
    for pid in set(map(int, listed.stdout.split())) - {os.getpid()}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _enter_network(descriptor: int) -> None:
    """os.setns of Python 3.12."""
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
