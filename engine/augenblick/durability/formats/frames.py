"""How records lie in a journal segment, behind its head. Pure.

    u32 body bytes | u32 crc32c | u64 position known durable | body | zeros to a multiple of 8

Little endian. A record's position is its place in the whole journal, in bytes, over all segments:
the segment's `start` plus its distance from the segment's head. The checksum begins with the
segment's seed (cluster, shard, epoch, sequence) and covers position, durable position, length,
body and padding, so that no bytes fit in any other place. A frame without a body is a mark: it only
names the durable position. Zeros are room not yet written.

In an encrypted segment each body, a mark's too, is `u64 number | sealed body`. The numbers count
what was sealed for the segment, attempts that failed included; position, durable position and
length are bound to it. The checksum is that of what lies there: the end of the records is found
without a key, and a sealed body that does not open is damage like a wrong checksum.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from augenblick import limits
from augenblick.durability.formats.checksum import checksum
from augenblick.durability.formats.sealing import Cipher, TAG_bytes

_FRAME: Final = struct.Struct("<IIQ")
FRAME_bytes: Final = _FRAME.size
_CHECKED: Final = struct.Struct("<QQI")
_ALIGN: Final = 8
_PADDING: Final = tuple(bytes(count) for count in range(_ALIGN))
_NUMBER: Final = struct.Struct("<Q")
SEALED_bytes: Final = _NUMBER.size + TAG_bytes


class Frame(NamedTuple):
    """A record as it was read: `position` up to `end`; an empty body is a mark."""

    position: int
    end: int
    durable: int
    body: bytes


class Sealer:
    """Seals the bodies of one segment; each gets the next number, written in the end or not."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher
        self._number = 0

    def seal(self, position: int, durable: int, parts: Sequence[bytes]) -> bytes:
        """A body's bytes on disk."""
        self._number += 1
        data = b"".join(parts)
        bound = _CHECKED.pack(position, durable, len(data) + SEALED_bytes)
        return _NUMBER.pack(self._number) + self._cipher.seal(self._number, data, bound)


def framed_bytes(body_bytes: int) -> int:
    """What a body takes with its frame."""
    return FRAME_bytes + body_bytes + -body_bytes % _ALIGN


def encode_frame(
    buffers: list[bytes],
    seed: int,
    position: int,
    durable: int,
    parts: Sequence[bytes],
    sealer: Sealer | None = None,
) -> int:
    """Add a record's buffers to those that are to be written; returns the position behind it.

    The parts are not copied, unless a sealer encrypts them.
    """
    if sealer is not None:
        parts = (sealer.seal(position, durable, parts),)
    body_bytes = sum(map(len, parts))
    padding = _PADDING[-body_bytes % _ALIGN]
    crc = checksum(_CHECKED.pack(position, durable, body_bytes), seed)
    for part in parts:
        crc = checksum(part, crc)
    if padding:
        crc = checksum(padding, crc)
    buffers.append(_FRAME.pack(body_bytes, crc, durable))
    buffers += parts
    if padding:
        buffers.append(padding)
    return position + FRAME_bytes + body_bytes + len(padding)


def peek_frame(data: bytes, at: int) -> int:
    """Bytes of the frame that may begin at data[at:]; 0 if none does. Needs FRAME_bytes there."""
    body_bytes, crc, durable = _FRAME.unpack_from(data, at)
    bytes_max = limits.journal_record_bytes_max + SEALED_bytes
    if body_bytes > bytes_max or not (body_bytes or crc or durable):
        return 0
    return framed_bytes(body_bytes)


def parse_frame(
    data: bytes, at: int, size: int, seed: int, position: int, cipher: Cipher | None = None
) -> Frame | None:
    """The frame at data[at : at + size], `size` as `peek_frame` said; None if it is damaged.

    `cipher`: that of the segment, if it is encrypted.
    """
    body_bytes, crc, durable = _FRAME.unpack_from(data, at)
    begin = at + FRAME_bytes
    body = data[begin : begin + body_bytes]
    found = checksum(body, checksum(_CHECKED.pack(position, durable, body_bytes), seed))
    if size > FRAME_bytes + body_bytes:
        found = checksum(data[begin + body_bytes : at + size], found)
    if found != crc:
        return None
    if cipher is not None:
        if body_bytes < SEALED_bytes:
            return None
        (number,) = _NUMBER.unpack_from(body)
        bound = _CHECKED.pack(position, durable, body_bytes)
        opened = cipher.open(number, body[_NUMBER.size :], bound)
        if opened is None:
            return None
        body = opened
    return Frame(position, position + size, durable, body)


def search_frames(data: bytes, seed: int, position: int) -> Iterator[Frame]:
    """Whole frames anywhere behind damage: those that say that `position` was durable before them.

    `data` begins at `position`; bodies stay sealed: a right checksum is proof enough. Looks at no
    more than journal_search_bytes_max for checksums.
    """
    words = memoryview(data)[: len(data) // _ALIGN * _ALIGN].cast("Q")
    written = -(-len(data.rstrip(b"\0")) // _ALIGN)  # no frame begins behind that: it is not zeros
    budget = limits.journal_search_bytes_max
    for index in range(min(written, len(words) - 1)):
        at = index * _ALIGN
        if not position < words[index + 1] <= position + at:
            continue
        size = peek_frame(data, at)
        if not size or at + size > len(data):
            continue
        budget -= size
        if budget < 0:
            return
        frame = parse_frame(data, at, size, seed, position + at)
        if frame is not None:
            yield frame
