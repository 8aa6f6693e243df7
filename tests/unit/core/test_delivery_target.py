"""The queue of one action: order, bounds, pauses."""

from augenblick.core.delivery_target import Delivery, Target


def delivery(number: int, due_ms: float = 0) -> Delivery:
    return Delivery(number, f"k{number}", "a", {}, 0, due_ms)


def test_deliveries_leave_in_order_of_due_time_then_arrival() -> None:
    target = Target(concurrency_max=10)
    for number, due_ms in ((1, 5), (2, 0), (3, 0), (4, 9)):
        assert target.add(delivery(number, due_ms)) is None
    assert [found.number for found in iter(lambda: target.next_due(5), None)] == [2, 3, 1]
    assert target.wake_ms() == 9


def test_no_more_than_the_limit_are_performed_at_once() -> None:
    target = Target(concurrency_max=2)
    for number in range(1, 5):
        target.add(delivery(number))
    first, second = target.next_due(0), target.next_due(0)
    assert first is not None
    assert second is not None
    assert target.next_due(0) is None
    assert target.wake_ms() is None
    target.performing -= 1
    assert target.next_due(0) is not None


def test_a_pause_holds_back_what_is_due() -> None:
    target = Target(concurrency_max=1)
    target.add(delivery(1))
    target.paused_until_ms = 100
    assert target.next_due(99) is None
    assert target.wake_ms() == 100
    assert target.next_due(100) is not None


def test_when_full_the_oldest_waiting_one_leaves_and_never_one_being_performed() -> None:
    target = Target(concurrency_max=1, waiting_max=2)
    target.add(delivery(1))
    performed = target.next_due(0)
    assert performed is not None
    assert target.add(delivery(2)) is None
    assert target.add(delivery(3)) is None
    oldest = target.add(delivery(4))
    assert oldest is not None
    assert oldest.number == 2
    performed.due_ms = 50
    oldest = target.put_back(performed)
    assert oldest is performed  # it is the oldest now, and it waits
    assert target.waiting == 2
    assert target.performing == 0


def test_memory_stays_bounded_however_many_pass() -> None:
    target = Target(concurrency_max=1, waiting_max=10)
    target.paused_until_ms = 1e12
    for number in range(10_000):
        target.add(delivery(number))
    assert target.waiting == 10
    assert len(target._by_due) <= 100
    assert len(target._by_age) <= 100
    assert [gone.number for gone in target.clear()] == list(range(9_990, 10_000))
    assert target.wake_ms() is None
