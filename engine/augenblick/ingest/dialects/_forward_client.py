"""Fluent Forward protocol v1, the client side: events to frames, the server's answers to acks."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgpack

from augenblick.binding import scanning
from augenblick.errors import ProtocolError
from augenblick.ingest.dialects._handshake import ClientHandshake
from augenblick.limits import handshake_bytes_max


def encode_entry(event: Mapping[str, Any] | bytes, time_s: int) -> bytes:
    """One event (a mapping, or its msgpack bytes) with its carrier's time.

    Raises TypeError or ValueError for what msgpack cannot hold.
    """
    head: bytes = b"\x92" + msgpack.packb(time_s)
    try:
        return head + (event if isinstance(event, bytes) else msgpack.packb(event))
    except OverflowError as error:
        raise ValueError(f"a whole number that msgpack cannot hold: {error}") from None


def encode_line(line: bytes, time_s: int) -> bytes:
    """One line of JSON as an entry, transcoded as the engine would. Raises ScanError."""
    return encode_entry(scanning.to_msgpack(line), time_s)


def encode_chunk(
    tag: str,
    entries: Sequence[bytes],
    chunk_id: str,
    *,
    is_end: bool = False,
    is_warm: bool = False,
) -> bytes:
    """A PackedForward frame that asks for an ack. `chunk_id` stays the same on each attempt."""
    options: dict[str, Any] = {"chunk": chunk_id, "size": len(entries)}
    if is_end:
        options["end"] = True
    if is_warm:
        options["warm"] = True
    frame: bytes = msgpack.packb([tag, b"".join(entries), options])
    return frame


def encode_chunk_id(random_bytes: bytes) -> str:
    """A chunk id as the protocol has it: base64 of 128 random bits."""
    return base64.b64encode(random_bytes).decode()


class ClientReader:
    """Reads one connection's answers. With a handshake, events may go once `is_ready`."""

    def __init__(self, handshake: ClientHandshake | None = None) -> None:
        self._handshake = handshake
        self._has_greeted = False
        self._unpacker = msgpack.Unpacker(max_buffer_size=handshake_bytes_max, strict_map_key=False)
        self.is_ready = handshake is None

    def read(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """(id of an acknowledged chunk, b"") or ("", bytes to send) for each answer in `data`.

        Raises ProtocolError; AuthenticationFailed when the shared keys differ.
        """
        try:
            self._unpacker.feed(data)
            for answer in self._unpacker:
                yield from self._take(answer)
        except (msgpack.UnpackException, ValueError, msgpack.BufferFull) as error:
            raise ProtocolError(f"the server does not speak Forward: {error}") from error

    def _take(self, answer: Any) -> Iterator[tuple[str, bytes]]:
        if isinstance(answer, dict) and self.is_ready:
            ack = answer.get("ack")
            if isinstance(ack, str | bytes):
                yield (ack.decode("latin-1") if isinstance(ack, bytes) else ack), b""
        elif isinstance(answer, list) and self._handshake is not None and not self.is_ready:
            if self._has_greeted:
                self._handshake.check(answer)
                self.is_ready = True
            else:
                self._has_greeted = True
                yield "", self._handshake.ping(answer)
        elif isinstance(answer, list) and answer[:1] == ["HELO"]:
            raise ProtocolError("the server wants a shared key", reason="handshake_failed")
