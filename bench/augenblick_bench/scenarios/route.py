"""The router alone, one core: scanning, checking and routing what a client sent."""

import time
from collections.abc import Iterator

import numpy as np

from augenblick.plan.compiler import compile_plan
from augenblick_bench.harness.events import EventMaker, Traffic
from augenblick_bench.harness.report import Result
from augenblick_bench.harness.scenario import Options, Scenario
from augenblick_bench.plans import REFERENCE, load
from augenblick_native.scan import Router, Source

BASE_MS = 1_700_000_000_000
PACE = 1_000.0
ENTRIES = 0
EVENTS_PER_FRAME = {"frames of 1,000": 1_000, "frames of 50": 50}


class Route(Scenario):
    """The gateway's native share of an event, in large and in small frames, for two shards."""

    description = "the gateway's scanner and router, frames of 1,000 and of 50 events"

    def run(self, options: Options) -> Iterator[Result]:
        """Two runs."""
        events = int((options.seconds or 1) * (options.rate or 1_000_000))
        program = compile_plan(load(REFERENCE))
        blocks = list(EventMaker(Traffic(options.users or 100_000, BASE_MS, PACE)).blocks(events))
        shards = options.shards or 2
        for variant, per_frame in EVENTS_PER_FRAME.items():
            router, source = Router(program, bytes(16)), Source()
            router.set_table((np.arange(4096) % shards).astype(np.uint16))
            router.clock_event = True
            wall_s, cpu_s = time.perf_counter(), time.thread_time()
            for block in blocks:
                start = 0
                for at in range(0, len(block), per_frame):
                    end = int(block.ends[min(at + per_frame, len(block)) - 1])
                    router.route(block.data, start, end, ENTRIES, source, BASE_MS, tag=b"bench")
                    for shard in range(shards):
                        router.take(shard)
                    start = end
            wall_s, cpu_s = time.perf_counter() - wall_s, time.thread_time() - cpu_s
            facts = {"ns_per_event": round(cpu_s / events * 1e9, 1)}
            yield Result("route", variant, events, wall_s, {"router": cpu_s}, facts=facts)


SCENARIO = Route()
