import struct

import msgpack
import pytest

from augenblick import limits
from augenblick.errors import LimitExceeded, ProtocolError
from augenblick.link.codec import Decoder, encode
from augenblick.link.messages import Kind


def _frame(kind: int, header: dict[str, object], payload: bytes = b"") -> bytes:
    return encode(kind, header, payload) + payload


def _plain(messages: list[object]) -> list[tuple[int, dict[str, object], bytes]]:
    return [(m.kind, m.header, bytes(m.payload)) for m in messages]


SOME = [
    (Kind.BATCH, {"seq": 1, "gateway": 0}, b"\x00" * 1000),
    (Kind.BATCH_ACK, {"seq": 1}, b""),
    (Kind.PING, {}, b""),
    (Kind.RECORDS, {"seq": 7, "b": b"\xff", "text": "ä"}, b"x"),
]


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 7, 64, 999, 10_000])
def test_messages_survive_any_split(step: int) -> None:
    data = b"".join(_frame(*message) for message in SOME)
    decoder = Decoder()
    got = []
    for start in range(0, len(data), step):
        got += decoder.feed(data[start : start + step])
    assert _plain(got) == SOME
    assert decoder.waiting_bytes == 0


def test_a_length_beyond_the_bound_is_refused_before_anything_is_kept() -> None:
    for announced in (limits.frame_bytes_max + 1, 0xFFFFFFFF):
        with pytest.raises(LimitExceeded):
            Decoder().feed(struct.pack("<I", announced))


def test_a_stranger_gets_little_room() -> None:
    with pytest.raises(LimitExceeded):
        Decoder(limits.link_handshake_bytes_max).feed(_frame(Kind.HELLO, {}, b"x" * 5000)[:8])


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<I", 3) + b"abc",
        struct.pack("<IBBH", 4, 1, 2, 0),
        struct.pack("<IBBH", 4, 1, 1, 9),
        struct.pack("<IBBH", 5, 1, 1, 1) + b"\xc1",
        struct.pack("<IBBH", 5, 1, 1, 1) + b"\x93",
        struct.pack("<IBBH", 5, 1, 1, 1) + msgpack.packb(7),
        struct.pack("<IBBH", 7, 1, 1, 3) + b"\x81\x90\xc0",  # a list as a key
        struct.pack("<IBBH", 4 + 5000, 1, 1, 5000) + b"\x91" * 5000,
    ],
)
def test_broken_frames_are_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        Decoder().feed(data)


def test_the_sender_is_told_when_a_message_is_too_large() -> None:
    with pytest.raises(LimitExceeded):
        encode(Kind.BATCH, {}, b"\x00" * limits.frame_bytes_max)
    with pytest.raises(LimitExceeded):
        encode(Kind.TABLE, {"x": "y" * limits.link_header_bytes_max})
