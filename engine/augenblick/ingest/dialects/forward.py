"""Fluent Forward protocol v1, the server's side: bytes of one connection to chunks of events.

Source: https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1. All four event
modes (Message, Forward, PackedForward, CompressedPackedForward with gzip), the options `chunk`,
`size` (not needed, ignored), `compressed`, and our own `end` and `warm`; nil heartbeats; the
HELO, PING, PONG handshake with a shared key (no user names). Text may come as str or bin. Entries
are never decoded here: they go on as the bytes they came as.
"""

from dataclasses import dataclass
from typing import Any

import msgpack

from augenblick.binding import scanning
from augenblick.errors import ProtocolError
from augenblick.ingest.dialects._chunk import Chunk
from augenblick.ingest.dialects._framing import Buffer, FrameWalker, read_header
from augenblick.ingest.dialects._handshake import ClientHandshake, HandshakeFailed, ServerHandshake
from augenblick.ingest.dialects._inflate import inflate
from augenblick.limits import (
    chunk_id_bytes_max,
    forward_joined_bytes_max,
    forward_options_bytes_max,
    frame_bytes_max,
    handshake_bytes_max,
    tag_bytes_max,
)

_NIL = 0xC0
_ENTRY_HEADER = b"\x92"
_TEXT_FIRST_BYTES = frozenset((*range(0xA0, 0xC0), 0xC4, 0xC5, 0xC6, 0xD9, 0xDA, 0xDB))
_ARRAY_FIRST_BYTES = frozenset((*range(0x90, 0xA0), 0xDC, 0xDD))
_BATCH_FIRST_BYTES = _ARRAY_FIRST_BYTES | _TEXT_FIRST_BYTES


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes for the client that belong to no chunk (the handshake's answers)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class _Options:
    chunk: bytes = b""
    ack: bytes = b""
    is_compressed: bool = False
    is_end: bool = False
    is_warm: bool = False


_NO_OPTIONS = _Options()


class _Refused(Exception):
    """A frame that is complete msgpack, yet no event carrier: (reason, detail)."""


class ForwardReader:
    """Reads one connection's bytes; made by the transport per connection, used by its thread only.

    The transport owns the buffer and calls `read` again and again with what is left of it. With a
    handshake, `greeting` is to be sent first, and nothing but PING passes before it succeeded.
    """

    def __init__(self, handshake: ServerHandshake | None = None) -> None:
        self._handshake = handshake
        self._walker = FrameWalker(handshake_bytes_max if handshake else frame_bytes_max)
        self.greeting = handshake.helo() if handshake else b""
        self.heartbeats = 0
        self._is_past_handshake = handshake is None

    @property
    def is_ready(self) -> bool:
        """True when events may come: no handshake is wanted, or it succeeded."""
        return self._handshake is None or self._handshake.is_done

    @property
    def wanted_bytes(self) -> int:
        """The incomplete frame at the front is at least this long, as far as is known."""
        return self._walker.wanted_bytes

    def read(self, data: Buffer, start: int, stop: int) -> tuple[int, Chunk | Reply | None]:
        """(offset after what was read, what it was), None when no whole frame is left.

        Neighbouring Message frames of one tag without options come as one chunk. Raises
        ProtocolError (with a coded `reason`) when the bytes are not Forward: the connection is to
        be closed; AuthenticationFailed also carries the last `answer` to send before.
        """
        if self._is_past_handshake:
            usual = scanning.packed_frame(data, start, stop)
            if usual is not None:
                self._walker.reset()
                return usual[0], _usual_chunk(data, usual)
        at = start
        tag = b""
        joined: bytearray | None = None
        while at < stop:
            if data[at] == _NIL:
                self.heartbeats += 1
                at += 1
                continue
            try:
                end = self._walker.find_end(data, at, stop)
                if end < 0:
                    break
                if self._handshake is not None and not self._handshake.is_done:
                    answer = self._handshake.answer(data[at:end])
                    self._walker = FrameWalker(frame_bytes_max)
                    self._is_past_handshake = self._handshake.is_done
                    return end, Reply(answer)
                frame = _split(data, at, end)
            except ProtocolError:
                if joined is None:
                    raise
                self._walker.reset()  # hand on what came before; the next read raises again
                break
            if not frame.is_message or frame.options is not _NO_OPTIONS or frame.refusal:
                if joined is not None:
                    break
                return end, _to_chunk(data, frame)
            if joined is None:
                tag, joined = frame.tag, bytearray()
            elif frame.tag != tag or len(joined) > forward_joined_bytes_max:
                break
            joined += _ENTRY_HEADER
            joined += data[frame.start : frame.end]
            at = end
        if joined is None:
            return at, None
        return at, Chunk(scanning.ENTRIES, joined, 0, len(joined), tag=tag)


@dataclass(frozen=True, slots=True)
class _Frame:
    """One frame taken apart: `start` to `end` is its second part, for a Message its two parts."""

    start: int
    end: int
    tag: bytes = b""
    is_message: bool = False
    options: _Options = _NO_OPTIONS
    refusal: str = ""
    detail: str = ""


def _usual_chunk(data: Buffer, usual: tuple[int, bytes, int, int, bytes, bytes, int]) -> Chunk:
    """The chunk of a frame of the usual form, which native code took apart."""
    _, tag, start, end, chunk, ack, flags = usual
    is_warm, is_end = flags & scanning.IS_WARM != 0, flags & scanning.IS_END != 0
    return Chunk(scanning.ENTRIES, data, start, end, tag, chunk, ack, is_warm, is_end)


def _split(data: Buffer, start: int, stop: int) -> _Frame:
    """Take a complete frame apart. Raises ProtocolError for anything but an array."""
    if data[start] not in _ARRAY_FIRST_BYTES:
        raise ProtocolError("not the Forward protocol", reason="not_forward")
    try:
        parts, at = _header(data, start, stop)
        if not 2 <= parts <= 4:
            raise _Refused("bad_frame", f"an array of {parts}")
        tag, at = _read_tag(data, at, stop)
        is_message = data[at] not in _BATCH_FIRST_BYTES
        if not 2 <= parts - is_message <= 3:
            raise _Refused("bad_frame", f"an array of {parts} whose second part is no batch")
        end = scanning.skip(data, at, stop)
        if is_message:
            end = scanning.skip(data, end, stop)
        options = _read_options(data, end, stop) if end < stop else _NO_OPTIONS
        return _Frame(at, end, tag, is_message, options)
    except _Refused as refused:
        reason, detail = refused.args
        return _Frame(start, stop, refusal=reason, detail=detail)


def _to_chunk(data: Buffer, frame: _Frame) -> Chunk:
    """What the frame carries, decompressed."""
    start, end, options, refusal, detail = (
        frame.start, frame.end, frame.options, frame.refusal, frame.detail,
    )  # fmt: skip
    if frame.is_message:
        data = _ENTRY_HEADER + data[start:end]
        start, end = 0, len(data)
    elif not refusal:
        _, start = _header(data, start, end)
        if options.is_compressed:
            try:
                with memoryview(data) as view:
                    data = inflate(view[start:end])
                start, end = 0, len(data)
            except ProtocolError as error:
                start, refusal, detail = end, error.reason, str(error)
    return Chunk(
        scanning.ENTRIES,
        data,
        start,
        end,
        tag=frame.tag,
        chunk=options.chunk,
        ack=options.ack,
        is_warm=options.is_warm,
        is_end=options.is_end,
        refusal=refusal,
        detail=detail,
    )


def _header(data: Buffer, at: int, stop: int) -> tuple[int, int]:
    """(children or bytes, offset after the header) of the complete object at `at`."""
    header = read_header(data, at, stop)
    assert header is not None, "the frame is complete"
    return header[1], header[2]


def _read_tag(data: Buffer, start: int, end: int) -> tuple[bytes, int]:
    """The tag and the offset after it."""
    if data[start] not in _TEXT_FIRST_BYTES:
        raise _Refused("bad_frame", "the tag is no text")
    size_bytes, body = _header(data, start, end)
    if size_bytes > tag_bytes_max:
        raise _Refused("bad_tag", f"a tag of {size_bytes} bytes; the bound is {tag_bytes_max}")
    tag = bytes(data[body : body + size_bytes])
    try:
        tag.decode()
    except UnicodeDecodeError:
        raise _Refused("bad_tag", "the tag is not UTF-8") from None
    return tag, body + size_bytes


def _read_options(data: Buffer, start: int, end: int) -> _Options:
    """The option map; unknown options are ignored, as the protocol says."""
    if data[start] == _NIL:
        return _NO_OPTIONS
    if end - start > forward_options_bytes_max:
        raise _Refused("bad_options", f"options of {end - start} bytes")
    try:
        options: Any = msgpack.unpackb(
            data[start:end], strict_map_key=False, unicode_errors="surrogateescape"
        )
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise _Refused("bad_options", f"options that cannot be read: {error}") from None
    if not isinstance(options, dict):
        raise _Refused("bad_options", "the options are no map")
    values = {_text(key): value for key, value in options.items()}
    chunk = values.get("chunk")
    if chunk is None:
        chunk_id = b""
    elif isinstance(chunk, str | bytes):
        chunk_id = chunk.encode(errors="surrogateescape") if isinstance(chunk, str) else chunk
        if len(chunk_id) > chunk_id_bytes_max:
            raise _Refused("bad_options", f"a chunk id of {len(chunk_id)} bytes")
    else:
        raise _Refused("bad_options", "the chunk id is no text")
    return _Options(
        chunk=chunk_id,
        ack=encode_ack(chunk) if chunk is not None else b"",
        is_compressed=_text(values.get("compressed")) == "gzip",
        is_end=values.get("end") is True,
        is_warm=values.get("warm") is True,
    )


def _text(value: object) -> object:
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else value


def encode_ack(chunk: str | bytes) -> bytes:
    """The answer that confirms a chunk: its id comes back as the type it came as."""
    ack: bytes = msgpack.packb({"ack": chunk}, unicode_errors="surrogateescape")
    return ack


__all__ = [
    "ClientHandshake",
    "ForwardReader",
    "HandshakeFailed",
    "Reply",
    "ServerHandshake",
    "encode_ack",
]
