"""Partials by the thousand: many values of `match`, long chains of a value, what ends when."""

import random
import threading
from collections import defaultdict

import pytest
from tests.unit.native.kernels import Run, event, firings, group_of, mark

WITHIN_ms = 1000
PLAN = """plan: p
sessions: {gap: 1h}
time: {ttl: 1d}
triggers:
  pair: {sequence: [a, b], within: 1s, match: v, partial_max: 5}
  three: {sequence: [a, c, b], within: 1s, match: v, partial_max: 5}
"""


@pytest.mark.parametrize("moves", [False, True])
def test_each_of_many_values_has_its_own_partials(moves):
    run = Run(PLAN)
    number_of_values = 700
    for value in range(number_of_values):
        run.apply(mark(value), event(value, v=f"value {value}"))
        if moves and value % 97 == 0:
            run.move([group_of("ann")])
    end_ms = number_of_values + 50
    fired = []
    for value in range(number_of_values):
        out = run.apply(mark(end_ms), event(end_ms, name="b", v=f"value {value}"))
        fired += [one["by"]["v"] for one in firings(out)]
    assert fired == [f"value {value}" for value in range(number_of_values)]
    again = run.apply(mark(end_ms), event(end_ms, name="b", v="value 3"))
    assert firings(again) == []


@pytest.mark.parametrize("seed", range(6))
def test_random_chains_match_as_defined(seed):
    """Against lists: a value's partials by their first time, the oldest of six leaves, a match
    drops those that began at or before it; out of order by up to 40 ms, moved now and then.
    """
    chance = random.Random(seed)
    run = Run(PLAN)
    chains: dict[str, list[int]] = defaultdict(list)
    watermark_ms = -100
    for step in range(3000):
        now_ms = step * 3
        time_ms = now_ms - chance.choice((0, 0, 0, 10, 40))
        watermark_ms = max(watermark_ms, time_ms - 50)
        value = f"v{int(chance.paretovariate(0.6)) % 400}"
        name = chance.choice("aaab")
        out = run.apply(mark(watermark_ms), event(time_ms, name=name, v=value))
        chain = chains[value]
        chain[:] = [first for first in chain if first + WITHIN_ms >= watermark_ms]
        found = [one for one in firings(out) if one["trigger"] == "pair"]
        if name == "a":
            chain.append(time_ms)
            chain.sort()
            del chain[:-5]
            assert found == []
        else:
            reached = [t for t in chain if t <= time_ms <= t + WITHIN_ms]
            assert len(found) == bool(reached)
            if reached:
                chain[:] = [t for t in chain if t > time_ms]
        if step % 500 == 250:
            run.move([group_of("ann")])
    run.advance(10**9)
    assert run.kernel.memory_bytes == 0


def test_longer_sequences_go_on_behind_the_others():
    run = Run(PLAN)
    values = [f"v{number}" for number in range(60)]
    run.apply(mark(0), *(event(at, v=value) for at in (1, 2, 3) for value in values))
    run.apply(mark(0), *(event(4, name="c", v=value) for value in values))
    run.move([group_of("ann")])
    out = run.apply(mark(0), *(event(6, name="b", v=value) for value in reversed(values)))
    fired = [one["by"]["v"] for one in firings(out) if one["trigger"] == "three"]
    assert fired == values[::-1]


def test_the_oldest_of_too_many_leave():
    run = Run("plan: p\ntime: {ttl: 1d}\ntriggers: {t: {sequence: [a, b], match: v}}\n")
    too_many = 16_384 + 100
    for first in range(0, too_many, 1000):
        run.apply(mark(0), *(event(v, v=v) for v in range(first, min(first + 1000, too_many))))
    assert run.count("partials_dropped") == 100
    at = too_many
    assert firings(run.apply(mark(0), event(at, name="b", v=99))) == []
    assert len(firings(run.apply(mark(0), event(at, name="b", v=100)))) == 1


def test_partials_end_without_an_event_once_nobody_can_use_them():
    run = Run("plan: p\nsessions: {gap: 10ms}\ntriggers: {t: {sequence: [a, b], within: 1h}}\n")
    run.apply(mark(0), *(event(at) for at in range(50)))
    run.advance(1000)  # the session has closed
    with_partials = run.kernel.memory_bytes
    run.advance(3_600_000 + 49)
    assert run.kernel.memory_bytes == with_partials
    run.advance(3_600_000 + 51)
    assert 0 < run.kernel.memory_bytes < with_partials


def test_memory_made_ready_beside_the_events_changes_nothing():
    """Enough users for several chunks of memory; a second thread asks for the next all the time."""
    plan = "plan: p\ntime: {ttl: 1h}\ntriggers: {t: {sequence: [a, b], match: v}}\n"
    apart, beside = Run(plan), Run(plan)
    is_over = threading.Event()

    def prepare():
        while not is_over.wait(0.0005):
            beside.kernel.prepare()

    thread = threading.Thread(target=prepare)
    thread.start()
    try:
        for first in range(0, 24_000, 1000):
            users = [f"user {number}" for number in range(first, first + 1000)]
            items = [event(1, user, v="x") for user in users]
            items += [event(2, user, "b", v="x") for user in users[::50]]
            items += [event(3, user, v="y") for user in users]
            assert firings(beside.apply(mark(0), *items)) == firings(apart.apply(mark(0), *items))
    finally:
        is_over.set()
        thread.join()
    assert beside.kernel.memory_bytes == apart.kernel.memory_bytes > 8 << 20
    beside.advance(2**62)
    assert beside.kernel.memory_bytes == 0
