"""Frames of the link, as bytes: `encode` makes one, a `Decoder` turns received bytes into messages.

Frame: u32 total bytes after this field | u8 kind | u8 version | u16 header bytes | header (msgpack
map) | payload, little endian. Pure: no socket, no clock. A length is checked before anything is
kept or allocated for it.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import msgpack

from augenblick import limits
from augenblick.errors import LimitExceeded, ProtocolError
from augenblick.link.messages import PROTOCOL_VERSION, Message

_LENGTH: Final = struct.Struct("<I")
_HEAD: Final = struct.Struct("<IBBH")
_AFTER_LENGTH_bytes: Final = _HEAD.size - _LENGTH.size

_pack: Final = msgpack.Packer().pack  # a Packer per call costs more than what it packs


def encode(kind: int, header: dict[str, Any], payload: bytes | memoryview = b"") -> bytes:
    """The frame's bytes before the payload; the caller writes the payload behind them, uncopied.

    Raises LimitExceeded if header or frame pass their bounds: the sender has to make smaller
    messages.
    """
    packed: bytes = _pack(header) if header else b"\x80"
    total = _AFTER_LENGTH_bytes + len(packed) + len(payload)
    if len(packed) > limits.link_header_bytes_max:
        raise LimitExceeded(f"a link header of {len(packed)} bytes")
    if total > limits.frame_bytes_max:
        raise LimitExceeded(f"a link frame of {total} bytes")
    return _HEAD.pack(total, kind, PROTOCOL_VERSION, len(packed)) + packed


class Decoder:
    """Collects received bytes and hands out whole messages, in order.

    `frame_bytes_max` may be raised after the handshake; before it a stranger gets little room.
    Payloads are views into the received chunk where a frame lies whole in it, else into one joined
    copy.
    """

    __slots__ = ("_needed", "_parts", "_size", "frame_bytes_max")

    def __init__(self, frame_bytes_max: int = limits.frame_bytes_max) -> None:
        self.frame_bytes_max = frame_bytes_max
        self._parts: list[bytes | memoryview] = []
        self._size = 0
        self._needed = _LENGTH.size

    @property
    def waiting_bytes(self) -> int:
        """Bytes received that are not yet a whole frame."""
        return self._size

    def feed(self, data: bytes) -> list[Message]:
        """Take a chunk as received; return the messages that it completes.

        Raises LimitExceeded or ProtocolError; the connection cannot go on after that.
        """
        if self._parts:
            self._parts.append(data)
            self._size += len(data)
            if self._size < self._needed:
                return []
            data = b"".join(self._parts)
        messages: list[Message] = []
        start, stop = 0, len(data)
        while stop - start >= _LENGTH.size:
            needed = self._needed = self._frame_bytes(data, start)
            if stop - start < needed:
                break
            messages.append(_message(data, start, start + needed))
            start += needed
        else:
            self._needed = _LENGTH.size
        self._size = stop - start
        self._parts = [memoryview(data)[start:]] if self._size else []
        return messages

    def _frame_bytes(self, data: bytes, start: int) -> int:
        total: int = _LENGTH.unpack_from(data, start)[0]
        if total > self.frame_bytes_max:
            raise LimitExceeded(f"a link frame that announces {total} bytes")
        if total < _AFTER_LENGTH_bytes:
            raise ProtocolError(f"a link frame that announces {total} bytes")
        return _LENGTH.size + total


def _message(data: bytes, start: int, stop: int) -> Message:
    """Decode the whole frame in data[start:stop]."""
    _, kind, version, header_bytes = _HEAD.unpack_from(data, start)
    if version != PROTOCOL_VERSION:
        raise ProtocolError(f"link frame version {version}; this process speaks {PROTOCOL_VERSION}")
    end = start + _HEAD.size + header_bytes
    if end > stop:
        raise ProtocolError("a link header that is longer than its frame")
    try:
        header = msgpack.unpackb(data[start + _HEAD.size : end], strict_map_key=False)
    except (ValueError, TypeError, msgpack.UnpackException) as error:  # a list as a key
        raise ProtocolError("a link header that is no msgpack map") from error
    if not isinstance(header, dict):
        raise ProtocolError("a link header that is no msgpack map")
    return Message(kind, header, memoryview(data)[end:stop] if end < stop else b"")
