"""The delivery core under random histories: nothing lost, nothing twice, every bound holds."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.unit.core.delivery_shell import Shell, item, outage, refusal

from augenblick.core.delivery import DeliveryCore, Outcome
from augenblick.core.delivery_target import Capacity
from augenblick.errors import DeliveryFailed

CONCURRENCY = {"one": 1, "two": 2, "many": 5}
TOGETHER = {"file": Capacity(1, 3, 50), "pair": Capacity(2, 2), "all": Capacity(1, 1_000, 7)}
CAPACITIES: dict[str, int | Capacity] = {**CONCURRENCY, **TOGETHER}
WAITING_MAX = 4
ACTIONS = st.lists(st.sampled_from([*CAPACITIES, "gone"]), max_size=4)
FAILURES = st.sampled_from([None, None, refusal(), outage(), outage(retry_after_ms=3_000)])
SENDERS = st.sampled_from(["shard-0", "shard-1"])


class Delivering(RuleBasedStateMachine):
    """Random records, resends, outcomes, disk failures and ticks; then everything comes to rest."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 1_000.0
        self.out = Shell(DeliveryCore(CAPACITIES, random=lambda: 0.7, waiting_max=WAITING_MAX))
        self.sent: dict[tuple[str, int], list[dict[str, object]]] = {}
        self.seqs: Counter[str] = Counter()
        self.final: set[tuple[str, str]] = set()
        self.checked = self.checked_together = 0
        self.arrivals: dict[str, int] = {}

    @rule(sender=SENDERS, keys=st.lists(st.integers(0, 30), min_size=1, max_size=6), data=st.data())
    def records(self, sender: str, keys: list[int], data: st.DataObject) -> None:
        self.seqs[sender] += 1
        items = [
            item(f"k{key}", *data.draw(ACTIONS), shadow=data.draw(st.booleans())) for key in keys
        ]
        self.sent[sender, self.seqs[sender]] = items
        for key in keys:
            self.arrivals.setdefault(f"k{key}", len(self.arrivals))
        self.out.take(self.out.core.on_records(sender, self.seqs[sender], items, self.now_ms))

    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        if self.sent:
            sender, seq = data.draw(st.sampled_from(sorted(self.sent)))
            items = self.sent[sender, seq]
            self.out.take(self.out.core.on_records(sender, seq, items, self.now_ms))

    @rule(data=st.data(), failure=FAILURES)
    def attempt_ends(self, data: st.DataObject, failure: DeliveryFailed | None) -> None:
        if self.out.performing:
            number = data.draw(st.sampled_from(sorted(self.out.performing)))
            effect = self.out.performing[number]
            if failure is None:
                assert (effect.key, effect.action) not in self.final
                self.final.add((effect.key, effect.action))
            self.out.end(effect, failure, self.now_ms)

    @rule(data=st.data(), one_for_all=st.booleans())
    def attempt_for_many_ends(self, data: st.DataObject, one_for_all: bool) -> None:
        if not self.out.together:
            return
        number = data.draw(st.sampled_from(sorted(self.out.together)))
        effect = self.out.together[number]
        count = len(effect.parts)
        if one_for_all:
            outcome: Outcome = data.draw(FAILURES)
            each = [outcome] * count
        else:
            outcome = each = data.draw(st.lists(FAILURES, min_size=count, max_size=count))
        for (key, _, _), failure in zip(effect.parts, each, strict=True):
            if failure is None:
                assert (key, effect.action) not in self.final
                self.final.add((key, effect.action))
        self.out.end_together(effect, outcome, self.now_ms)

    @rule(stored=st.booleans())
    def disk_answers(self, stored: bool) -> None:
        self.out.store(self.now_ms, stored=stored)

    @rule(step_ms=st.integers(0, 100_000))
    def time_passes(self, step_ms: int) -> None:
        self.now_ms += step_ms
        self.out.take(self.out.core.on_tick(self.now_ms))

    @invariant()
    def no_bound_is_exceeded(self) -> None:
        for action, status in self.out.core.status()["actions"].items():
            assert status["waiting"] <= WAITING_MAX
            if action in CONCURRENCY:
                running = self.out.running(action)
                assert len(running) == status["performing"] <= CONCURRENCY[action]
            else:
                attempts = [one for one in self.out.together.values() if one.action == action]
                assert len(attempts) <= TOGETHER[action].attempts
                assert all(1 <= len(one.parts) <= TOGETHER[action].records for one in attempts)
                assert sum(len(one.parts) for one in attempts) == status["performing"]

    @invariant()
    def nothing_is_attempted_after_it_was_accepted(self) -> None:
        for effect in self.out.performed[self.checked :]:
            assert (effect.key, effect.action) not in self.final
        self.checked = len(self.out.performed)

    @invariant()
    def nothing_for_many_is_attempted_after_it_was_accepted(self) -> None:
        for effect in self.out.attempted[self.checked_together :]:
            keys = [key for key, _, _ in effect.parts]
            assert len(set(keys)) == len(keys)
            assert not {(key, effect.action) for key in keys} & self.final
        self.checked_together = len(self.out.attempted)

    @invariant()
    def first_attempts_are_made_in_order_of_arrival(self) -> None:
        for action in TOGETHER:
            first = [
                self.arrivals[key]
                for effect in self.out.attempted
                if effect.action == action
                for key, _, attempt in effect.parts
                if attempt == 1
            ]
            assert first == sorted(first)

    @invariant()
    def a_target_with_room_keeps_nothing_due_waiting(self) -> None:
        for target in self.out.core._targets.values():
            wake_ms = target.wake_ms()
            assert wake_ms is None or wake_ms > self.now_ms

    def teardown(self) -> None:
        for _ in range(10_000):
            if not self.out.core.outstanding:
                break
            self.out.end_all(None, self.now_ms)
            self.out.store(self.now_ms)
            self.now_ms = max(self.now_ms, self.out.wake_ms or 0)
            self.out.take(self.out.core.on_tick(self.now_ms))
        assert self.out.core.outstanding == 0
        for (sender, seq), items in self.sent.items():
            assert sorted(self.out.outcomes[sender, seq]) == list(range(len(items)))


Delivering.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestDelivering = Delivering.TestCase
