"""Users come and go, ten times as many as live at once: memory stays as it is, and ends at nothing.

`make soak` runs the long one too.
"""

import gc
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.native.kernels import END_ms, event, kernel_of, mark

PLAN = """plan: soak
sessions: {gap: 10m}
time: {lateness: 2s, dedup: 1m, ttl: 1h}
features:
  total: {sum: a.v, over: lifetime}
  kept: {list: a.v, max: 3, over: {since: c}}
  by_g: {count: "*", by: g, over: session}
  hop: {avg: a.v, over: {hopping: 20m, every: 5m}}
  slide: {count: "*", over: {sliding: 30m}}
  values_h: {distinct: a.v, over: {hopping: 20m, every: 5m}}
  middle: {quantile: a.v, q: 0.5, over: {tumbling: 20m}}
  often: {top: a.v, max: 2, over: {since: c}}
segments:
  busy: slide >= 3
metrics:
  each: {count: "*", by: g, over: {tumbling: 5m}}
triggers:
  look: {event: [busy.enters, session.end], values: [total, kept, hop, slide, values_h, often]}
  rises: {when: slide >= 2, cooldown: 7m}
  pair: {sequence: [a, b], within: 30m, match: g}
  absent: {sequence: [a, {not: b}], within: 12m, timer: each}
"""
WAVES = 24  # each of its own users; two live at once
WAVE_MS = 90 * 60_000  # then the users of the wave before are forgotten
EVENTS_PER_USER = 12
BATCH_EVENTS = 1_024  # begins with a mark
MARK_EVENTS = 16
GROWTH_MAX = 1.05
RESIDENT_GROWTH_BYTES_MAX = 1 << 20  # 36,000 users came and went meanwhile: 29 bytes of each
BASE_MS = 1_700_000_000_000


def stream(wave: int, users: int) -> Iterator[bytes]:
    """The wave's batches; event time goes on through it."""
    chance = random.Random(wave)
    count = users * EVENTS_PER_USER
    for first in range(0, count, BATCH_EVENTS):
        parts = []
        for number in range(first, min(first + BATCH_EVENTS, count)):
            time_ms = BASE_MS + wave * WAVE_MS + number * WAVE_MS // count
            if number % MARK_EVENTS == 0:
                parts.append(mark(time_ms - 2_000, time_ms))
            parts.append(
                event(
                    time_ms - chance.choice((0, 0, 0, 1_500)),
                    f"w{wave}-{chance.randrange(users)}",
                    chance.choice("aaabbc"),
                    fingerprint=wave * count + number + 1,
                    v=chance.randrange(50),
                    g=f"g{chance.randrange(6)}",
                )
            )
        yield b"".join(parts)


def resident_bytes() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def soak(users: int) -> list[int]:
    """Resident bytes after each wave; checks what the kernel counts."""
    kernel = kernel_of(PLAN)
    state, resident = [], []
    for wave in range(WAVES):
        for items in stream(wave, users):
            kernel.apply(items, 0, 1, 2**63 - 1, 0)
        assert users // 2 < kernel.users <= 2 * users
        state.append(kernel.memory_bytes)
        resident.append(resident_bytes())
    counters = kernel.counters()
    assert counters["events"] == WAVES * users * EVENTS_PER_USER
    assert counters["users_expired"] > 10 * users
    assert max(state[WAVES // 2 :]) <= GROWTH_MAX * max(state[2 : WAVES // 2])
    kernel.advance(END_ms, 0)
    assert (kernel.users, kernel.memory_bytes) == (0, 0), "births equal deaths"
    return resident


def test_a_small_soak() -> None:
    soak(100)


@pytest.mark.long
def test_memory_is_flat() -> None:
    resident = soak(3_000)
    assert max(resident[WAVES // 2 :]) <= max(resident[2 : WAVES // 2]) + RESIDENT_GROWTH_BYTES_MAX
