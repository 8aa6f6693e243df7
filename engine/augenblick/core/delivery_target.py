"""The queue of one action: bounded, in order of arrival, with a limit of attempts at once.

An attempt carries as many records as its target takes: what is due when it begins.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from augenblick import limits


@dataclass(slots=True)
class Parcel:
    """One record on its way to all of its actions, and who waits to hear that it is final.

    `waiters` are (sender, seq, index in that batch), in order and once each; a record that is sent
    again adds a waiter, never a delivery. `open` counts the actions without a final outcome.
    """

    key: str
    open: int
    outcome: str
    waiters: dict[tuple[str, int, int], None] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Delivery:
    """One record for one action, from its arrival to its final outcome; the record stays packed.

    `number` rises with arrival. `retry_of` is the id of the dead letter that a person asked to
    deliver again; such a delivery has no parcel, since nobody waits for it. `is_erased`: its user
    was erased while it was attempted; no attempt and no dead letter follows.
    """

    number: int
    key: str
    action: str
    packed: bytes
    received_ms: float
    due_ms: float
    parcel: Parcel | None = None
    retry_of: str = ""
    attempts: int = 0
    last_error: str = ""
    is_erased: bool = False


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a target takes: attempts at once, records in one attempt, and the interval in which at
    most one attempt begins, so that records gather for the next (ms of the clock; 0: none).
    """

    attempts: int
    records: int = 1
    apart_ms: float = 0.0


class Target:
    """What waits for one action. Used by DeliveryCore alone.

    A delivery is waiting or being performed; only a waiting one can leave as the oldest. Those that
    wait for their first attempt stand in a line, which is in order of age and of due time. The
    others (after a failed attempt) are ordered by two heaps, one for each; entries of deliveries
    that wait no more are skipped, and a heap is rebuilt before those outnumber the live ones.
    """

    def __init__(self, capacity: Capacity, waiting_max: int = limits.delivery_outbox_max) -> None:
        self.attempts_max = max(1, min(capacity.attempts, limits.delivery_concurrency_max))
        self.records_max = max(1, min(capacity.records, limits.delivery_together_max))
        self.waiting_max = waiting_max
        self.attempts = 0
        self.performing = 0
        self.paused_until_ms = 0.0
        self.apart_ms = capacity.apart_ms
        self.next_begin_ms = 0.0
        self._line: deque[Delivery] = deque()
        self._again: dict[int, Delivery] = {}
        self._by_due: list[tuple[float, int]] = []
        self._by_age: list[int] = []

    @property
    def waiting(self) -> int:
        """Deliveries that wait for their first or next attempt."""
        return len(self._line) + len(self._again)

    @property
    def has_room(self) -> bool:
        """Whether one more can wait without sending the oldest away."""
        return len(self._line) + len(self._again) < self.waiting_max

    def add(self, delivery: Delivery) -> Delivery | None:
        """Let it wait until its due time; returns the oldest one if that has to make room."""
        last = self._line[-1] if self._line else None
        if delivery.attempts == 0 and (
            last is None or (last.number < delivery.number and last.due_ms <= delivery.due_ms)
        ):
            self._line.append(delivery)
        else:
            self._add_again(delivery)
        return None if self.waiting <= self.waiting_max else self._pop_oldest()

    def add_new(self, deliveries: list[Delivery]) -> bool:
        """Let new ones (younger than all before, due at once) wait if there is room for all."""
        if self.waiting + len(deliveries) > self.waiting_max:
            return False
        if self._line and self._line[-1].due_ms > deliveries[0].due_ms:
            return False
        self._line.extend(deliveries)
        return True

    def begin(self, now_ms: float) -> list[Delivery]:
        """Begin an attempt with what is due; empty if nothing is, or nothing may begin now."""
        wake_ms = self.wake_ms()
        if wake_ms is None or wake_ms > now_ms:
            return []
        line, begun = self._line, []
        if not self._by_due and line[-1].due_ms <= now_ms:
            count = min(len(line), self.records_max)
            begun = [line.popleft() for _ in range(count)]
        while len(begun) < self.records_max and (line or self._by_due):
            due = self._first_again()
            if line and (due is None or (line[0].due_ms, line[0].number) < due):
                if line[0].due_ms > now_ms:
                    break
                begun.append(line.popleft())
            elif due is not None and due[0] <= now_ms:
                heappop(self._by_due)
                begun.append(self._again.pop(due[1]))
            else:
                break
        self.attempts += 1
        self.performing += len(begun)
        if self.apart_ms:  # targets with the same interval begin at the same instants
            self.next_begin_ms = (now_ms // self.apart_ms + 1) * self.apart_ms
        return begun

    def end(self, count: int) -> None:
        """An attempt for so many deliveries has ended; those that failed may be added again."""
        self.attempts -= 1
        self.performing -= count

    def wake_ms(self) -> float | None:
        """The instant from which `begin` has something; None: not by time alone."""
        if self.attempts >= self.attempts_max:
            return None
        due = self._first_again()
        if self._line:
            line_ms = self._line[0].due_ms
            due_ms = line_ms if due is None else min(line_ms, due[0])
        elif due is not None:
            due_ms = due[0]
        else:
            return None
        return max(due_ms, self.paused_until_ms, self.next_begin_ms)

    def drop(self, is_gone: Callable[[Delivery], bool]) -> list[Delivery]:
        """Take out what is to go of all that waits."""
        gone = [one for one in (*self._line, *self._again.values()) if is_gone(one)]
        for delivery in gone:
            if self._again.pop(delivery.number, None) is None:
                self._line.remove(delivery)
        return gone

    def clear(self) -> list[Delivery]:
        """Take out everything that waits, in order of arrival."""
        gone = sorted([*self._line, *self._again.values()], key=lambda one: one.number)
        self._line.clear()
        self._again.clear()
        self._by_due.clear()
        self._by_age.clear()
        return gone

    def _add_again(self, delivery: Delivery) -> None:
        self._again[delivery.number] = delivery
        heappush(self._by_due, (delivery.due_ms, delivery.number))
        heappush(self._by_age, delivery.number)
        entries_max = 2 * len(self._again) + 64
        if len(self._by_due) > entries_max:
            self._by_due = [(waiting.due_ms, number) for number, waiting in self._again.items()]
            heapify(self._by_due)
        if len(self._by_age) > entries_max:
            self._by_age = sorted(self._again)

    def _first_again(self) -> tuple[float, int] | None:
        """The due time and number of the first delivery that waits for another attempt."""
        while self._by_due:
            due_ms, number = self._by_due[0]
            waiting = self._again.get(number)
            if waiting is not None and waiting.due_ms == due_ms:
                return self._by_due[0]
            heappop(self._by_due)
        return None

    def _pop_oldest(self) -> Delivery:
        while self._by_age and self._by_age[0] not in self._again:
            heappop(self._by_age)
        if self._line and not (self._by_age and self._by_age[0] < self._line[0].number):
            return self._line.popleft()
        return self._again.pop(heappop(self._by_age))
