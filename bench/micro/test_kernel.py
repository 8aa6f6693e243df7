"""What each piece of a plan costs the kernel for one event, on one core.

Every plan has sessions; each of the others adds one piece of the reference plan. Users are warm
(every one has state), events go on from round to round as they do in a shard.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from augenblick.plan.compiler import compile_plan
from augenblick.plan.load import load_plan
from augenblick.plan.program import Program
from augenblick_bench.harness.events import Block, EventMaker, Traffic
from augenblick_bench.plans import REFERENCE
from augenblick_native.kernel import Kernel
from augenblick_native.scan import Router, Source

USERS = 20_000
EVENTS = 10_000  # per round
ROUNDS = 20
BASE_MS = 1_700_000_000_000
PIECES = {
    "sessions": "features: {}",
    "tumbling": "features: {f: {count: view, over: {tumbling: 1m}}}",
    "hopping": "features: {f: {count: view, over: {hopping: 1h, every: 5m}}}",
    "sliding": "features: {f: {sum: purchase.value, over: {sliding: 24h}}}",
    "grouped": "features: {f: {count: view, by: category, over: session}}",
    "grouped_when": "features: {f: {count: view, by: category, over: session}}\n"
    "triggers: {t: {when: f >= 3}}",
    "sequence": "triggers: {t: {sequence: [view, add_to_cart], within: 10m, match: sku}}",
    "absence": "triggers: {t: {sequence: [add_to_cart, {not: purchase}], within: 30m}}",
}


def program_of(name: str, folder: Path) -> Program:
    if name == "reference":
        return compile_plan(load_plan(REFERENCE))
    path = folder / "plan.yaml"
    path.write_text(f"plan: {name}\nsessions: {{gap: 30m}}\n{PIECES[name]}\n")
    return compile_plan(load_plan(path))


class Streams:
    """Traffic as one shard gets it."""

    def __init__(self, program: Program) -> None:
        self._router = Router(program, bytes(16))
        self._router.set_table(np.zeros(4096, np.uint16))
        self._router.clock_event = True
        self._source = Source()
        self._maker = EventMaker(Traffic(USERS, BASE_MS, 1_000, quick_share=0.005))

    def warm(self) -> Iterator[bytes]:
        for block in self._maker.warm_up():
            yield from self._routed(block, len(block))

    def measured(self) -> Iterator[bytes]:
        for block in self._maker.blocks(EVENTS * (ROUNDS + 2)):
            yield from self._routed(block, EVENTS)

    def _routed(self, block: Block, events: int) -> Iterator[bytes]:
        start = 0
        for end in block.ends[events - 1 :: events].tolist():
            self._router.route(block.data, start, end, 0, self._source, BASE_MS)
            yield self._router.take(0)[0]
            start = end


@pytest.mark.parametrize("piece", [*PIECES, "reference"])
def test_kernel(benchmark: BenchmarkFixture, piece: str, tmp_path: Path) -> None:
    program = program_of(piece, tmp_path)
    kernel = Kernel(program)
    streams = Streams(program)
    for stream in streams.warm():
        kernel.apply(stream, 0, 1, 2**63 - 1, BASE_MS)
    waiting = list(streams.measured())

    def next_stream() -> tuple[tuple[bytes], dict[str, int]]:
        return (waiting.pop(0),), {}

    def work(stream: bytes) -> None:
        kernel.apply(stream, 0, 1, 2**63 - 1, BASE_MS)

    benchmark.pedantic(work, setup=next_stream, rounds=ROUNDS, warmup_rounds=2)
    benchmark.extra_info["events"] = EVENTS
    assert kernel.counters()["refused"] == 0
