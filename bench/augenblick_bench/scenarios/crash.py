"""kill -9 of a shard under load: how long until it fires and acknowledges again, and is it right?

One shard owns every user. The load is open loop and never stops. What the webhook got is compared
with what one kernel makes of the same events: nothing acknowledged may be lost and nothing applied
twice.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augenblick import EngineUnavailable
from augenblick.binding.kernel import Kernel
from augenblick.plan.compiler import compile_plan
from augenblick_bench.harness.engine import RunningEngine, running_engine
from augenblick_bench.harness.events import EventMaker, Traffic
from augenblick_bench.harness.frames import frames
from augenblick_bench.harness.load import LoadGenerator, Sent
from augenblick_bench.harness.processes import CpuMeter
from augenblick_bench.harness.receiver import receiving
from augenblick_bench.harness.recorder import Recorder
from augenblick_bench.harness.report import Moment, Result
from augenblick_bench.harness.routed import NO_CAP, new_router, routed
from augenblick_bench.harness.scenario import Options, Scenario
from augenblick_bench.plans import REFERENCE, load, with_webhook
from augenblick_native.scan import Source

EVENTS_PER_FRAME = 200
WARM_EVENTS_PER_FRAME = 1_000
WARM_ROUNDS = {"views": 2, "purchases": 1}  # a third view of a category is still to come
ENCODE_SECONDS_PER_EVENT = 3e-6
AHEAD_SECONDS = 1.0
KILL_SHARE = 0.4  # of the run
DRAIN_SECONDS = 3.0
STEP_SECONDS = 0.1  # of the time line
OPEN_SECONDS = 60.0
SETTLE_SECONDS = 120.0


class Crash(Scenario):
    """A million users unless `--users` says less, 100,000 events/s unless `--rate` does."""

    description = "kill -9 of the shard that owns every user: first firing, first ack, exactness"
    is_default = False

    def run(self, options: Options) -> Iterator[Result]:
        """One run."""
        users = options.users or 1_000_000
        rate = options.rate or 100_000
        events = int((options.seconds or 12) * rate) // EVENTS_PER_FRAME * EVENTS_PER_FRAME
        with receiving() as receiver:
            plan = with_webhook(REFERENCE, receiver.url)
            with running_engine(plan, "--clock", "wall", "--shards", "1") as engine:
                warm_ms = int(time.time() * 1000)
                warm = _warm(users, warm_ms, rate)
                generator = LoadGenerator(engine.forward)
                generator.closed_loop(warm)
                first = len(warm)
                del warm
                start_s = time.monotonic() + AHEAD_SECONDS + events * ENCODE_SECONDS_PER_EVENT
                base_ms = int((time.time() + start_s - time.monotonic()) * 1000)
                maker = EventMaker(Traffic(users, base_ms, rate))
                sending = list(frames(maker.blocks(events), EVENTS_PER_FRAME, first))
                if time.monotonic() > start_s:
                    raise EngineUnavailable("the events take too long to encode")
                roles = {**engine.roles(), os.getpid(): "load generator"}
                meter = CpuMeter(roles)
                meter.start()
                kill = _Kill(roles, start_s + KILL_SHARE * events / rate)
                sent = generator.open_loop(sending, start_s, EVENTS_PER_FRAME / rate)
                time.sleep(DRAIN_SECONDS)
                cpu_s = meter.used()
                recovery = _recovery(engine)
                _settle(engine)
                instants, causes = receiver.arrivals()
                generator.close()
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            wanted = pool.apply(expected, (users, warm_ms, base_ms, rate, events))
        facts = _facts(sent, instants, causes, kill.at_s, recovery)
        facts |= _difference(wanted, Counter(causes[causes < events].tolist()))
        acks = Recorder()
        acks.add_ms(sent.ack_ms())
        variant = f"{users:,} users, {rate:,} events/s"
        result = Result("crash", variant, events, sent.seconds, cpu_s, acks.summary_ms(), facts)
        result.moments = _moments(sent, kill.at_s)
        yield result


class _Kill:
    """Kills the shard at an instant, on a thread of its own; `at_s`: when it was."""

    def __init__(self, roles: dict[int, str], due_s: float) -> None:
        [self._pid] = [pid for pid, role in roles.items() if role == "shard-0"]
        self.at_s = due_s
        self._due_s = due_s
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        time.sleep(max(self._due_s - time.monotonic(), 0.0))
        self.at_s = time.monotonic()
        os.kill(self._pid, signal.SIGKILL)


def _warm(users: int, base_ms: int, rate: int) -> list[bytes]:
    blocks = EventMaker(Traffic(users, base_ms, rate)).warm_up(**WARM_ROUNDS)
    return list(frames(blocks, WARM_EVENTS_PER_FRAME, is_warm=True))


def _recovery(engine: RunningEngine) -> dict[str, Any]:
    """What the new owner says of its recovery."""
    found: dict[str, Any] = {}

    def is_there(status: dict[str, Any]) -> bool:
        found.update(status["shards"]["shard-0"].get("storage", {}).get("recovery", {}))
        return "seconds" in found and bool(found.get("users"))

    if not engine.wait_for(is_there, OPEN_SECONDS):
        raise EngineUnavailable(f"the shard did not recover: {engine.text()[-2000:]}")
    return found


def _settle(engine: RunningEngine) -> None:
    """Wait until every firing that has left its shard has arrived."""

    def is_done(status: dict[str, Any]) -> bool:
        waiting = sum(one["outbox"]["records"] for one in status["shards"].values())
        actions = status["delivery"]["actions"].values()
        return not waiting and not any(one["waiting"] or one["performing"] for one in actions)

    if not engine.wait_for(is_done, SETTLE_SECONDS):
        raise EngineUnavailable(f"firings that are never delivered: {engine.text()[-2000:]}")


def _facts(
    sent: Sent,
    instants: NDArray[np.float64],
    causes: NDArray[np.int64],
    kill_s: float,
    recovery: dict[str, Any],
) -> dict[str, Any]:
    """How long it took; of events that were due after the kill, so nothing old counts."""
    frames_after = sent.due_s >= kill_s
    frame_of = causes // EVENTS_PER_FRAME
    is_own = frame_of < len(sent.due_s)
    due_s = sent.due_s[frame_of[is_own]]
    firings_after = instants[is_own][due_s >= kill_s]
    if not len(firings_after):
        raise EngineUnavailable("no firing has arrived after the kill")
    seconds = max(recovery["seconds"], 0.001)
    return {
        "latency_of": "acknowledgement",
        "seconds_to_first_firing": round(float(firings_after.min()) - kill_s, 3),
        "seconds_to_every_key_group": round(float(sent.acked_s[frames_after].min()) - kill_s, 3),
        "recovery": recovery,
        "restored_and_replayed_users_per_s": round(recovery["users"] / seconds),
        "frames_not_acked": int(np.count_nonzero(sent.acked_s == 0)),
    }


def expected(users: int, warm_ms: int, base_ms: int, rate: int, events: int) -> Counter[int]:
    """The causes of all firings, as one kernel finds them; in a process of its own."""
    program = compile_plan(load(REFERENCE))
    router = new_router(program, is_event_clock=False)
    kernel, source = Kernel(program), Source()
    now_ms = base_ms + int(events / rate * 1000) + 1000
    found: Counter[int] = Counter()
    warm = EventMaker(Traffic(users, warm_ms, rate)).warm_up(**WARM_ROUNDS)
    for block in warm:
        for stream, _ in routed(router, source, [block], now_ms, is_warm=True):
            kernel.apply(stream, 0, 1, NO_CAP, now_ms)
    for block in EventMaker(Traffic(users, base_ms, rate)).blocks(events):
        for stream, _ in routed(router, source, [block], now_ms):
            made = kernel.apply(stream, 0, 1, NO_CAP, now_ms)
            found.update(int(release.record["cause"]["id"]) for release in made.releases)
    return found


def _difference(wanted: Counter[int], found: Counter[int]) -> dict[str, Any]:
    """Firings that are missing or that nobody expected."""
    return {
        "firings": found.total(),
        "firings_missing": (wanted - found).total(),
        "firings_unexpected": (found - wanted).total(),
    }


def _moments(sent: Sent, kill_s: float) -> list[Moment]:
    """The time line around the kill: events acknowledged in each step, and the latency of the
    frames that were due in it.
    """
    begin_s = float(sent.due_s.min())
    steps = int((float(sent.acked_s.max()) - begin_s) / STEP_SECONDS) + 1
    acked = np.bincount(((sent.acked_s - begin_s) / STEP_SECONDS).astype(int), minlength=steps)
    due = ((sent.due_s - begin_s) / STEP_SECONDS).astype(int)
    latency_ms = sent.ack_ms()
    moments = []
    for step in range(steps):
        own = latency_ms[due == step]
        moments.append(
            Moment(
                round(begin_s + step * STEP_SECONDS - kill_s, 3),
                float(acked[step]) * EVENTS_PER_FRAME / STEP_SECONDS,
                float(np.percentile(own, 50)) if len(own) else None,
                float(own.max()) if len(own) else None,
            )
        )
    return moments


SCENARIO = Crash()
