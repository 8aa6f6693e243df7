"""The Forward port: reads clients' sockets, hands their chunks on, writes their answers.

Runs on one event loop (uvloop or asyncio's). Whatever one client does ends at most its own
connection: bytes that are not the protocol, an unproven handshake, a partial frame that is never
finished, acks that are never read.
"""

import asyncio
import os
import ssl
from collections.abc import Callable
from itertools import count
from typing import Protocol, cast

from augenblick.errors import LimitExceeded, ProtocolError
from augenblick.ingest.dialects import Chunk
from augenblick.ingest.dialects.forward import (
    ForwardReader,
    HandshakeFailed,
    Reply,
    ServerHandshake,
)
from augenblick.ingest.transports._receive import ReceiveBuffer
from augenblick.limits import (
    acks_unread_bytes_max,
    acks_unread_seconds_max,
    client_handshake_seconds_max,
    connections_max,
    half_closed_seconds_max,
    receive_bytes_max,
    receive_scratch_bytes,
)


class ChunkOwner(Protocol):
    """Who takes the chunks; its methods run on the server's event loop and must not block."""

    def on_opened(self, connection: int, peer: str) -> None:
        """A client may send events from now on."""

    def on_chunk(self, connection: int, chunk: Chunk) -> None:
        """Events; the chunk's bytes are valid during the call only."""

    def on_turn_end(self) -> None:
        """What was readable in this turn of the loop has been handed over."""

    def on_closed(self, connection: int, reason: str) -> None:
        """A client that was opened is gone; `reason` is a code, "" for an orderly end."""

    def on_refused(self, reason: str) -> None:
        """A connection ended before it was opened."""


