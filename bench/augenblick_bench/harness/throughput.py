"""From socket to firing: one measured run of an engine, for the scenarios about throughput."""

import os
import time
from typing import Any

from augenblick import EngineUnavailable
from augenblick_bench.harness.engine import RunningEngine, running_engine
from augenblick_bench.harness.events import EventMaker, Traffic
from augenblick_bench.harness.frames import frames
from augenblick_bench.harness.load import LoadGenerator, Sent, start_soon
from augenblick_bench.harness.processes import CpuMeter
from augenblick_bench.harness.recorder import Recorder
from augenblick_bench.harness.report import Result
from augenblick_bench.harness.scenario import Options
from augenblick_bench.plans import GROWING_SECONDS, REFERENCE

BASE_MS = 1_700_000_000_000
EVENTS_PER_FRAME = 1_000
PACE = 1_000.0  # events per second of event time: 100,000 shoppers, some of them idle
GROWING_EVENTS = int(GROWING_SECONDS * PACE)
GROWING_FRAMES = GROWING_EVENTS // EVENTS_PER_FRAME
SETTLE_SECONDS = 60.0


def measure(options: Options, *flags: str) -> Result:
    """One run of an engine with these further flags.

    Measured once state has stopped growing: after GROWING_SECONDS of event time.
    The run ends when the last event is acknowledged and the last firing is written.
    """
    users = options.users or 100_000
    shards = options.shards or len(os.sched_getaffinity(0))
    rate = options.rate or 600_000
    events = int((options.seconds or 5) * rate)
    maker = EventMaker(Traffic(users, BASE_MS, PACE, quick_share=0.005))
    warm = list(frames(maker.warm_up(), EVENTS_PER_FRAME, is_warm=True))
    blocks = maker.blocks(GROWING_EVENTS + events)
    load = list(frames(blocks, EVENTS_PER_FRAME, len(warm)))
    growing, load = load[:GROWING_FRAMES], load[GROWING_FRAMES:]
    plan = REFERENCE.read_text(encoding="utf-8")
    with running_engine(plan, "--clock", "event", "--shards", str(shards), *flags) as engine:
        generator = LoadGenerator(engine.forward, options.connections or 1)
        generator.closed_loop(warm + growing)
        _settle(engine)
        before = _counts(engine.status())
        meter = CpuMeter({**engine.roles(), os.getpid(): "load generator"})
        meter.start()
        if options.rate:
            sent = generator.open_loop(load, start_soon(), EVENTS_PER_FRAME / rate)
        else:
            sent = generator.closed_loop(load)
        _settle(engine)
        cpu_s = meter.used()
        counts = {name: n - before[name] for name, n in _counts(engine.status()).items()}
        seconds = max(sent.seconds, _last_output_s(engine) - float(sent.due_s.min()))
        generator.close()
    counted = f"{shards} shard{'s' if shards > 1 else ''}"
    variant = f"{users:,} users, {counted}, {'open' if options.rate else 'closed'} loop"
    return _result(variant, events, seconds, sent, cpu_s, counts)


def _result(
    variant: str,
    events: int,
    seconds: float,
    sent: Sent,
    cpu_s: dict[str, float],
    counts: dict[str, int],
) -> Result:
    recorder = Recorder()
    recorder.add_ms(sent.ack_ms())
    facts: dict[str, Any] = {
        "latency_of": "acknowledgement",
        "seconds_to_last_ack": round(sent.seconds, 3),
        **counts,
        "firing_share": round(counts["firings"] / events, 4),
    }
    return Result(
        "throughput",
        variant,
        events,
        seconds,
        cpu_s,
        recorder.summary_ms(),
        facts,
        recorder.curve_ms(),
    )


def _counts(status: dict[str, Any]) -> dict[str, int]:
    """What the shards and delivery have counted since the start."""
    shards = [one["counters"] for one in status["shards"].values()]
    names = ("events", "duplicates", "late", "firings", "sessions_closed", "refused")
    counts = {name: sum(shard[name] for shard in shards) for name in names}
    actions = status["delivery"]["actions"].values()
    return {**counts, "delivered": sum(one["delivered"] for one in actions)}


def _settle(engine: RunningEngine) -> None:
    """Wait until every firing is delivered and the processes have said so twice over."""

    def is_done(status: dict[str, Any]) -> bool:
        counts = _counts(status)
        waiting = sum(one["outbox"]["records"] for one in status["shards"].values())
        return not waiting and counts["delivered"] == counts["firings"]

    time.sleep(1.2)  # longer than the processes' own interval between two reports
    if not engine.wait_for(is_done, SETTLE_SECONDS):
        raise EngineUnavailable(f"firings that are never delivered: {engine.status()}")


def _last_output_s(engine: RunningEngine) -> float:
    """When the last firing was written, on the monotonic clock."""
    written = [path.stat().st_mtime for path in engine.outputs()]
    return max(written, default=0.0) - time.time() + time.monotonic()
