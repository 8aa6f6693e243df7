"""What an erasure leaves of what is on its way or has been set down."""

from typing import Any

import pytest

from augenblick.binding.releases import Arrival, pack, unpack
from augenblick.binding.user_marks import UserMarks
from augenblick.core.delivery import DeliveryCore
from augenblick.core.effects import EraseLetters, Perform, StoreDeadLetters
from augenblick.core.erasure import LEFT_OUT, Eraser
from augenblick.core.outbox import Outbox, unpack_open
from augenblick.errors import DeliveryFailed

MARKS = UserMarks()
ANN = Eraser(MARKS, MARKS.of("ann"))


def test_marks_are_of_the_text_under_the_clusters_key() -> None:
    assert MARKS.is_of(MARKS.of("7"), 7)
    assert not MARKS.is_of(MARKS.of("1"), True)
    assert not MARKS.is_of(MARKS.of("None"), None)
    assert MARKS.of("ann") != UserMarks(bytes(range(16))).of("ann")


@pytest.mark.parametrize(
    ("letter", "left"),
    [
        ({"firing": {"user": "ann"}}, None),
        ({"firing": {"user": "bob"}}, {"firing": {"user": "bob"}}),
        ({"firing": {"metric": "m"}}, {"firing": {"metric": "m"}}),
        ({"event": {"user": "ann"}}, None),
        ({"event": {"user": 7}}, {"event": {"user": 7}}),
        ({"event": {"raw": "YW5u"}}, {"event": {"left_out": LEFT_OUT}}),
        ({"event": {"user": ["ann"]}}, {"event": {"left_out": LEFT_OUT}}),
        ({"event": {"left_out": "x"}}, {"event": {"left_out": "x"}}),
    ],
)
def test_what_is_left_of_a_dead_letter(letter: dict[str, Any], left: Any) -> None:
    assert ANN.letter(letter) == left


def test_an_outbox_forgets_the_bytes_and_keeps_the_places() -> None:
    outbox = Outbox("delivery", 20, 1)
    items = [{"record": {"user": user}} for user in ("ann", "bob", "ann", "cat")]
    outbox.add([pack(one) for one in items], ["a", "b", "c", "d"])
    outbox.add([pack(items[0])], ["e"])
    seq = outbox.last_seq - 1
    outbox.on_done(seq, [[2, "delivered"]])
    outbox.rewrite(ANN.item)
    assert (len(outbox), outbox.items) == (1, 2)
    (waiting,) = outbox.open_items()
    assert b"ann" not in waiting[0]
    assert unpack_open([waiting]) == [items[1], items[3]]
    assert outbox.answered(seq, [[0, "delivered"], [3, "delivered"]]) == ["d"]
    outbox.on_done(seq, [[3, "delivered"]])
    (send,) = outbox.resend()
    assert unpack(send.payload) == [items[1]]


def _arrival(user: str, key: str) -> Arrival:
    record = {"kind": "firing", "id": key, "trigger": "t", "user": user, "time": 1}
    return Arrival.of(record, ["hook"])


def test_delivery_attempts_nothing_more_of_an_erased_user() -> None:
    core = DeliveryCore({"hook": 1}, random=lambda: 0.5)
    items = [_arrival("ann", "a"), _arrival("ann", "b"), _arrival("bob", "c")]
    (first,) = [one for one in core.on_records("shard-0", 1, items, 0) if isinstance(one, Perform)]
    facts = {"user": MARKS.of("ann"), "asked_ms": 5, "is_last": False}
    assert core.on_erase("shard-0", facts, ANN, 1)[0] == EraseLetters("shard-0", facts)
    assert [one["user"] for _, one in core.tail.after(0, "firing", 9)[0]] == ["bob"]
    failed = DeliveryFailed("gone", retryable=False)
    effects = core.on_performed([(first.delivery, failed)], 2)
    assert not any(isinstance(one, StoreDeadLetters) for one in effects)
    (second,) = [one for one in effects if isinstance(one, Perform)]
    assert second.key == "c"
    core.on_performed([(second.delivery, None)], 3)
    assert core.outstanding == 0
