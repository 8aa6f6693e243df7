"""The queue of one action: bounded, in order of arrival, with a limit of attempts at once."""

from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Any

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
    """One record for one action, from its arrival to its final outcome.

    `number` rises with arrival. `retry_of` is the id of the dead letter that a person asked to
    deliver again; such a delivery has no parcel, since nobody waits for it.
    """

    number: int
    key: str
    action: str
    record: dict[str, Any]
    received_ms: float
    due_ms: float
    parcel: Parcel | None = None
    retry_of: str = ""
    attempts: int = 0
    last_error: str = ""


class Target:
    """What waits for one action. Used by DeliveryCore alone.

    A delivery is waiting or being performed; only a waiting one can leave as the oldest. Two heaps
    order the waiting ones, by due time and by age; entries of deliveries that wait no more are
    skipped, and a heap is rebuilt before those outnumber the live ones.
    """

    def __init__(self, concurrency_max: int, waiting_max: int = limits.delivery_outbox_max) -> None:
        self.concurrency_max = max(1, min(concurrency_max, limits.delivery_concurrency_max))
        self.waiting_max = waiting_max
        self.performing = 0
        self.paused_until_ms = 0.0
        self._waiting: dict[int, Delivery] = {}
        self._by_due: list[tuple[float, int]] = []
        self._by_age: list[int] = []

    @property
    def waiting(self) -> int:
        """Deliveries that wait for their first or next attempt."""
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether one more can wait without sending the oldest away."""
        return len(self._waiting) < self.waiting_max

    def add(self, delivery: Delivery) -> Delivery | None:
        """Let it wait until its due time; returns the oldest one if that has to make room."""
        self._waiting[delivery.number] = delivery
        heappush(self._by_due, (delivery.due_ms, delivery.number))
        heappush(self._by_age, delivery.number)
        oldest = self._pop_oldest() if len(self._waiting) > self.waiting_max else None
        entries_max = 2 * len(self._waiting) + 64
        if len(self._by_due) > entries_max:
            self._by_due = [(waiting.due_ms, number) for number, waiting in self._waiting.items()]
            heapify(self._by_due)
        if len(self._by_age) > entries_max:
            self._by_age = sorted(self._waiting)
        return oldest

    def begin(self, now_ms: float) -> bool:
        """Room for one that need not wait: nothing waits before it, and it may be performed now."""
        if (
            self._waiting
            or self.performing >= self.concurrency_max
            or now_ms < self.paused_until_ms
        ):
            return False
        self.performing += 1
        return True

    def put_back(self, delivery: Delivery) -> Delivery | None:
        """Let one whose attempt failed wait again; the oldest may have to leave, as in `add`."""
        self.performing -= 1
        return self.add(delivery)

    def next_due(self, now_ms: float) -> Delivery | None:
        """Take the delivery that is to be performed now, if there is one and room for it."""
        wake_ms = self.wake_ms()
        if wake_ms is None or wake_ms > now_ms:
            return None
        _, number = heappop(self._by_due)
        self.performing += 1
        return self._waiting.pop(number)

    def wake_ms(self) -> float | None:
        """The instant from which `next_due` has something; None: not by time alone."""
        if self.performing >= self.concurrency_max:
            return None
        while self._by_due:
            due_ms, number = self._by_due[0]
            waiting = self._waiting.get(number)
            if waiting is not None and waiting.due_ms == due_ms:
                return max(due_ms, self.paused_until_ms)
            heappop(self._by_due)
        return None

    def clear(self) -> list[Delivery]:
        """Take out everything that waits, in order of arrival."""
        gone = [self._waiting[number] for number in sorted(self._waiting)]
        self._waiting.clear()
        self._by_due.clear()
        self._by_age.clear()
        return gone

    def _pop_oldest(self) -> Delivery:
        while True:
            oldest = self._waiting.pop(heappop(self._by_age), None)
            if oldest is not None:
                return oldest
