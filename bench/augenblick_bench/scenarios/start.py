"""How long `augenblick serve` takes until it accepts events, beside Ray's own start."""

import contextlib
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from augenblick import EngineUnavailable
from augenblick_bench.harness import processes
from augenblick_bench.harness.engine import RunningEngine
from augenblick_bench.harness.report import Result
from augenblick_bench.harness.scenario import Options, Scenario
from augenblick_bench.plans import REFERENCE

ROUNDS_min = 3
DEFAULT_SECONDS = 45.0
_READY_SECONDS = 120.0
_POLL_SECONDS = 0.005
_MARK = "AUGENBLICK_BENCH_START"

_ACTOR = """
import sys
class Actor:
    def answer(self):
        return 1
def first_answer(ray):
    ray.get(ray.remote(Actor).options(num_cpus=0).remote().answer.remote())
    print("answered", flush=True)
    sys.stdin.read()
"""
# As anybody starts it, without the dashboard.
_PLAIN = f"""{_ACTOR}
import logging, ray
ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
first_answer(ray)
"""
# As the launcher starts it, with as many processes made ready.
_SAME_WAY = f"""{_ACTOR}
import os, time
from augenblick.runtime.ray_node import RayNode
node = RayNode({{processes}})
os.environ.update(node.environment())
node.start()
try:
    import ray
    from augenblick.runtime.cluster_ray import join, leave
    while (address := node.address_if_ready()) is None:
        time.sleep(0.02)
    join(address)
    first_answer(ray)
    leave()
finally:
    node.stop()
"""


class Start(Scenario):
    """Interleaved: the engine until `/readyz`, a plain `ray.init` and a Ray started as the engine
    does it, both until an actor has answered; each in fresh processes, from the command on.
    """

    description = "`augenblick serve` until it accepts events, and Ray's own start"

    def run(self, options: Options) -> Iterator[Result]:
        """One result, with the medians and every measured time."""
        shards = options.shards or 2
        ways: dict[str, Callable[[], float]] = {
            "serve": lambda: _serve_seconds(shards),
            "ray": lambda: _ray_seconds(_PLAIN),
            "ray_same_way": lambda: _ray_seconds(_SAME_WAY.format(processes=shards + 3)),
        }
        found: dict[str, list[float]] = {name: [] for name in ways}
        deadline = time.monotonic() + (options.seconds or DEFAULT_SECONDS)
        while len(found["serve"]) < ROUNDS_min or time.monotonic() < deadline:
            for name, measure in ways.items():
                found[name].append(round(measure(), 2))
        medians = {name: statistics.median(times) for name, times in found.items()}
        facts = {
            **{f"{name}_s": value for name, value in medians.items()},
            "over_ray_s": round(medians["serve"] - medians["ray"], 2),
            "over_ray_same_way_s": round(medians["serve"] - medians["ray_same_way"], 2),
            "all_s": found,
        }
        yield Result("start", f"{shards} shards", 0, medians["serve"], facts=facts)


def _serve_seconds(shards: int) -> float:
    with socket.create_server(("127.0.0.1", 0)) as server:
        http = f"127.0.0.1:{server.getsockname()[1]}"
    with TemporaryDirectory(prefix="augenblick-bench-") as directory:
        began = time.monotonic()
        flags = ["--http", http, "--shards", str(shards)]
        engine = RunningEngine(REFERENCE.read_text(encoding="utf-8"), Path(directory), flags)
        try:
            while not _is_ready(http):
                if time.monotonic() - began > _READY_SECONDS:
                    raise EngineUnavailable(f"the engine did not get ready:\n{engine.text()}")
                time.sleep(_POLL_SECONDS)
            return time.monotonic() - began
        finally:
            engine.stop()


def _is_ready(http: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{http}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _ray_seconds(program: str) -> float:
    value = secrets.token_hex(8)
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", _MARK: value},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        seconds = time.monotonic() - began
        if line != b"answered\n":
            raise EngineUnavailable("Ray did not start")
        process.stdin.close()
        process.wait(_READY_SECONDS)
        return seconds
    finally:
        for pid in processes.marked(f"{_MARK}={value}") | {process.pid}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


SCENARIO = Start()
