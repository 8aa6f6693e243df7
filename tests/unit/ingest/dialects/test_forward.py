"""The Forward reader: every mode, every option, every way in which bytes can be wrong or cut."""

import contextlib

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.ingest.dialects.forward_frames import (
    EVENT,
    EVENT_TIME,
    compressed,
    entry,
    frame,
    joined,
    read,
    read_pieces,
)

from augenblick.errors import LimitExceeded, ProtocolError
from augenblick.ingest.dialects.forward import ForwardReader, encode_ack
from augenblick.limits import (
    chunk_id_bytes_max,
    forward_joined_bytes_max,
    frame_bytes_max,
    tag_bytes_max,
)

ENTRIES = entry() + entry(EVENT_TIME) + entry(1.5)


@pytest.mark.parametrize("time", [1_700_000_000, EVENT_TIME, 1.5, -1, 2**63])
def test_message(time):
    [chunk] = read(frame("shop", time, EVENT))
    assert chunk.data == entry(time)
    assert chunk.tag == b"shop"
    assert chunk.ack == chunk.chunk == b""
    assert not chunk.is_end
    assert not chunk.is_warm


def test_message_with_options():
    [chunk] = read(frame("shop", 1, EVENT, {"chunk": "abc", "unknown": [1, {}]}))
    assert chunk.data == entry(1)
    assert chunk.chunk == b"abc"
    assert chunk.ack == msgpack.packb({"ack": "abc"})


def test_forward():
    [chunk] = read(frame("shop", [[1, EVENT], [EVENT_TIME, EVENT]]))
    assert chunk.data == entry(1) + entry(EVENT_TIME)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 70_000])
def test_forward_of_any_length(count):
    [chunk] = read(frame("shop", [[1, {}]] * count, {"size": count}))
    assert chunk.data == msgpack.packb([1, {}]) * count


@pytest.mark.parametrize("as_text", [False, True])
def test_packed_forward_as_bin_or_str(as_text):
    packer = msgpack.Packer(use_bin_type=not as_text)
    [chunk] = read(packer.pack([b"shop", ENTRIES, {b"size": 3, b"chunk": b"abc"}]))
    assert chunk.data == ENTRIES
    assert chunk.tag == b"shop"
    assert chunk.chunk == b"abc"


def test_compressed_packed_forward_of_several_gzip_members():
    packed = compressed(ENTRIES) + compressed(b"") + compressed(ENTRIES)
    [chunk] = read(frame("shop", packed, {"compressed": "gzip", "chunk": "abc"}))
    assert chunk.data == ENTRIES * 2
    assert chunk.chunk == b"abc"


def test_other_compressions_are_not_known_and_ignored():
    [chunk] = read(frame("shop", ENTRIES, {"compressed": "text"}))
    assert chunk.data == ENTRIES


def test_end_and_warm():
    [first, second] = read(
        frame("shop", ENTRIES, {"end": True}), frame("shop", ENTRIES, {"warm": True, "end": False})
    )
    assert (first.is_end, first.is_warm) == (True, False)
    assert (second.is_end, second.is_warm) == (False, True)


def test_nil_options_and_heartbeats():
    reader = ForwardReader()
    [chunk] = read(b"\xc0", frame("shop", ENTRIES, None), b"\xc0\xc0", reader=reader)
    assert chunk.data == ENTRIES
    assert reader.heartbeats == 3


@pytest.mark.parametrize("chunk_id", ["a", b"a\xff", "ä", ""])
def test_the_ack_has_the_type_of_the_chunk_id(chunk_id):
    [chunk] = read(frame("shop", ENTRIES, {"chunk": chunk_id}))
    assert msgpack.unpackb(chunk.ack) == {"ack": chunk_id}


def test_a_chunk_id_that_is_no_utf8_comes_back_as_it_came():
    options = b"\x81\xa5chunk\xa2\xff\xfe"
    [chunk] = read(b"\x93\xa1t" + msgpack.packb(ENTRIES) + options)
    assert chunk.ack == b"\x81\xa3ack\xa2\xff\xfe"
    assert chunk.chunk == b"\xff\xfe"


def test_messages_of_one_tag_come_as_one_chunk():
    message = frame("shop", 1, EVENT)
    found = read(message * 3, frame("web", 1, EVENT), frame("web", 2, EVENT, {}), message)
    assert [(chunk.tag, chunk.data) for chunk in found] == [
        (b"shop", entry(1) * 3),
        (b"web", entry(1)),
        (b"web", entry(2)),
        (b"shop", entry(1)),
    ]


def test_joined_messages_are_bounded():
    message = frame("shop", 1, {"text": "x" * 10_000})
    found = read(message * 60)
    assert len(found) > 1
    assert sum(len(chunk.data) for chunk in found) == 60 * (len(message) - 5)
    assert all(len(chunk.data) < forward_joined_bytes_max + 11_000 for chunk in found)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (frame("shop"), "bad_frame"),
        (frame("shop", 1), "bad_frame"),
        (frame("shop", 1, EVENT, {}, 5), "bad_frame"),
        (frame("shop", ENTRIES, {}, {}), "bad_frame"),
        (frame(5, ENTRIES), "bad_frame"),
        (frame(None, ENTRIES), "bad_frame"),
        (frame("x" * (tag_bytes_max + 1), ENTRIES), "bad_tag"),
        (b"\x92\xa1\xff" + msgpack.packb(ENTRIES), "bad_tag"),
        (frame("shop", ENTRIES, 7), "bad_options"),
        (frame("shop", ENTRIES, {"chunk": 7}), "bad_options"),
        (frame("shop", ENTRIES, {"chunk": "x" * (chunk_id_bytes_max + 1)}), "bad_options"),
        (frame("shop", ENTRIES, {"x": "x" * 5000}), "bad_options"),
        (frame("shop", 1, EVENT, []), "bad_options"),
        (frame("shop", b"no gzip", {"compressed": "gzip"}), "bad_gzip"),
        (frame("shop", compressed(ENTRIES)[:-3], {"compressed": "gzip"}), "bad_gzip"),
    ],
)
def test_a_frame_that_carries_no_events_is_refused_alone(bad, reason):
    good = frame("shop", ENTRIES)
    [before, refused, after] = read(good, bad, good)
    assert refused.refusal == reason
    assert before.data == after.data == ENTRIES


