"""What a crash would find to do again, at each instant of rolling snapshots."""

import random
from collections import Counter

import pytest
from tests.unit.native.kernels import END_ms, event, group_of, mark

from augenblick.binding.kernel import Kernel
from augenblick.core.effects import Snapshot
from augenblick.core.routing import KEY_GROUPS
from augenblick.core.shard_rolling import RollingSnapshots
from augenblick.plan.compiler import compile_plan
from augenblick.plan.load import load_plan

REPLAY_max = 4_000
USERS = [f"user-{number}" for number in range(1_500)]
GROUPS = {user: group_of(user) for user in USERS}


class Life:
    """Events, and a tick behind each 20; a set is on its way for `set_ticks`."""

    def __init__(self, replay_max: int, set_ticks: int) -> None:
        self.kernel = Kernel(compile_plan(load_plan("plan: p\nsessions: {gap: 10ms}\n")))
        self.rolling = RollingSnapshots(range(KEY_GROUPS), {}, replay_max)
        self.events = 0
        self.snapshots = 0
        self.durable: Counter[int] = Counter()  # events at the durable snapshot of a key group
        self.behind: Counter[int] = Counter()  # of a key group, behind that
        self.open: dict[int, tuple[int, int]] = {}
        self._set_ticks = set_ticks
        self._chance = random.Random(7)
        self._left = 0
        self._number: Counter[int] = Counter()

    def live(self, events: int) -> None:
        for _ in range(events // 20):
            stream = mark(self.events, self.events)
            for user in self._chance.choices(USERS, k=20):
                self._number[GROUPS[user]] += 1
                number = self._number[GROUPS[user]]
                stream += event(self.events, user, number=number)
                self.behind[GROUPS[user]] += 1
            self.kernel.apply(stream, 0, 1, END_ms, 0)
            self.events += 20
            assert self.kernel.counters()["events"] == self.events
            self._tick()

    def _tick(self) -> None:
        if self.rolling.is_writing:
            self._left -= 1
            if not self._left:
                self.rolling.is_writing = False
                for group, (events, behind) in self.open.items():
                    self.durable[group] = events
                    self.behind[group] -= behind
                self.open = {}
            return
        now_ms = self.events / 10
        for effect in self.rolling.step(self.kernel, self.events, now_ms):
            self.snapshots += isinstance(effect, Snapshot)
            self.open[effect.unit] = (self.events, self.behind[effect.unit])
        if self.rolling.is_set_full(now_ms):
            self.rolling.on_set_ended()
            self._left = self._set_ticks


@pytest.mark.parametrize(("set_ticks", "share"), [(1, 1.0), (10, 1.1)])
def test_no_more_is_applied_again_than_was_asked_for(set_ticks, share):
    life = Life(REPLAY_max, set_ticks)
    life.live(12_000)  # each key group has its first snapshot
    for _ in range(100):
        life.live(200)
        assert sum(life.behind.values()) <= REPLAY_max * share
        assert life.events - min(life.durable[group] for group in range(KEY_GROUPS)) <= (
            2 * REPLAY_max
        )


def test_more_to_apply_again_is_fewer_snapshots():
    counts = []
    for replay_max in (2_000, 8_000):
        life = Life(replay_max, 1)
        life.live(40_000)
        counts.append(life.snapshots)
    assert counts[0] > 1.5 * counts[1]
