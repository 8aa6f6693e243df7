"""The jobs that peers do as well, done by our kernel; and how a peer is run.

An answer is three numbers: how many results (sessions, windows, abandoned carts), the sum of their
values (events, views, the carts' times) and the largest. A peer whose answer differs has no figure.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from augenblick import EngineUnavailable, Plan, UsageError
from augenblick.binding.kernel import Kernel as RecordKernel
from augenblick.plan.compiler import compile_plan
from augenblick.plan.program import Program
from augenblick_bench.harness.events import Block
from augenblick_bench.harness.peer_events import DAY_MS, PeerEvents
from augenblick_bench.harness.routed import NO_CAP, new_router, routed
from augenblick_native.kernel import Kernel
from augenblick_native.scan import Source

ROOT: Final = Path(__file__).parents[3]
SCRIPTS: Final = ROOT / "bench" / "peers"
ENVIRONMENTS: Final = ROOT / "build" / "peers"
CLOSING_MS: Final = 600_000  # of event time at once: so many records are held
PEER_SECONDS: Final = 170.0  # then it is ended
_COMMON: Final = {
    "sessions": {"gap": "30m", "max": "30d"},
    "actions": {"out": {"file": "out.ndjson"}},
}
PLANS: Final[dict[str, dict[str, Any]]] = {
    "sessions": {"plan": "sessions", **_COMMON, "emit": {"session": "out"}},
    "windows": {
        "plan": "windows",
        **_COMMON,
        "features": {"views": {"count": "view", "over": {"hopping": "1h", "every": "5m"}}},
        "emit": {"window": {"views": "out"}},
    },
    "carts": {
        "plan": "carts",
        **_COMMON,
        "triggers": {
            "abandoned": {
                "sequence": ["add_to_cart", {"not": "purchase"}],
                "within": "30m",
                "timer": "each",
                "then": "out",
            }
        },
    },
}
_VALUE: Final = {"session": "events", "window": "value"}

Answer = list[int]


@dataclass(frozen=True)
class Outcome:
    """What one engine took for one job, and its answer."""

    seconds: float
    cpu_s: float
    answer: Answer


def answer_of(records: Iterable[dict[str, Any]]) -> Answer:
    """From records as they leave the engine."""
    count = total = most = 0
    for record in records:
        is_firing = record["kind"] == "firing"
        value = record["cause"]["time"] if is_firing else record[_VALUE[record["kind"]]]
        count, total, most = count + 1, total + value, max(most, value)
    return [count, total, most]


def ours(job: str, events: PeerEvents) -> Outcome:
    """Our kernel on one core, from the bytes that a client sends: routed, applied, closed. The
    answer is that of a second, untimed run that makes records.
    """
    blocks = events.entries()
    end_ms = int(events.time_ms.max()) + DAY_MS
    program = compile_plan(Plan.model_validate(PLANS[job]))
    kernel = Kernel(program)
    start_s, cpu_start_s = time.perf_counter(), time.thread_time()
    for stream in _streams(program, blocks, end_ms):
        kernel.apply(stream, 0, 1, NO_CAP, end_ms)
    kernel.advance(end_ms, end_ms)
    seconds, cpu_s = time.perf_counter() - start_s, time.thread_time() - cpu_start_s
    return Outcome(seconds, cpu_s, answer_of(_records(program, blocks, end_ms)))


def _records(program: Program, blocks: list[Block], end_ms: int) -> Iterator[dict[str, Any]]:
    kernel = RecordKernel(program)
    for stream in _streams(program, blocks, end_ms):
        for release in kernel.apply(stream, 0, 1, NO_CAP, end_ms).releases:
            yield release.record
    for until_ms in range(end_ms - 2 * DAY_MS, end_ms + 1, CLOSING_MS):
        for release in kernel.advance(until_ms, until_ms).releases:
            yield release.record


def _streams(program: Program, blocks: list[Block], now_ms: int) -> Iterator[bytes]:
    router, source = new_router(program), Source()
    for block in blocks:
        for stream, _ in routed(router, source, [block], now_ms):
            yield stream


def chosen_jobs() -> list[str]:
    """Those that AUGENBLICK_JOBS names, or all. Raises UsageError for one that is none."""
    named = [job for job in os.environ.get("AUGENBLICK_JOBS", "").split(",") if job]
    if unknown := set(named) - set(PLANS):
        raise UsageError(f"no job {unknown.pop()!r}; there are {', '.join(PLANS)}")
    return named or list(PLANS)


def is_installed(peer: str) -> bool:
    """Has `python bench/peers/install.py` made its environment?"""
    return (ENVIRONMENTS / peer / "installed.txt").exists()


def peers() -> list[str]:
    """Every peer that has a job."""
    return sorted(path.parent.name for path in SCRIPTS.glob("*/job.py"))


def run_peer(peer: str, job: str, *arguments: str) -> Outcome:
    """One job in a process of its own, of the peer's own Python; its last line says what it took.

    Raises EngineUnavailable with its last words.
    """
    python = ENVIRONMENTS / peer / "bin" / "python"
    command = [str(python), str(SCRIPTS / peer / "job.py"), job, *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=PEER_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise EngineUnavailable(f"{peer} {job}: not done in {PEER_SECONDS:.0f} s") from None
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip())[-1_500:]
        raise EngineUnavailable(f"{peer} {job} failed:\n{words}")
    line = json.loads(done.stdout.strip().splitlines()[-1])
    return Outcome(line["seconds"], line["cpu_s"], line["answer"])
