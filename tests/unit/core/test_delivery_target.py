"""The queue of one action: order, bounds, pauses."""

from augenblick.core.delivery_target import Capacity, Delivery, Target


def delivery(number: int, due_ms: float = 0) -> Delivery:
    return Delivery(number, f"k{number}", "a", {}, 0, due_ms)


def test_deliveries_leave_in_order_of_due_time_then_arrival() -> None:
    target = Target(Capacity(10))
    for number, due_ms in ((1, 5), (2, 0), (3, 0), (4, 9)):
        assert target.add(delivery(number, due_ms)) is None
    assert [found.number for (found,) in iter(lambda: target.begin(5), [])] == [2, 3, 1]
    assert target.wake_ms() == 9


def test_no_more_than_the_limit_are_performed_at_once() -> None:
    target = Target(Capacity(2))
    for number in range(1, 5):
        target.add(delivery(number))
    assert target.begin(0)
    assert target.begin(0)
    assert not target.begin(0)
    assert target.wake_ms() is None
    target.end(1)
    assert target.begin(0)


def test_a_pause_holds_back_what_is_due() -> None:
    target = Target(Capacity(1))
    target.add(delivery(1))
    target.paused_until_ms = 100
    assert not target.begin(99)
    assert target.wake_ms() == 100
    assert target.begin(100)


def test_when_full_the_oldest_waiting_one_leaves_and_never_one_being_performed() -> None:
    target = Target(Capacity(1), waiting_max=2)
    target.add(delivery(1))
    (performed,) = target.begin(0)
    assert target.add(delivery(2)) is None
    assert target.add(delivery(3)) is None
    oldest = target.add(delivery(4))
    assert oldest is not None
    assert oldest.number == 2
    performed.due_ms = 50
    target.end(1)
    oldest = target.add(performed)
    assert oldest is performed  # it is the oldest now, and it waits
    assert target.waiting == 2
    assert target.performing == 0


def test_memory_stays_bounded_however_many_pass() -> None:
    target = Target(Capacity(1), waiting_max=10)
    target.paused_until_ms = 1e12
    for number in range(10_000):
        target.add(delivery(number))
    assert target.waiting == 10
    assert len(target._by_due) <= 100
    assert len(target._by_age) <= 100
    assert [gone.number for gone in target.clear()] == list(range(9_990, 10_000))
    assert target.wake_ms() is None


def test_an_attempt_carries_what_is_due_up_to_its_bound_retries_first() -> None:
    target = Target(Capacity(2, records=3))
    again = delivery(1, 4)
    again.attempts = 1
    later = delivery(2, 90)
    later.attempts = 1
    for one in (again, later, delivery(3, 5), delivery(4, 5), delivery(5, 5)):
        target.add(one)
    assert [one.number for one in target.begin(5)] == [1, 3, 4]
    assert [one.number for one in target.begin(5)] == [5]
    assert (target.attempts, target.performing, target.waiting) == (2, 4, 1)
    target.end(3)
    assert target.wake_ms() == 90


def test_records_gather_for_the_interval_in_which_an_attempt_began() -> None:
    target = Target(Capacity(1, records=10, apart_ms=50))
    assert target.add_new([delivery(1)])
    assert [one.number for one in target.begin(120)] == [1]  # what comes after a quiet time
    target.end(1)
    assert target.add_new([delivery(2), delivery(3)])
    assert not target.begin(149)
    assert target.wake_ms() == 150
    assert target.add_new([delivery(4)])
    assert [one.number for one in target.begin(150)] == [2, 3, 4]


def test_new_ones_come_in_together_only_if_all_have_room() -> None:
    target = Target(Capacity(1), waiting_max=2)
    assert not target.add_new([delivery(1), delivery(2), delivery(3)])
    assert target.waiting == 0
    assert target.add_new([delivery(1), delivery(2)])
    assert not target.has_room
