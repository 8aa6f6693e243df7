"""What an event costs the kernel under one plan and one traffic: the measuring part of `curves`."""

import time
from dataclasses import dataclass, field

import numpy as np

from augenblick import Plan
from augenblick.plan.compiler import compile_plan
from augenblick_bench.harness.events import EventMaker, Traffic
from augenblick_bench.harness.routed import NO_CAP, new_router, routed
from augenblick_native.kernel import Kernel
from augenblick_native.scan import Source

CPU_S_MAX = 1.0  # of measuring, for the dear ones
BEST_SHARE = 0.2  # of the batches: the quickest say what the work costs, the others who else ran


@dataclass(frozen=True)
class Workload:
    """A plan under traffic.

    events  that are measured
    warm    rounds of views and of purchases that every user sends before
    """

    plan: Plan
    traffic: Traffic
    events: int
    warm: dict[str, int] = field(default_factory=lambda: {"views": 2, "purchases": 1})


@dataclass(frozen=True)
class Cost:
    """CPU time of the applying thread."""

    events: int
    seconds: float
    cpu_s: float
    ns_per_event: float
    ns_per_event_best: float
    firings: int


def measure(work: Workload) -> Cost:
    """Warm the kernel up, then apply the events, batch by batch as a shard gets them."""
    program = compile_plan(work.plan)
    router, source, kernel = new_router(program), Source(), Kernel(program)
    maker = EventMaker(work.traffic)
    base_ms = work.traffic.base_ms
    for block in maker.warm_up(**work.warm):
        for stream, _ in routed(router, source, [block], base_ms):
            kernel.apply(stream, 0, 1, NO_CAP, base_ms)
    before = kernel.counters()["firings"]
    costs: list[float] = []
    events, cpu_s, began_s = 0, 0.0, time.perf_counter()
    for stream, count in routed(router, source, maker.blocks(work.events), base_ms):
        start_s = time.thread_time()
        kernel.apply(stream, 0, 1, NO_CAP, base_ms)
        took_s = time.thread_time() - start_s
        costs.append(took_s / count * 1e9)
        cpu_s += took_s
        events += count
        if cpu_s > CPU_S_MAX:
            break
    best = sorted(costs)[: max(int(len(costs) * BEST_SHARE), 1)]
    return Cost(
        events,
        time.perf_counter() - began_s,
        cpu_s,
        cpu_s / events * 1e9,
        float(np.mean(best)),
        kernel.counters()["firings"] - before,
    )
