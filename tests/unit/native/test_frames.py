"""The frame of the usual form: native code and the dialect's own reading agree."""

import msgpack
import pytest

from augenblick import limits
from augenblick.ingest.dialects.forward import ForwardReader
from augenblick_native import frames

ENTRIES = b"".join(msgpack.packb([n, {"user": "u", "event": "e"}]) for n in range(3))
BIN = msgpack.packb(ENTRIES)
TAG = msgpack.packb("täg")
OPTIONS = [
    None,
    {},
    {"chunk": "c" * 22},
    {"chunk": "c" * 40, "size": 3},
    {"chunk": b"\xff\x00", "size": 70_000},
    {"chunk": "", "size": 2**40, "warm": True},
    {"end": True, "warm": False},
    {"size": 1, "end": False, "chunk": "ä" * 64},
]
UNUSUAL = [
    msgpack.packb(["t", 1, {}]),
    msgpack.packb(["t", [[1, {}]]]),
    b"\x93" + TAG + BIN + msgpack.packb({"compressed": "gzip"}),
    b"\x93" + TAG + BIN + msgpack.packb({"colour": 1}),
    b"\x93" + TAG + BIN + msgpack.packb({"chunk": "c" * 129}),
    b"\x93" + TAG + BIN + msgpack.packb({"chunk": None}),
    b"\x93" + TAG + BIN + msgpack.packb({"size": -1}),
    b"\x93" + TAG + BIN + msgpack.packb({"warm": 1}),
    b"\x93" + TAG + BIN + b"\x81\xa5chunk\xda\x00\x01c",  # not in its shortest form
    b"\x93" + TAG + BIN + b"\x81\xa5chunk\xd9\x01c",
    b"\x93" + TAG + BIN + b"\x91\x01",
    b"\x93\xa1\xff" + BIN + b"\x80",  # a tag that is no UTF-8
    b"\x93\xda\x01\x01" + b"t" * 257 + BIN + b"\x80",
    b"\x94" + TAG + BIN + b"\x80\x80",
    b"\xdc\x00\x03" + TAG + BIN + b"\x80",
    b"\xc0",
    b"\xff",
]


def frame(options: object) -> bytes:
    if options is None:
        return b"\x92" + TAG + BIN
    return b"\x93" + TAG + BIN + msgpack.packb(options)


@pytest.mark.parametrize("options", OPTIONS)
def test_a_usual_frame_is_what_the_dialect_reads(
    options: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytearray(b"??" + frame(options) + b"more")
    stop = len(data) - 4
    usual = frames.packed_frame(data, 2, len(data))
    assert usual is not None
    assert usual[0] == stop
    quick = ForwardReader().read(data, 2, len(data))
    monkeypatch.setattr("augenblick.binding.scanning.packed_frame", lambda *_: None)
    assert quick == ForwardReader().read(data, 2, len(data))
    assert bytes(data[usual[2] : usual[3]]) == ENTRIES


def test_every_size_of_body_is_found() -> None:
    for size in (0, 31, 32, 255, 256, 65_535, 65_536):
        for body in (b"x" * size, "x" * size):
            data = b"\x92" + TAG + msgpack.packb(body)
            usual = frames.packed_frame(data, 0, len(data))
            assert usual is not None
            assert (usual[0], usual[3] - usual[2]) == (len(data), size)


@pytest.mark.parametrize("data", UNUSUAL)
def test_what_is_unusual_or_broken_is_left_alone(data: bytes) -> None:
    assert frames.packed_frame(data, 0, len(data)) is None


@pytest.mark.parametrize("options", OPTIONS)
def test_an_incomplete_frame_is_left_alone(options: object) -> None:
    data = frame(options)
    for stop in range(len(data)):
        assert frames.packed_frame(data, 0, stop) is None


def test_a_frame_beyond_the_bound_is_left_to_be_refused() -> None:
    data = b"\x92\xa1t" + msgpack.packb(b"x" * limits.frame_bytes_max)
    assert frames.packed_frame(data, 0, len(data)) is None
    for name, bound in frames.LIMITS.items():
        assert getattr(limits, name) == bound


def test_a_range_outside_the_bytes_is_refused() -> None:
    for start, stop in ((0, 3), (2, 1)):
        with pytest.raises(ValueError, match="no range"):
            frames.packed_frame(b"ab", start, stop)


def test_a_frame_that_came_in_pieces_is_read_once() -> None:
    reader, data = ForwardReader(), frame({"chunk": "c"})
    for stop in (1, 4, len(data) - 1):
        assert reader.read(data, 0, stop) == (0, None)
    end, chunk = reader.read(data + data, 0, 2 * len(data))
    assert end == len(data)
    assert reader.read(data + data, end, 2 * len(data))[0] == 2 * len(data)
    assert chunk is not None
    assert reader.wanted_bytes == 1