class ForwardServer:
    """Listens for Forward clients and numbers their connections; created inside its event loop.

    With a `shared_key` clients must prove that they know it; with `tls` they speak TLS.
    """

    def __init__(
        self,
        owner: ChunkOwner,
        *,
        server_name: str,
        shared_key: bytes | None = None,
        tls: ssl.SSLContext | None = None,
        nonce: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.owner = owner
        self.loop = asyncio.get_running_loop()
        self.scratch = bytearray(receive_scratch_bytes)
        self.kept_bytes = 0
        self.connections: dict[int, ForwardConnection] = {}
        self._numbers = count(1)
        self._server_name = server_name
        self._shared_key = shared_key
        self._tls = tls
        self._nonce = nonce
        self._server: asyncio.Server | None = None
        self._is_turn_ending = False

    async def listen(self, host: str, port: int) -> int:
        """Accept clients; returns the port (of interest when 0 was asked for)."""
        self._server = await self.loop.create_server(
            lambda: ForwardConnection(self, self._reader()),
            host,
            port,
            backlog=1024,
            ssl=self._tls,
            ssl_handshake_timeout=client_handshake_seconds_max if self._tls else None,
        )
        return int(self._server.sockets[0].getsockname()[1])

    def stop_listening(self) -> None:
        """Accept no more clients; those that are connected stay."""
        if self._server is not None:
            self._server.close()

    async def close(self) -> None:
        """End everything, after what was written has left."""
        self.stop_listening()
        for connection in list(self.connections.values()):
            connection.end("")
        for _ in range(100):
            if not self.connections:
                break
            await asyncio.sleep(0.01)
        for connection in list(self.connections.values()):
            connection.abort("")

    def get(self, number: int) -> "ForwardConnection | None":
        """The open connection of that number."""
        return self.connections.get(number)

    def add(self, connection: "ForwardConnection") -> int:
        """Number a new connection; 0 when there are too many."""
        if len(self.connections) >= connections_max:
            return 0
        number = next(self._numbers)
        self.connections[number] = connection
        return number

    def end_turn(self) -> None:
        """Tell the owner, once, when this turn of the loop is over."""
        if not self._is_turn_ending:
            self._is_turn_ending = True
            self.loop.call_soon(self._on_turn_end)

    def _on_turn_end(self) -> None:
        self._is_turn_ending = False
        self.owner.on_turn_end()

    def _reader(self) -> ForwardReader:
        if self._shared_key is None:
            return ForwardReader()
        return ForwardReader(ServerHandshake(self._shared_key, self._nonce(16), self._server_name))


class ForwardConnection(asyncio.BufferedProtocol):
    """One client. Lifetime: made by the server; `_is_open` from the end of the handshake on;
    after `connection_lost` nothing is called any more.
    """

    def __init__(self, server: ForwardServer, reader: ForwardReader) -> None:
        self.number = 0
        self._server = server
        self._reader = reader
        self._buffer = ReceiveBuffer(server.scratch)
        self._transport: asyncio.Transport | None = None
        self._reason = ""
        self._unanswered = 0
        self._is_open = False
        self._is_half_closed = False
        self._is_paused = False  # the owner asked for it
        self._is_unread = False  # the client does not read its acks
        self._timer: asyncio.TimerHandle | None = None

    # ---- the owner's requests ----------------------------------------------------------------

    def write(self, data: bytes, chunks: int = 1) -> None:
        """Send the acks of so many chunks."""
        if self._transport is None or self._transport.is_closing():
            return
        self._unanswered -= chunks
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > acks_unread_bytes_max:
            self.abort("acks_unread")
        elif self._is_half_closed and self._unanswered <= 0:
            self.end("")

    def pause(self) -> None:
        """Read no more until `resume`; complete frames already received wait too."""
        self._is_paused = True
        self._apply_pause()

    def resume(self) -> None:
        """Go on with what was received, then read again."""
        if self._is_paused:
            self._is_paused = False
            self._server.loop.call_soon(self._go_on)

    def end(self, reason: str) -> None:
        """Close after what was written has left."""
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.close()

    def abort(self, reason: str) -> None:
        """Close at once."""
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.abort()

    # ---- asyncio -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, TLS established: begin the handshake, or open at once."""
        self._transport = cast(asyncio.Transport, transport)
        self.number = self._server.add(self)
        if not self.number:
            self.abort("too_many_connections")
            return
        if self._reader.is_ready:
            self._open()
            return
        self._transport.write(self._reader.greeting)
        self._timer = self._server.loop.call_later(
            client_handshake_seconds_max, self.abort, "handshake_timeout"
        )

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the loop puts the next bytes."""
        return self._buffer.space()

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come."""
        self._buffer.received(nbytes)
        self._read()

    def eof_received(self) -> bool:
        """The client sends no more; it may still wait for acks (not over TLS)."""
        assert self._transport is not None
        if self._unanswered <= 0 or self._transport.get_extra_info("sslcontext") is not None:
            return False
        self._is_half_closed = True
        self._timer = self._server.loop.call_later(half_closed_seconds_max, self.end, "")
        return True

    def pause_writing(self) -> None:
        """The client does not read what we send: read nothing from it either, for a while."""
        self._is_unread = True
        self._apply_pause()
        self._timer = self._server.loop.call_later(
            acks_unread_seconds_max, self.abort, "acks_unread"
        )

    def resume_writing(self) -> None:
        """It reads again."""
        self._is_unread = False
        self._stop_timer()
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone. Whole frames received before are still handed on: they may have no other copy."""
        self._stop_timer()
        self._server.connections.pop(self.number, None)
        if self._is_open:
            self._is_paused = self._is_unread = False
            if not self._reason:
                self._read()
            rest_bytes = self._buffer.stop - self._buffer.start
            self._is_open = False
            self._server.owner.on_closed(
                self.number, self._reason or ("truncated" if rest_bytes else "")
            )
        else:
            self._server.owner.on_refused(self._reason or "closed_in_handshake")
        self._server.kept_bytes -= self._buffer.kept_bytes
        self._transport = None

    # ---- inside ------------------------------------------------------------------------------

    def _open(self) -> None:
        self._stop_timer()
        self._is_open = True
        assert self._transport is not None
        peer = self._transport.get_extra_info("peername")
        name = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "local"
        self._server.owner.on_opened(self.number, name)

    def _read(self) -> None:
        """Hand on every whole frame, unless the owner pauses this client in between."""
        buffer, reader = self._buffer, self._reader
        kept_before_bytes = buffer.kept_bytes
        try:
            while not self._is_paused:
                buffer.start, item = reader.read(buffer.data, buffer.start, buffer.stop)
                if isinstance(item, Chunk):
                    self._unanswered += item.ack != b""
                    self._server.owner.on_chunk(self.number, item)
                elif isinstance(item, Reply):
                    assert self._transport is not None
                    self._transport.write(item.data)
                    self._open()
                else:
                    break
            buffer.keep(reader.wanted_bytes)
            self._server.kept_bytes += buffer.kept_bytes - kept_before_bytes
            if self._server.kept_bytes > receive_bytes_max and buffer.kept_bytes:
                raise LimitExceeded("too much is half received", reason="receive_memory_full")
        except HandshakeFailed as error:
            if error.answer and self._transport is not None:
                self._transport.write(error.answer)
            self.end(error.reason)
        except ProtocolError as error:
            self.abort(error.reason)
        if self._is_open:
            self._server.end_turn()

    def _go_on(self) -> None:
        if self._transport is None or self._transport.is_closing() or self._is_paused:
            return
        self._read()
        self._apply_pause()

    def _apply_pause(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._is_paused or self._is_unread:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
