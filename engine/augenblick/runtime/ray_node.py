"""A Ray of our own on this machine: started, watched and ended without touching any other Ray.

It has a loopback address, its own session directory and token, no dashboard, no usage statistics, a
small object store. `ray start --block` runs as our child (`runtime.ray_start`) and is told to end
when this process dies, however it dies. What it has started is recognised by a mark in its
environment; nothing else is ever signalled.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from augenblick import limits
from augenblick.errors import EngineUnavailable
from augenblick.runtime import ray_start

# Ray replaces 127.0.0.1 by the machine's outer address; any other loopback address stays.
NODE_ADDRESS: Final = "127.0.0.2"
_MARK: Final = "AUGENBLICK_RAY_OWNER"
_PR_SET_PDEATHSIG: Final = 1
_OBJECT_STORE_bytes: Final = 80_000_000  # nothing of ours goes through it; Ray's minimum is 75 MB


class RayNode:
    """One `ray start --head`; `start`, `wait_ready`, `stop`. Called from the main thread only: the
    child's tie to this process is one to the thread that made it.
    """

    def __init__(self, processes: int) -> None:
        """`processes`: how many actors will be asked for at once."""
        self.token = secrets.token_hex(32)
        self._mark = secrets.token_hex(16)
        # The path holds Unix sockets, whose names are limited to 107 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="augenblick-", dir=_short_folder()))
        self._output = self.directory / "start.log"
        self._processes = processes
        self.began = 0.0  # time.monotonic() at `start`
        self._process: subprocess.Popen[bytes] | None = None
        # Without a dashboard Ray still starts its server and waits a second for it, only for usage
        # statistics; where its port is taken it goes on without.
        self._dashboard = socket.create_server(("127.0.0.1", 0))

    def environment(self) -> dict[str, str]:
        """What Ray and every process of the node need in their environment."""
        return {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_memory_monitor_refresh_ms": "0",
            "RAY_worker_niceness": "0",  # Ray's own choice, 15, lets every other process go first
            # Ray starts as many idle workers as there are CPUs, so many at once as this says; our
            # processes are made of them.
            "RAY_worker_maximum_startup_concurrency": str(self._processes),
            "RAY_gcs_rpc_server_reconnect_timeout_s": "86400",
            "RAY_ROTATION_MAX_BYTES": str(limits.process_log_bytes_max),
            "RAY_ROTATION_BACKUP_COUNT": "1",
            _MARK: self._mark,
        }

    def start(self) -> None:
        """Begin to start Ray; returns at once."""
        self.began = time.monotonic()
        command = [
            *(sys.executable, "-m", ray_start.__name__, "start", "--head", "--block"),
            *(f"--node-ip-address={NODE_ADDRESS}", "--port=0", "--include-dashboard=false"),
            # The autoscaler and the copying of output to drivers are for others; each is a Python
            # process, at the busiest moment of the start.
            *("--no-monitor", "--include-log-monitor=false", "--disable-usage-stats"),
            *(f"--num-cpus={self._processes}", f"--temp-dir={self.directory}"),
            f"--object-store-memory={_OBJECT_STORE_bytes}",
            f"--dashboard-port={self._dashboard.getsockname()[1]}",
        ]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **self.environment(), "PYTHONPATH": _python_path()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def address_if_ready(self) -> str | None:
        """Ray's address once it is up; raises EngineUnavailable if it has failed."""
        assert self._process is not None
        if self._process.poll() is not None:
            text = self._output.read_text(encoding="utf-8", errors="replace").strip()
            last = text.splitlines()[-1] if text else f"exit code {self._process.returncode}"
            raise EngineUnavailable(f"Ray did not start: {last}")
        with contextlib.suppress(OSError):
            return (self.directory / "ray_current_cluster").read_text().strip() or None
        return None

    def is_alive(self) -> bool:
        """Is Ray's own supervisor still there?"""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End Ray and everything it has started, then remove its directory.

        Nothing in it is worth an orderly end, and Ray's own takes 30 s while detached actors live.
        """
        self._dashboard.close()
        if self._process is None:
            shutil.rmtree(self.directory, ignore_errors=True)
            return
        deadline = time.monotonic() + limits.ray_stop_seconds_max
        while (pids := self._our_processes()) and time.monotonic() < deadline:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _our_processes(self) -> list[int]:
        """Everything alive that Ray has started: its session's processes, their descendants, and
        whatever carries our mark in its environment (a process that has renamed itself may not).
        """
        assert self._process is not None
        mark = f"{_MARK}={self._mark}".encode()
        table = _process_table()
        ours = {pid for pid, (_, session) in table.items() if session == self._process.pid}
        for pid in table:
            with contextlib.suppress(OSError):
                if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    ours.add(pid)
        while more := {pid for pid, (parent, _) in table.items() if parent in ours} - ours:
            ours |= more
        return sorted(ours - {os.getpid()})


def _process_table() -> dict[int, tuple[int, int]]:
    """Of every process that is alive: (parent, session)."""
    table = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                after_name = (entry / "stat").read_text().rpartition(")")[2].split()
                if after_name[0] != "Z":
                    table[int(entry.name)] = (int(after_name[1]), int(after_name[3]))
    return table


def _python_path() -> str:
    """Where our processes look for packages: also in the current folder, for custom triggers."""
    known = os.environ.get("PYTHONPATH")
    return os.pathsep.join([os.getcwd(), *([known] if known else [])])


def _short_folder() -> str | None:
    """/tmp where the usual temporary folder has a long name."""
    usual = tempfile.gettempdir()
    return usual if len(usual) <= limits.ray_folder_bytes_max else "/tmp"


def _die_with_parent() -> None:
    """In the child, before exec: SIGTERM when the parent ends (Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
