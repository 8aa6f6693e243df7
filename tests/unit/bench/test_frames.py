"""Frames as the engine reads them, and the acknowledgements that come back."""

import msgpack

from augenblick.ingest.dialects import Chunk
from augenblick.ingest.dialects.forward import ForwardReader, encode_ack
from augenblick_bench.harness.events import EventMaker, Traffic
from augenblick_bench.harness.frames import acked, frames


def read(frame: bytes) -> Chunk:
    at, item = ForwardReader().read(frame, 0, len(frame))
    assert at == len(frame)
    assert isinstance(item, Chunk)
    return item


def test_a_frame_is_a_chunk_of_its_events() -> None:
    blocks = list(EventMaker(Traffic(10, 0, 1_000)).blocks(250))
    made = list(frames(blocks, 100, first=7))
    chunks = [read(frame) for frame in made]
    assert [chunk.chunk for chunk in chunks] == [b"%016x" % number for number in (7, 8, 9)]
    assert b"".join(bytes(c.data[c.start : c.end]) for c in chunks) == blocks[0].data
    assert msgpack.unpackb(made[2])[2]["size"] == 50
    assert not any(chunk.is_warm for chunk in chunks)


def test_warm_frames_say_so() -> None:
    (frame,) = frames(EventMaker(Traffic(10, 0, 1_000)).blocks(10), 100, is_warm=True)
    assert read(frame).is_warm


def test_acknowledgements_may_come_in_pieces() -> None:
    answers = bytearray()
    data = b"".join(encode_ack(f"{number:016x}") for number in (1, 255, 2**40))
    found = []
    for at in range(0, len(data), 7):
        answers += data[at : at + 7]
        found += acked(answers)
    assert found == [1, 255, 2**40]
    assert not answers
