"""A client under whose load processes are killed, and the checker of what came out.

The client sends over Forward and notes what it sent and what was acknowledged. The history is what
it sent; `augenblick simulate` says what has to come of it, whoever died meanwhile: on the event
clock, with one source, the outcome is a function of the history alone.
"""

import json
import random
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.integration.serve_process import COMMAND, Receiver

from augenblick.ingest.dialects._forward_client import encode_entry
from augenblick.ingest.transports.forward_client import ForwardSender, ForwardTarget, parse_address

PLAN = """
plan: kills
time: {lateness: 0ms}
sessions: {gap: 300ms}
features:
  views: {count: view, over: lifetime}
  spent: {sum: buy.value, over: {sliding: 2s}}
metrics:
  traffic: {count: "*", over: {tumbling: 1s}}
triggers:
  bought: {event: buy, values: [views, spent], then: hook}
  left: {sequence: [cart, {not: buy}], within: 200ms, then: hook}
  busy: {when: traffic >= 900, fire: each, then: hook}
actions:
  hook: {webhook: "URL"}
emit: {session: hook, metric: {traffic: hook}}
"""
BEGIN_ms = 1_700_000_000_000
USERS = 120
STEP_ms = 1  # between two events
EVENTS_per_chunk = 10
CHUNK_SECONDS = 0.03
AWAY_SECONDS_max = 600.0
KINDS = ("view",) * 7 + ("cart",) * 2 + ("buy",)


class Load:
    """Sends on a thread of its own from `start` to `finish`; `network` makes what that thread is to
    enter (the client's machine, where there are several).
    """

    def __init__(
        self, address: str, *, network: Callable[[], AbstractContextManager[None]] | None = None
    ) -> None:
        host, port = parse_address(address)
        target = ForwardTarget(host, port)
        self.sent: list[dict[str, Any]] = []
        self.failure: BaseException | None = None
        self._sender = ForwardSender(target, tag="load", retry_seconds=AWAY_SECONDS_max)
        self._network = network
        self._random = random.Random(7)
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def acked(self) -> int:
        """How many of the events sent are acknowledged."""
        return self._sender.acked_events

    def start(self) -> None:
        self._thread.start()

    def finish(self, seconds: float = 60.0) -> None:
        """Send no more, say that it is the end, and wait until everything is acknowledged."""
        self._is_ending.set()
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"{len(self.sent) - self.acked} events are not acked"
        if self.failure is not None:
            raise self.failure
        assert self.acked == len(self.sent)

    def wait_for_acks(self, seconds: float = 60.0) -> float:
        """Until what is sent from now on is acknowledged; returns how long that took."""
        began, wanted = time.monotonic(), len(self.sent) + EVENTS_per_chunk
        while self.acked < wanted:
            assert self.failure is None, self.failure
            text = f"{self.acked} of {len(self.sent)} events are acknowledged"
            assert time.monotonic() < began + seconds, text
            time.sleep(0.01)
        return time.monotonic() - began

    def _run(self) -> None:
        try:
            if self._network is None:
                self._work()
            else:
                with self._network():
                    self._work()
        except BaseException as error:
            self.failure = error
        finally:
            self._sender.close()

    def _work(self) -> None:
        while not self._is_ending.is_set():
            due = time.monotonic() + CHUNK_SECONDS
            self._sender.send([self.make() for _ in range(EVENTS_per_chunk)])
            while (left := due - time.monotonic()) > 0:
                if self._sender.unacked_events:
                    self._sender.poll(left)
                else:
                    time.sleep(left)
        self._sender.send([self.make()], is_end=True)
        self._sender.flush(AWAY_SECONDS_max)

    def make(self) -> bytes:
        """The history's next event, for the wire."""
        number = len(self.sent)
        event: dict[str, Any] = {
            "user": f"user-{self._random.randrange(USERS)}",
            "event": self._random.choice(KINDS),
            "time": BEGIN_ms + number * STEP_ms,
            "id": f"e{number}",
        }
        if event["event"] == "buy":
            event["props"] = {"value": self._random.randrange(1, 100)}
        self.sent.append(event)
        return encode_entry(event, event["time"] // 1000)


def expected(plan: Path, sent: list[dict[str, Any]], folder: Path) -> dict[Any, dict[str, Any]]:
    """By its identity, every record that has to come of this history."""
    events = folder / "history.ndjson"
    events.write_text("".join(json.dumps(event) + "\n" for event in sent))
    command = [*COMMAND, "simulate", str(plan), str(events), "--no-drain"]
    command += ["--emit", "firing,session,metric"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return {_identity(one): _content(one) for one in map(json.loads, done.stdout.splitlines())}


def check(plan: Path, load: Load, receiver: Receiver, folder: Path, seconds: float = 60.0) -> None:
    """Everything acknowledged came out, nothing else did, and each repetition says the same."""
    wanted = expected(plan, load.sent, folder)
    deadline = time.monotonic() + seconds
    while len(found := _received(receiver)) < len(wanted) and time.monotonic() < deadline:
        time.sleep(0.1)
    wrong = differences(wanted, found)
    assert not wrong, f"{len(wrong)} of {len(wanted)} records: {wrong[:5]}"
    assert len(wanted) > 50


def differences(
    wanted: dict[Any, dict[str, Any]], found: dict[Any, dict[str, Any]]
) -> list[tuple[str, Any, Any]]:
    """What is missing, what nobody expected, and what says something else."""
    missing = [("missing", wanted[one], None) for one in wanted.keys() - found.keys()]
    strange = [("strange", None, found[one]) for one in found.keys() - wanted.keys()]
    both = wanted.keys() & found.keys()
    other = [("differs", wanted[one], found[one]) for one in both if wanted[one] != found[one]]
    return [*missing, *strange, *other]


def _received(receiver: Receiver) -> dict[Any, dict[str, Any]]:
    found: dict[Any, dict[str, Any]] = {}
    for one in list(receiver.got):
        key, content = _identity(one), _content(one)
        assert found.setdefault(key, content) == content, (found[key], content)
    return found


def _identity(record: dict[str, Any]) -> Any:
    kind = record["kind"]
    if kind == "firing":
        return record["id"]
    if kind == "session":
        return (kind, record["user"], record["start"], record["end"])
    return (kind, record["metric"], record["start"])


def _content(record: dict[str, Any]) -> dict[str, Any]:
    """Without what the engine's own clock says."""
    return {key: value for key, value in record.items() if key not in ("fired_at", "late_by")}
