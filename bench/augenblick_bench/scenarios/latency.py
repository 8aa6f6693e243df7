"""Event to firing: from when an event was to be sent until a webhook has its firing."""

import os
import time
from collections.abc import Iterator

import numpy as np

from augenblick import EngineUnavailable
from augenblick_bench.harness.engine import running_engine
from augenblick_bench.harness.events import EventMaker, Traffic
from augenblick_bench.harness.frames import frames
from augenblick_bench.harness.load import LoadGenerator
from augenblick_bench.harness.processes import CpuMeter
from augenblick_bench.harness.receiver import receiving
from augenblick_bench.harness.recorder import Recorder
from augenblick_bench.harness.report import Result
from augenblick_bench.harness.scenario import Options, Scenario
from augenblick_bench.plans import REFERENCE, with_webhook

EVENTS_PER_FRAME = 50
WARM_EVENTS_PER_FRAME = 1_000
AHEAD_SECONDS = 1.0  # from the end of encoding to the first event, at most
ENCODE_SECONDS_PER_EVENT = 2e-6
ATTEMPTS = 4
DRAIN_SECONDS = 2.0


class Latency(Scenario):
    """Open loop; about one event in a hundred fires, at a webhook on loopback."""

    description = "event to firing at a loopback webhook, 50,000 events/s in frames of 50"

    def run(self, options: Options) -> Iterator[Result]:
        """One run."""
        users = options.users or 100_000
        rate = options.rate or 50_000
        events = int((options.seconds or 10) * rate) // EVENTS_PER_FRAME * EVENTS_PER_FRAME
        with receiving() as receiver:
            plan = with_webhook(REFERENCE, receiver.url)
            flags = ("--clock", "wall", "--shards", str(options.shards or 1))
            with running_engine(plan, *flags) as engine:
                maker = EventMaker(Traffic(users, int(time.time() * 1000), rate))
                warm = list(frames(maker.warm_up(), WARM_EVENTS_PER_FRAME, is_warm=True))
                generator = LoadGenerator(engine.forward, options.connections or 1)
                generator.closed_loop(warm)
                load, start_s = _encode(users, rate, events, first=len(warm))
                own = {os.getpid(): "load generator", receiver.pid: "receiver"}
                meter = CpuMeter({**engine.roles(), **own})
                meter.start()
                sent = generator.open_loop(load, start_s, EVENTS_PER_FRAME / rate)
                time.sleep(DRAIN_SECONDS)
                cpu_s = meter.used()
                instants, causes = receiver.arrivals()
                generator.close()
        measured = causes < events
        if not measured.any():
            raise EngineUnavailable("no firing has arrived")
        due_s = sent.due_s[causes[measured] // EVENTS_PER_FRAME]
        firings, acks = Recorder(), Recorder()
        firings.add_ms((instants[measured] - due_s) * 1000)
        acks.add_ms(sent.ack_ms())
        facts = {
            "latency_of": "event to firing",
            "firings": int(np.count_nonzero(measured)),
            "firing_share": round(float(np.count_nonzero(measured)) / events, 4),
            "ack_ms": acks.summary_ms(),
        }
        variant = f"{rate:,} events/s"
        summary, curve = firings.summary_ms(), firings.curve_ms()
        yield Result("latency", variant, events, sent.seconds, cpu_s, summary, facts, curve)


def _encode(users: int, rate: int, events: int, first: int) -> tuple[list[bytes], float]:
    """The frames, and when the first is due: the events' times are those of that plan."""
    ahead_s = AHEAD_SECONDS + events * ENCODE_SECONDS_PER_EVENT
    for _ in range(ATTEMPTS):
        start_s = time.monotonic() + ahead_s
        base_ms = int((time.time() + ahead_s) * 1000)
        maker = EventMaker(Traffic(users, base_ms, rate, quick_share=0.014))
        load = list(frames(maker.blocks(events), EVENTS_PER_FRAME, first))
        if time.monotonic() < start_s - AHEAD_SECONDS / 2:
            return load, start_s
        ahead_s *= 2
    raise EngineUnavailable("the events take too long to encode; the machine is too busy")


SCENARIO = Latency()