def test_a_gzip_bomb_is_refused_and_answered():
    bomb = compressed(compressed(bytes(50_000_000)) * 50)
    options = {"compressed": "gzip", "chunk": "bomb"}
    [big] = read(frame("shop", compressed(bytes(30_000_000)), options))
    [nested] = read(frame("shop", bomb, options))
    assert big.refusal == "inflate_too_large"
    assert big.ack == encode_ack("bomb")
    assert nested.refusal in ("inflate_too_large", "")
    assert len(nested.data) < frame_bytes_max


@pytest.mark.parametrize(
    ("garbage", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "not_forward"),
        (b'{"user": 1}', "not_forward"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", "not_forward"),
        (b"\xc1", "bad_msgpack"),
        (frame({"a": 1})[1:], "not_forward"),
        (b"\x92\xa1t\xc1", "bad_msgpack"),
        (b"\x91" * 10_000, "too_deep"),
        (b"\x92\xa1t" + b"\x91" * 10_000 + b"\xc0", "too_deep"),
    ],
)
def test_bytes_that_are_not_forward_end_the_connection(garbage, reason):
    with pytest.raises(ProtocolError) as caught:
        read(garbage)
    assert caught.value.reason == reason


def test_what_came_before_garbage_is_handed_on():
    reader = ForwardReader()
    data = bytearray(frame("shop", 1, EVENT) + b"\xc1")
    at, chunk = reader.read(data, 0, len(data))
    assert bytes(chunk.data) == entry(1)
    with pytest.raises(ProtocolError):
        reader.read(data, at, len(data))


@pytest.mark.parametrize(
    "head",
    [
        b"\x92\xa1t\xc6\xff\xff\xff\xff",
        b"\x92\xa1t\xdb\xff\xff\xff\xff",
        b"\x92\xa1t\xdd\xff\xff\xff\xff",
        b"\x93\xa1t\x01\xdf\xff\xff\xff\xff",
        b"\x92\xc6\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\x92\xa1t\xc9\xff\xff\xff\xff\x00",
    ],
)
def test_four_gigabytes_announced_are_refused_at_once(head):
    with pytest.raises(LimitExceeded) as caught:
        read(head)
    assert caught.value.reason == "frame_too_large"


def test_a_frame_that_grows_beyond_the_bound_is_refused():
    reader = ForwardReader()
    data = bytearray(b"\x92\xa1t\xdd\x00\xff\xff\xff" + bytes(frame_bytes_max))
    with pytest.raises(LimitExceeded):
        reader.read(data, 0, len(data))


def test_one_byte_at_a_time():
    frames = [
        frame("shop", 1, EVENT),
        b"\xc0",
        frame("shop", [[1, EVENT], [2, EVENT]], {"chunk": "abc"}),
        frame("shop", ENTRIES, {"end": True}),
        frame("shop", compressed(ENTRIES), {"compressed": "gzip"}),
        frame("shop", 3, EVENT, {"chunk": "def"}),
    ]
    stream = b"".join(frames)
    assert joined(read_pieces(bytes([one]) for one in stream)) == joined(read(stream))


def test_a_large_forward_frame_in_small_reads_is_walked_once(monkeypatch):
    """Work stays in proportion to the bytes, however small the reads."""
    from augenblick.binding import scanning

    stream = frame("shop", [[1, {"user": "x" * 100}]] * 20_000)
    skipped = 0
    real = scanning.skip

    def counting(data, at, end):
        nonlocal skipped
        after = real(data, at, end)
        skipped += (after if after >= 0 else end) - at
        return after

    monkeypatch.setattr("augenblick.ingest.dialects._framing.scanning.skip", counting)
    pieces = [stream[at : at + 20_000] for at in range(0, len(stream), 20_000)]
    assert len(read_pieces(pieces)) == 1
    assert skipped < 12 * len(stream)


records = st.dictionaries(st.text(max_size=5), st.integers(-5, 5) | st.text(max_size=40))
plain_frames = st.one_of(
    st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 2**32), records).map(msgpack.packb),
    st.tuples(st.just("a"), st.lists(st.tuples(st.integers(0, 9), records), max_size=20)).map(
        msgpack.packb
    ),
    st.tuples(st.just("b"), st.binary(max_size=300), st.just({"chunk": "c"})).map(msgpack.packb),
    st.just(b"\xc0"),
    st.just(frame("a", compressed(ENTRIES), {"compressed": "gzip", "chunk": "z"})),
)


@settings(deadline=None)
@given(frames=st.lists(plain_frames, max_size=8), data=st.data())
def test_any_split_gives_the_same_chunks(frames, data):
    stream = b"".join(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert joined(read_pieces(pieces)) == joined(read(stream))


@settings(deadline=None, max_examples=300)
@given(noise=st.binary(max_size=400), head=st.sampled_from([b"", frame("a", 1, {}), b"\x93\xa1t"]))
def test_noise_is_refused_or_waits_for_more(noise, head):
    reader = ForwardReader()
    data = bytearray(head + noise)
    at = 0
    with contextlib.suppress(ProtocolError):
        while True:
            after, item = reader.read(data, at, len(data))
            assert at <= after <= len(data)
            at = after
            if item is None:
                break
