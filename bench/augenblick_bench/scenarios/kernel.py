"""The kernel alone, one core: streams as a gateway routes them, from memory into Kernel.apply.

Each run is a process of its own. Time is this thread's CPU time, so that other processes count
less; `ns_per_event_best` is the best fifth of the run. Timing begins after GROWING_SECONDS of event
time, when as many partials end as begin; what an event costs until then, new memory included, is
`ns_per_event_growing`.
"""

import ctypes
import gc
import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from augenblick.plan.compiler import compile_plan
from augenblick_bench.harness.events import EventMaker, Traffic
from augenblick_bench.harness.processes import resident_bytes
from augenblick_bench.harness.report import Result
from augenblick_bench.harness.routed import new_router, routed
from augenblick_bench.harness.scenario import Options, Scenario
from augenblick_bench.plans import GROWING_SECONDS, REFERENCE, SESSION, load
from augenblick_native.kernel import Kernel
from augenblick_native.scan import Source

BASE_MS = 1_700_000_000_000
PACE = 1_000.0
USERS = (100_000, 1_000_000)
NO_CAP = 2**63 - 1


class KernelScenario(Scenario):
    """The two plans, each with 100,000 and with a million users."""

    description = "Kernel.apply on routed streams: session and one window; reference plan"

    def run(self, options: Options) -> Iterator[Result]:
        """Four runs, or two if `--users` is given."""
        events = int((options.seconds or 2) * (options.rate or 1_000_000))
        context = multiprocessing.get_context("spawn")
        for plan in (SESSION, REFERENCE):
            for users in (options.users,) if options.users else USERS:
                with context.Pool(1) as pool:
                    yield pool.apply(measure, (plan, users, events))


def measure(plan: Path, users: int, events: int) -> Result:
    """One run, in a fresh process."""
    program = compile_plan(load(plan))
    router = new_router(program)
    source = Source()
    maker = EventMaker(Traffic(users, BASE_MS, PACE, quick_share=0.005))
    rounds = {"views": 1, "purchases": 0} if plan == SESSION else {}
    routed(
        new_router(program), Source(), [next(maker.warm_up(**rounds))], BASE_MS
    )  # memory both ways
    before_bytes = _resident_bytes()
    kernel = Kernel(program)
    for block in maker.warm_up(**rounds):
        _apply(kernel, routed(router, source, [block], BASE_MS))
    state_bytes = _resident_bytes() - before_bytes
    blocks = maker.blocks(int(GROWING_SECONDS * PACE) + events)
    growing_s = growing = 0.0
    while growing < GROWING_SECONDS * PACE:
        streams = routed(router, source, [next(blocks)], BASE_MS)
        growing_s += _apply(kernel, streams)[1]
        growing += sum(count for _, count in streams)
    counters = kernel.counters()
    parts = [routed(router, source, [block], BASE_MS) for block in blocks]
    timed = [(sum(count for _, count in part), _apply(kernel, part)) for part in parts]
    costs = sorted(cpu_s / count * 1e9 for count, (_, cpu_s) in timed)
    wall_s, cpu_s = (float(sum(one)) for one in zip(*(took for _, took in timed), strict=True))
    counted = {name: n - counters[name] for name, n in kernel.counters().items()}
    facts: dict[str, Any] = {
        "ns_per_event": round(cpu_s / events * 1e9, 1),
        "ns_per_event_best": round(float(np.mean(costs[: max(len(costs) // 5, 1)])), 1),
        "ns_per_event_growing": round(growing_s / growing * 1e9, 1),
        "bytes_per_user": round(state_bytes / users),
        "record_bytes_per_user": round(kernel.memory_bytes / kernel.users),
        "counted": {name: n for name, n in counted.items() if n},
    }
    variant = f"{plan.stem} plan, {users:,} users"
    return Result("kernel", variant, events, wall_s, {"kernel": cpu_s}, facts=facts)


def _resident_bytes() -> int:
    """Memory in use, without what the allocator only keeps for later."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return resident_bytes(os.getpid())


def _apply(kernel: Kernel, streams: list[tuple[bytes, int]]) -> tuple[float, float]:
    """(seconds by the clock, seconds of CPU)."""
    wall_s, cpu_s = time.perf_counter(), time.thread_time()
    for stream, _ in streams:
        kernel.apply(stream, 0, 1, NO_CAP, BASE_MS)
    return time.perf_counter() - wall_s, time.thread_time() - cpu_s


SCENARIO = KernelScenario()
