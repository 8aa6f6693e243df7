"""Events as a gateway routes them to one shard, in this process: for scenarios of the kernel."""

from collections.abc import Iterable

import numpy as np

from augenblick.plan.program import Program
from augenblick_bench.harness.events import Block
from augenblick_native.scan import Router, Source

BATCH_EVENTS = 2_000
NO_CAP = 2**63 - 1
_HASH_KEY = bytes(range(16))
_ENTRIES = 0


def new_router(program: Program, *, is_event_clock: bool = True) -> Router:
    """A router to one shard."""
    router = Router(program, _HASH_KEY)
    router.set_table(np.zeros(4096, np.uint16))
    router.clock_event = is_event_clock
    return router


def routed(
    router: Router, source: Source, blocks: Iterable[Block], now_ms: int, *, is_warm: bool = False
) -> list[tuple[bytes, int]]:
    """The blocks as the shard gets them: (stream, events) of BATCH_EVENTS events."""
    streams = []
    for block in blocks:
        start = 0
        for at in range(0, len(block), BATCH_EVENTS):
            end = int(block.ends[min(at + BATCH_EVENTS, len(block)) - 1])
            router.route(block.data, start, end, _ENTRIES, source, now_ms, warm=is_warm)
            streams.append(router.take(0))
            start = end
    return streams
