"""The ring of latest records."""

from augenblick.binding.releases import pack
from augenblick.core.delivery_tail import Tail


def test_records_are_numbered_over_all_kinds_and_read_in_order() -> None:
    tail = Tail()
    for number in range(4):
        kind = "firing" if number % 2 else "session"
        tail.append(kind, pack({"n": number}) if number % 2 else {"n": number})
    records, missed = tail.after(0, None, 10)
    assert [(number, record["n"]) for number, record in records] == [(1, 0), (2, 1), (3, 2), (4, 3)]
    assert not missed
    assert [number for number, _ in tail.after(2, "firing", 10)[0]] == [4]
    assert [number for number, _ in tail.after(0, None, 2)[0]] == [1, 2]
    assert tail.after(0, "metric", 10) == ([], False)


def test_what_left_the_ring_is_reported_as_missed() -> None:
    tail = Tail(records_max=3)
    for number in range(5):
        tail.append("firing", {"n": number})
    tail.append("session", {})
    records, missed = tail.after(0, "firing", 10)
    assert [number for number, _ in records] == [3, 4, 5]
    assert missed
    assert tail.after(2, "firing", 10)[1] is False
    assert tail.after(0, "session", 10)[1] is False


def test_a_number_from_before_a_restart_reads_from_the_start() -> None:
    tail = Tail()
    tail.append("firing", {})
    assert [number for number, _ in tail.after(900, None, 10)[0]] == [1]
