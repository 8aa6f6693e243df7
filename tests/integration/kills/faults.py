"""What is done to a running engine: its processes are found, killed, or stopped and resumed."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.integration.serve_process import Serve, our_processes

STOP_SECONDS = 7.0  # longer than an owner may be silent
ROLES = ("shard", "gateway", "coordinator", "delivery", "spare")
EACH = (*ROLES, "other shard")
RAY = {"raylet": "/raylet/raylet", "head": "gcs_server"}


class Supervised:
    """A `serve` that is started again, as an operator's supervisor does, when it has ended."""

    def __init__(self, start: Callable[[], Serve]) -> None:
        self._start = start
        self.serve = start()

    def revive(self) -> None:
        """After everything is gone; what is left of it is ended first."""
        self.serve.kill()
        self.serve = self._start()

    def close(self) -> None:
        """End everything, whatever state it is in."""
        self.serve.kill()

    def wait_well(self, seconds: float = 90.0) -> None:
        """Until everybody is there, a spare too."""

        def is_well() -> bool:
            status = self.serve.ask("/v1/status")
            return bool(status["ready"] and status["spares"]["spare-0"]["up"])

        self.serve.wait_for(is_well, seconds)

    def pid(self, role: str) -> int:
        """The process of a role; of the shards, the one with the first directory."""
        serve = self.serve
        if role == "shard":
            return _lock_owner(serve.data, 0)
        if role == "other shard":
            return _lock_owner(serve.data, 1)
        if role == "gateway":
            return serve.pid_at(serve.forward)
        if role == "delivery":
            return serve.pid_at(serve.ask("/v1/status")["delivery"]["address"])
        if role == "coordinator":
            return serve.coordinator_pid()
        if role == "spare":
            return _lock_waiter(serve.data)
        return next(_of_ray(serve, RAY[role]))


def kill(engine: Supervised, victim: str) -> None:
    """`kill -9`; where Ray itself dies, the launcher says so, ends, and is started again."""
    if victim == "all":
        engine.revive()
        return
    os.kill(engine.pid(victim), signal.SIGKILL)
    if victim in RAY:
        assert engine.serve.process.wait(60) == 1, engine.serve.text()
        assert "Ray has ended" in engine.serve.text()
        engine.revive()


def kill_together(engine: Supervised, victims: Sequence[str]) -> None:
    """`kill -9` of several processes at one instant."""
    for pid in [engine.pid(victim) for victim in victims]:
        os.kill(pid, signal.SIGKILL)


def stop(engine: Supervised, victim: str, seconds: float = STOP_SECONDS) -> None:
    """SIGSTOP, and SIGCONT after a while: of one process, or of everything at once."""
    pids = our_processes(engine.serve.mark) if victim == "all" else {engine.pid(victim)}
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _lock_owner(data: Path, shard: int) -> int:
    return int((data / f"shard-{shard}" / "lock").read_text())


def _lock_waiter(data: Path) -> int:
    """Who waits for the first shard's directory, by the kernel's own list of locks."""
    inode = (data / "shard-0" / "lock").stat().st_ino
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        if "->" in words and words[6].endswith(f":{inode}"):
            return int(words[5])
    raise AssertionError("nobody waits for the directory")


def _of_ray(serve: Serve, name: str) -> Iterator[int]:
    for pid in our_processes(serve.mark):
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
            if command.endswith(name):
                yield pid
