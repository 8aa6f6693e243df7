"""One connection of the link on an event loop: handshake, then messages, until either end goes
away.

Lifetime: created by `LinkNode` (dialled or accepted), a stranger until the handshake has proved the
peer, open until `end` or the peer closes; `closed` is then done. Nothing of a stranger reaches the
owner.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any, Final, cast

from augenblick import limits
from augenblick.errors import ProtocolError
from augenblick.link.codec import Decoder, encode
from augenblick.link.handshake import Handshake, NONCE_bytes
from augenblick.link.messages import Kind, Message

if TYPE_CHECKING:
    from augenblick.link.node import LinkNode


_CLOSED_BY_PEER: Final = "the peer closed the connection"
# Linux, struct tcp_info: 8 bytes of flags, then u32 values, of which this is the 13th (tcp(7)).
_LAST_ACK_ms: Final = struct.Struct("=56xI")
_TCP_INFO_bytes: Final = 60


class LinkConnection(asyncio.Protocol):
    """One end of one connection; all its methods run on the node's event loop."""

    def __init__(
        self,
        node: LinkNode,
        *,
        dialled: bool = False,
        expected: str | None = None,
        expected_incarnation: int = 0,
    ) -> None:
        self.peer: str | None = None
        self.incarnation = 0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._node = node
        self._decoder = Decoder(limits.link_handshake_bytes_max)
        self._handshake = Handshake(
            node.current_identity(),
            node.key,
            node.nonce(NONCE_bytes),
            dialled=dialled,
            expected=expected,
            expected_incarnation=expected_incarnation,
        )
        self._transport: asyncio.Transport | None = None
        self._reason = _CLOSED_BY_PEER
        self._loop = asyncio.get_running_loop()
        self._made = self._heard = self._sent = self._loop.time()

    # ---- asyncio -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected: say hello."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=limits.link_write_bytes_max)
        if not self._node.on_connection_made(self):
            self.end("too many connections")
            return
        self._send(self._handshake.start())

    def data_received(self, data: bytes) -> None:
        """Bytes of the peer; whatever breaks the protocol ends the connection without an answer."""
        self._heard = self._loop.time()
        try:
            for message in self._decoder.feed(data):
                if self.peer is None or self._reason != _CLOSED_BY_PEER:
                    self._on_stranger(message)
                elif message.kind != Kind.PING:
                    self._node.owner.on_link_message(self.peer, message)
        except ProtocolError as error:
            self.end(str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        if exc is not None and self._reason == _CLOSED_BY_PEER:
            self._reason = str(exc) or type(exc).__name__
        if not self.closed.done():
            self.closed.set_result(None)
        self._node.on_connection_ended(self, self._reason)

    def pause_writing(self) -> None:
        """The peer does not read: what waits for it passed the bound, so the connection ends."""
        self.end("the peer does not read")

    # ---- the node ----------------------------------------------------------------------------

    def write(self, head: bytes, payload: bytes | memoryview) -> None:
        """Write one frame; both parts go out without being joined."""
        if self._transport is None or self._transport.is_closing():
            return
        self._sent = self._loop.time()
        if len(payload):
            self._transport.writelines((head, payload))
        else:
            self._transport.write(head)

    def excuse(self, now: float) -> None:
        """Count the peer's silence from now on."""
        self._heard = now

    def check(self, now: float) -> None:
        """Called regularly with the loop's time: keep a quiet connection alive, end a dead one."""
        if self.peer is None and now - self._made > limits.link_handshake_seconds_max:
            self.end("no proof in time")
        elif now - self._heard > limits.link_silence_seconds_max:
            self.end("the peer is silent")
        elif now - self._heard > limits.link_machine_silence_seconds_max and self._is_cut_off():
            self.end("the peer's machine is silent")
        elif self.peer is not None and now - self._sent > limits.link_keepalive_seconds:
            self.write(self._node.ping(), b"")

    def finish(self) -> None:
        """Close after what was written has left."""
        self._reason = "closed"
        if self._transport is not None:
            self._transport.close()

    def end(self, reason: str) -> None:
        """Close at once."""
        if self._transport is not None and not self.closed.done():
            self._reason = reason
            self._transport.abort()

    def _is_cut_off(self) -> bool:
        """Has not even the other machine's kernel answered for so long? It acknowledges each PING,
        however busy or stopped the process there is.
        """
        assert self._transport is not None
        info = self._transport.get_extra_info("socket").getsockopt(
            socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_bytes
        )
        (acked_ms,) = _LAST_ACK_ms.unpack_from(info)
        return bool(acked_ms > limits.link_machine_silence_seconds_max * 1000)

    def _on_stranger(self, message: Message) -> None:
        """A message before the handshake is complete, or after the connection was given up."""
        if self._transport is None or self._reason != _CLOSED_BY_PEER:
            return
        answers = self._handshake.on_message(message)
        hello: dict[str, Any] | None = self._handshake.peer
        if hello is not None:
            self._node.check_newest(hello)
        for answer in answers:
            self._send(answer)
        if hello is not None:
            self.peer = hello["name"]
            self.incarnation = hello["incarnation"]
            self._decoder.frame_bytes_max = limits.frame_bytes_max
            self._node.on_connection_proven(self, hello)

    def _send(self, message: Message) -> None:
        self.write(encode(message.kind, message.header), b"")
