"""Refused events on their way to delivery."""

import base64
import json

import msgpack
import pytest

from augenblick.core.gateway_letters import LetterQueue
from augenblick.limits import dead_letter_raw_bytes_max, gateway_dead_letters_max
from augenblick.link.messages import Kind


@pytest.fixture
def queue():
    return LetterQueue("gateway-0", 5)


def letters(sends):
    return [letter for send in sends for letter in msgpack.unpackb(send.payload)]


def test_a_letter(queue):
    queue.add("no_user", "detail", "1.2.3.4:5", msgpack.packb({"event": "view", "time": 7}))
    [send] = queue.flush()
    assert (send.peer, send.kind) == ("delivery", Kind.DEAD_LETTERS)
    [letter] = letters([send])
    assert len(letter.pop("id")) == 32
    assert letter == {
        "kind": "dead_letter",
        "reason": "no_user",
        "detail": "detail",
        "source": "1.2.3.4:5",
        "time": 7,
        "event": {"event": "view", "time": 7},
    }
    assert not queue.flush()


def test_ids_differ_by_letter_gateway_and_incarnation(queue):
    others = [queue, LetterQueue("gateway-1", 5), LetterQueue("gateway-0", 6)]
    ids = set()
    for other in others:
        other.add("x", "", "", b"")
        other.add("x", "", "", b"")
        ids |= {letter["id"] for letter in letters(other.flush())}
    assert len(ids) == 6


@pytest.mark.parametrize(
    ("raw", "event"),
    [
        (msgpack.packb([1, {"a": [1, 2.5, None, True]}]), {"a": [1, 2.5, None, True]}),
        (b'{"a": 1}', {"a": 1}),
        (msgpack.packb({"a": float("nan")}), None),
        (msgpack.packb({"a": float("inf")}), None),
        (msgpack.packb({"a": b"bin"}), None),
        (msgpack.packb({1: 2}), None),
        (msgpack.packb({"a": 2**64 - 1}), {"a": 2**64 - 1}),
        (msgpack.packb({"a": msgpack.ExtType(5, b"x")}), None),
        (b'{"a": 1e999}', None),
        (b'{"a": 123456789012345678901234567890}', None),
        (b'{"a": "\\ud800"}', None),
        (b"\xa2\xff\xff", None),
        (b"\x81\xa1\xff\x01", None),
        (b"[" * 100_000, None),
        (b"\x91" * 1000, None),
        (b"", None),
        (b"x" * (dead_letter_raw_bytes_max + 1), None),
        (msgpack.packb(5), None),
    ],
)
def test_what_is_shown_can_be_written_as_json(queue, raw, event):
    queue.add("x", "", "", raw)
    [letter] = letters(queue.flush())
    json.dumps(letter, allow_nan=False).encode()
    if event is None:
        shown = base64.b64decode(letter["event"]["raw"])
        assert shown == raw[:dead_letter_raw_bytes_max]
    else:
        assert letter["event"] == event


def test_letters_are_kept_until_delivery_has_them(queue):
    queue.add("x", "", "", b"")
    [first] = queue.flush()
    queue.add("y", "", "", b"")
    [second] = queue.flush()
    assert queue.resend() == [first, second]
    queue.confirm(first.header["seq"])
    assert queue.resend() == [second]
    queue.confirm(second.header["seq"])
    assert queue.is_empty


def test_a_flood_is_bounded_and_counted(queue):
    for _ in range(3):
        for _ in range(gateway_dead_letters_max):
            queue.add("x", "", "", b"\x01")
        queue.flush()
    assert queue.by_reason["x"] == 3 * gateway_dead_letters_max
    assert len(letters(queue.resend())) <= gateway_dead_letters_max
    assert queue.dropped >= 2 * gateway_dead_letters_max
