from itertools import pairwise

import msgpack
import pytest

from augenblick import limits
from augenblick.core.outbox import SEQ_BITS, Outbox
from augenblick.core.routing import even_ranges
from augenblick.link.messages import Kind


def packed(items: list[str]) -> list[bytes]:
    return [msgpack.packb(item) for item in items]


def test_numbers_rise_over_incarnations() -> None:
    first, _ = Outbox("d", Kind.RECORDS, 1000).add(packed(["a"]))
    second, _ = Outbox("d", Kind.RECORDS, 1001).add(packed(["a"]))
    assert first[0].header["seq"] == (1000 << SEQ_BITS) + 1
    assert second[0].header["seq"] > first[0].header["seq"]


def test_many_items_leave_in_bounded_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "outbox_message_items_max", 3)
    monkeypatch.setattr(limits, "outbox_message_bytes_max", 30)
    box = Outbox("d", Kind.RECORDS, 1)
    sends, _ = box.add(packed(["x" * 5] * 7 + ["y" * 20] * 2 + ["z" * 100]))
    sizes = [len(msgpack.unpackb(one.payload)) for one in sends]
    assert all(len(one.payload) <= 30 for one in sends)
    assert sum(sizes) == 9
    assert max(sizes) == 3


def test_partial_answers_keep_the_message_until_all_is_final() -> None:
    box = Outbox("d", Kind.RECORDS, 1)
    (send,), _ = box.add(packed(["a", "b", "c"]), note=7)
    seq = send.header["seq"]
    assert box.on_done(seq, [[0, "x"], [2, "x"]]) is None
    assert (box.items, len(box), box.is_answered(seq)) == (1, 1, False)
    (again,) = box.resend()
    assert (again.header, msgpack.unpackb(again.payload)) == (send.header, ["b"])
    assert box.resend() == [again]
    assert box.on_done(seq, [[0, "x"], [0, "x"]]) == {"seq": seq, "note": 7}
    assert (box.items, len(box), box.is_answered(seq)) == (0, 0, True)
    assert box.on_done(seq) is None


def test_the_oldest_open_items_make_room() -> None:
    box = Outbox("d", Kind.RECORDS, 1, items_max=3)
    (first,), _ = box.add(packed(["a", "b"]))
    box.on_done(first.header["seq"], [[0, "x"]])
    _, left = box.add(packed(["c", "d", "e"]))
    assert left == ["b"]
    assert box.items == 3
    box = Outbox("d", Kind.RECORDS, 1, bytes_max=10)
    box.add(packed(["12345"]))
    assert box.add(packed(["67890"]))[1] == ["12345"]


def test_ranges_are_even_and_cover_everything() -> None:
    for shards in (1, 2, 3, 7, 256):
        ranges = even_ranges(shards)
        assert ranges[0][0] == 0
        assert ranges[-1][1] == 4095
        assert all(a[1] + 1 == b[0] for a, b in pairwise(ranges))
        sizes = {last - first for first, last in ranges}
        assert max(sizes) - min(sizes) <= 1
