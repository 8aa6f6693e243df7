"""The engine under test: a real `augenblick serve`, started, asked and stopped again."""

import contextlib
import ctypes
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from augenblick import EngineUnavailable
from augenblick_bench.harness import processes

_COMMAND = [sys.executable, "-c", "import sys; from augenblick.cli import main; sys.exit(main())"]
_START_SECONDS = 120.0
_STOP_SECONDS = 90.0
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h


class RunningEngine:
    """One engine with ports and a directory of its own; `forward` is its HOST:PORT for events."""

    def __init__(self, plan: str, directory: Path, flags: list[str]) -> None:
        plan_path = directory / "plan.yaml"
        plan_path.write_text(plan, encoding="utf-8")
        self._data = directory / "data"
        self._output = directory / "serve.out"
        name, value = "AUGENBLICK_BENCH_MARK", secrets.token_hex(8)
        self._mark = f"{name}={value}"
        ports = ["--forward", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                [*_COMMAND, "serve", str(plan_path), "--data", str(self._data), *ports, *flags],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, name: value},
                preexec_fn=_end_with_parent,
            )

    def wait_ready(self) -> None:
        """Wait until it accepts events; raises EngineUnavailable with what it printed."""
        deadline = time.monotonic() + _START_SECONDS
        while "is ready" not in self.text() or "SIGTERM" not in self.text():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise EngineUnavailable(f"the engine did not get ready:\n{self.text()}")
            time.sleep(0.05)
        self.forward = re.findall(r"Fluent Forward\s+(\S+)", self.text())[0]
        self._http = re.findall(r"(http://[^/\s]+)", self.text())[0]
        self._token = (self._data / "control.token").read_text().strip()

    def text(self) -> str:
        """Everything it has printed."""
        return self._output.read_text(encoding="utf-8")

    def outputs(self) -> list[Path]:
        """The files that file actions have written."""
        return [path for path in (self._data / "out").glob("**/*") if path.is_file()]

    def status(self) -> dict[str, Any]:
        """The status document; its processes report once a second."""
        request = urllib.request.Request(
            f"{self._http}/v1/status", headers={"Authorization": f"Bearer {self._token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            document: dict[str, Any] = json.load(answer)
        return document

    def wait_for(self, condition: Callable[[dict[str, Any]], bool], seconds: float) -> bool:
        """Ask for the status until the condition holds of it; False if it does not in time."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                if condition(self.status()):
                    return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)

    def roles(self) -> dict[int, str]:
        """What each of its processes is, by process id."""
        found = processes.marked(self._mark)
        status = self.status()
        roles = dict.fromkeys(found, "ray")
        roles[self._process.pid] = "launcher"
        addresses = {"delivery": status["delivery"]["address"], "gateway": self.forward}
        addresses |= {name: one["address"] for name, one in status["shards"].items()}
        for name, address in addresses.items():
            pid = processes.listener(address, found)
            if pid is not None:
                roles[pid] = name
        for pid, role in roles.items():
            if role == "ray" and b"EngineProcess" in Path(f"/proc/{pid}/cmdline").read_bytes():
                roles[pid] = "coordinator"
        return roles

    def stop(self) -> None:
        """SIGTERM, and wait; what is left after that is killed, and only what belongs to it."""
        started = processes.marked(self._mark)
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        left = (started & processes.marked(self._mark)) | processes.marked(self._mark)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        if left:
            print(f"{len(left)} processes had to be killed", file=sys.stderr)


@contextlib.contextmanager
def running_engine(plan: str, *flags: str) -> Iterator[RunningEngine]:
    """An engine that accepts events; gone afterwards, whatever happens inside."""
    with TemporaryDirectory(prefix="augenblick-bench-") as directory:
        engine = RunningEngine(plan, Path(directory), list(flags))
        try:
            engine.wait_ready()
            yield engine
        finally:
            engine.stop()


def _end_with_parent() -> None:
    """In the new process: SIGTERM when the one that started it dies without stopping it."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
