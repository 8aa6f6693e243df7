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
WARM_SECONDS = 6.0  # to load the users; the measured events' times begin after it
ENCODE_SECONDS_PER_EVENT = 4e-6
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
                ahead_s = WARM_SECONDS + (events + 10 * users) * ENCODE_SECONDS_PER_EVENT
                base_ms = int((time.time() + ahead_s) * 1000)
                maker = EventMaker(Traffic(users, base_ms, rate, quick_share=0.014))
                warm = list(frames(maker.warm_up(), WARM_EVENTS_PER_FRAME, is_warm=True))
                load = list(frames(maker.blocks(events), EVENTS_PER_FRAME, len(warm)))
                generator = LoadGenerator(engine.forward, options.connections or 1)
                generator.closed_loop(warm)
                start_s = base_ms / 1000 - time.time() + time.monotonic()
                late_s = time.monotonic() - start_s
                if late_s > 0:
                    raise EngineUnavailable(
                        f"the users were loaded {late_s:.1f} s too late; the machine is too busy"
                    )
                time.sleep(max(-late_s - 0.5, 0))
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


SCENARIO = Latency()
