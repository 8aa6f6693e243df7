"""A real `augenblick serve` for tests: started, asked, stopped, and checked for what it leaves."""

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-c", "import sys; from augenblick.cli import main; sys.exit(main())"]
START_SECONDS = 90.0


class Serve:
    """One engine on a Ray of its own; `forward` and `http` are its addresses."""

    def __init__(
        self, plan: str, data: Path, *flags: str, env: dict[str, str] | None = None
    ) -> None:
        self.data = data
        self.mark = f"AUGENBLICK_TEST_MARK={secrets.token_hex(8)}"
        name, _, value = self.mark.partition("=")
        command = [*COMMAND, "serve", plan, "--data", str(data), *flags]
        for flag in ("--forward", "--http"):
            if flag not in flags:
                command += [flag, "127.0.0.1:0"]
        self.output = data.with_suffix(".out").open("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            command,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            env={**os.environ, name: value, **(env or {})},
        )
        self._wait_ready()

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while "is ready" not in self.text() or "SIGTERM" not in self.text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"serve did not get ready:\n{self.text()}")
            time.sleep(0.05)
        self.forward = re.findall(r"Fluent Forward\s+(\S+)", self.text())[0]
        self.http = re.findall(r"(http://[^/]+)/v1/events", self.text())[0]
        self.started_pids = our_processes(self.mark)

    def text(self) -> str:
        """Everything printed so far."""
        return Path(self.output.name).read_text(encoding="utf-8")

    def ask(self, path: str) -> Any:
        """A control request's JSON answer."""
        token = (self.data / "control.token").read_text().strip()
        request = urllib.request.Request(
            self.http + path, headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def post(self, events: list[dict[str, Any]]) -> Any:
        """Send events over HTTP; the per-event answer."""
        body = "\n".join(json.dumps(event) for event in events).encode()
        request = urllib.request.Request(
            f"{self.http}/v1/events", body, {"Content-Type": "application/x-ndjson"}
        )
        with urllib.request.urlopen(request, timeout=15) as answer:
            return json.load(answer)

    def send(self, events: str | Path, *flags: str) -> None:
        """Replay a file through the Forward port."""
        run("send", str(events), "--to", self.forward, *flags)

    def tail(self, kind: str) -> list[dict[str, Any]]:
        """The records of a kind that have left so far."""
        records: list[dict[str, Any]] = []
        last = 0
        while True:
            answer = self.ask(f"/v1/tail?kind={kind}&after={last}")
            if not answer["records"]:
                return records
            records += [item["record"] for item in answer["records"]]
            last = answer["last"]

    def wait_for(self, condition: Any, seconds: float = 60.0) -> Any:
        """The condition's first true value; it may find nobody answering for a while."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                found = condition()
                if found:
                    return found
            assert time.monotonic() < deadline, f"not in time; printed so far:\n{self.text()}"
            time.sleep(0.05)

    def pid_at(self, address: str) -> int:
        """The process that listens there."""
        port = f"{int(address.rpartition(':')[2]):04X}"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[1].endswith(f":{port}"):
                return _owner_of(fields[9])
        raise AssertionError(f"nobody listens at {address}")

    def coordinator_pid(self) -> int:
        """The one of the engine's processes that listens and is none of the others."""
        status = self.ask("/v1/status")
        shards = [one["address"] for one in status["shards"].values() if one["up"]]
        known = (*shards, self.forward, status["delivery"]["address"])
        others = {self.pid_at(address) for address in known}
        inodes = {}
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                inodes[f"socket:[{fields[9]}]"] = fields[1]
        raylet = _parent(self.pid_at(self.forward))
        for pid in our_processes(self.mark) - others:
            with contextlib.suppress(OSError):
                if _parent(pid) != raylet:
                    continue
                links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
                # Ray's own ports of a worker are on 127.0.0.2 or all addresses.
                if any(inodes.get(link, "").startswith("0100007F") for link in links):
                    return pid
        raise AssertionError("no coordinator")

    def stop(self) -> int:
        """SIGTERM; the exit code. Checks that no process is left."""
        started = self.started_pids | our_processes(self.mark)
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        left = {pid for pid in started | our_processes(self.mark) if _is_alive(pid)}
        assert not left, f"processes left behind: {[_command(pid) for pid in left]}"
        return code

    def kill(self) -> None:
        """End everything, whatever state it is in."""
        for pid in our_processes(self.mark) | {self.process.pid}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.output.close()


@contextlib.contextmanager
def serving(plan: str, data: Path, *flags: str, **options: Any) -> Iterator[Serve]:
    """A Serve that is gone afterwards, also after a failure."""
    serve = Serve(plan, data, *flags, **options)
    try:
        yield serve
    finally:
        serve.kill()


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def run(*arguments: str, seconds: float = 60.0) -> str:
    """A command that has to succeed; its standard output."""
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def our_processes(mark: str) -> set[int]:
    """Processes that carry the mark, and their descendants (some rename themselves)."""
    parents: dict[int, int] = {}
    ours: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if fields[0] != "Z":
                    parents[int(entry.name)] = int(fields[1])
                    if mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                        ours.add(int(entry.name))
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return ours - {os.getpid()}


def outer_connections(pids: set[int]) -> list[str]:
    """Connections of these processes to anything but this machine."""
    inodes = {
        os.readlink(link)
        for pid in pids
        for link in Path(f"/proc/{pid}/fd").glob("*")
        if link.is_symlink() and link.exists()
    }
    found = []
    for table in ("tcp", "udp", "tcp6", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            remote = fields[2].rpartition(":")[0]
            is_local = remote.endswith("7F") or set(remote) == {"0"} or remote[24:].endswith("7F")
            is_mapped_local = len(remote) == 32 and remote[:24] == "0000000000000000FFFF0000"
            if is_mapped_local:
                is_local = remote[24:].endswith("7F")
            if not is_local and f"socket:[{fields[9]}]" in inodes:
                found.append(f"{table} {fields[1]} -> {fields[2]}")
    return found


class Receiver:
    """A webhook's target on loopback: keeps what it gets, answers 200."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _owner_of(inode: str) -> int:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                for link in (entry / "fd").iterdir():
                    if os.readlink(link) == f"socket:[{inode}]":
                        return int(entry.name)
    raise AssertionError("the listener has no process")


def _is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state not in ("Z", "X")
    return False


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:120]
    return str(pid)
