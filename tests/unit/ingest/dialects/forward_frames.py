"""Frames of Forward clients, and a connection that reads them in pieces."""

import gzip
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgpack

from augenblick.ingest.dialects import Chunk
from augenblick.ingest.dialects.forward import ForwardReader, Reply

EVENT = {"user": "u1", "event": "view", "props": {"price": 2.5, "tags": ["a", "b"]}}
EVENT_TIME = msgpack.ExtType(0, (1_700_000_000).to_bytes(4, "big") + (5).to_bytes(4, "big"))


def entry(time: Any = 1_700_000_000, record: Any = EVENT) -> bytes:
    return msgpack.packb([time, record])


def frame(*parts: Any) -> bytes:
    return msgpack.packb(parts)


def compressed(entries: bytes) -> bytes:
    return gzip.compress(entries, mtime=0)


def whole(chunk: Chunk) -> Chunk:
    """The chunk with its events alone as data."""
    data = bytes(chunk.data[chunk.start : chunk.end])
    return replace(chunk, data=data, start=0, end=len(data), detail="")


def read_pieces(pieces: Iterable[bytes], reader: ForwardReader | None = None) -> list[Any]:
    """What a connection makes of bytes that come in these pieces; everything must be consumed."""
    reader = reader or ForwardReader()
    buffer = bytearray()
    found: list[Any] = []
    for piece in pieces:
        buffer += piece
        at = 0
        while True:
            at, item = reader.read(buffer, at, len(buffer))
            if item is None:
                break
            found.append(whole(item) if isinstance(item, Chunk) else item)
        del buffer[:at]
    assert not buffer
    return found


def read(*frames: bytes, reader: ForwardReader | None = None) -> list[Any]:
    return read_pieces([b"".join(frames)], reader)


def joined(found: Iterable[Chunk | Reply]) -> list[Any]:
    """Chunks of plain Messages put together, whatever reads they came in."""
    made: list[Any] = []
    for item in found:
        assert isinstance(item, Chunk)
        last = made[-1] if made else None
        is_plain = not (item.ack or item.is_end or item.is_warm or item.refusal)
        if last is not None and is_plain and last[0] == item.tag and last[2:] == ("", b"", False):
            made[-1] = (item.tag, last[1] + item.data, *last[2:])
        else:
            made.append((item.tag, item.data, item.refusal, item.ack, item.is_end or item.is_warm))
    return made
