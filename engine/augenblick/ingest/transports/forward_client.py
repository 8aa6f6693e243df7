"""A Forward connection that keeps what it sent until it is acknowledged, and sends it again.

Blocking, on one thread. A chunk keeps its id over all attempts, so that an engine that got it
twice applies it once. Used by `augenblick.Client` and `augenblick send`.
"""

import contextlib
import os
import select
import socket
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from augenblick.errors import (
    AugenblickError,
    AuthenticationFailed,
    EngineUnavailable,
    ProtocolError,
    UsageError,
)
from augenblick.ingest.dialects._forward_client import (
    ClientReader,
    encode_chunk,
    encode_chunk_id,
)
from augenblick.ingest.dialects.forward import ClientHandshake
from augenblick.limits import (
    client_ack_seconds_max,
    client_chunks_unacked_max,
    client_connect_seconds_max,
    client_redial_seconds_max,
    client_redial_seconds_min,
    client_unacked_bytes_max,
)

_READ_BYTES = 64 * 1024
_WRITE_BYTES = 256 * 1024
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
DEFAULT_PORT = 24224


def parse_address(text: str) -> tuple[str, int]:
    """("host", port) of "host:port", "host" or "[v6]:port". Raises UsageError."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        host, port = text, str(DEFAULT_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f"an address is HOST:PORT, not {text!r}")
    return host, int(port)


@dataclass(frozen=True, slots=True)
class ForwardTarget:
    """Where to send and how to prove oneself. `tls` None: plain TCP."""

    host: str
    port: int
    shared_key: bytes | None = None
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(slots=True)
class _Unacked:
    frame: bytes
    events: int
    sent_s: float


class ForwardSender:
    """Chunks to one engine. `retry_seconds`: how long it may be away before `send` gives up."""

    def __init__(self, target: ForwardTarget, *, tag: str, retry_seconds: float) -> None:
        self.acked_events = 0
        self.resent_chunks = 0
        self.connects = 0
        self.give_up_s = float("inf")  # on time.monotonic(); another thread may set it
        self._target = target
        self._tag = tag
        self._retry_seconds = retry_seconds
        self._unacked: OrderedDict[str, _Unacked] = OrderedDict()
        self._unacked_bytes = 0
        self._unacked_events = 0
        self._out = bytearray()
        self._socket: socket.socket | None = None
        self._reader = ClientReader()

    @property
    def unacked_events(self) -> int:
        """Events sent and not confirmed."""
        return self._unacked_events

    def connect(self) -> None:
        """Connect now instead of at the first chunk. Raises EngineUnavailable at once."""
        self._connect()

    def send(
        self, entries: Sequence[bytes], *, is_end: bool = False, is_warm: bool = False
    ) -> None:
        """Send a chunk; waits while too much is unconfirmed. Raises EngineUnavailable when the
        engine stayed away for too long (the chunk is kept for the next attempt), and
        AuthenticationFailed.
        """
        chunk_id = encode_chunk_id(os.urandom(16))
        frame = encode_chunk(self._tag, entries, chunk_id, is_end=is_end, is_warm=is_warm)
        self._unacked[chunk_id] = _Unacked(frame, len(entries), time.monotonic())
        self._unacked_bytes += len(frame)
        self._unacked_events += len(entries)
        if self._socket is not None:
            self._out += frame
        self._work(
            lambda: (
                not self._out
                and len(self._unacked) < client_chunks_unacked_max
                and self._unacked_bytes < client_unacked_bytes_max
            )
        )

    def poll(self, seconds: float = 0.0) -> None:
        """Take acks that have come, waiting for the first for at most so long."""
        if not self._unacked:
            return
        before = self.acked_events
        deadline = time.monotonic() + seconds
        self._work(lambda: self.acked_events > before or time.monotonic() >= deadline, deadline)

    def flush(self, seconds: float) -> bool:
        """Wait until everything is confirmed; False if that took longer."""
        deadline = time.monotonic() + seconds
        self._work(lambda: not self._unacked or time.monotonic() >= deadline, deadline)
        return not self._unacked

    def close(self) -> None:
        """Close the connection; what is unconfirmed stays unconfirmed."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket = None

    def _work(self, is_done: Callable[[], bool], deadline: float | None = None) -> None:
        """Write and read, reconnecting where needed, until `is_done`."""
        away_since: float | None = None
        pause = client_redial_seconds_min
        while True:
            try:
                if self._socket is None:
                    self._connect()
                    self._send_again()
                away_since, pause = None, client_redial_seconds_min
                self._step(0.0)
                while not is_done():
                    if time.monotonic() >= self.give_up_s:
                        raise EngineUnavailable(f"{self._target} does not confirm")
                    self._step(_left(deadline, 0.25))
                return
            except (OSError, ProtocolError, EngineUnavailable) as error:
                self.close()
                now = time.monotonic()
                away_since = away_since or now
                is_final = isinstance(error, AuthenticationFailed) or now >= self.give_up_s
                if is_final or now - away_since >= self._retry_seconds:
                    if isinstance(error, AugenblickError):
                        raise
                    raise EngineUnavailable(f"{self._target} went away: {error}") from error
            if deadline is not None and time.monotonic() >= deadline:
                return
            time.sleep(_left(deadline, pause))
            pause = min(pause * 2, client_redial_seconds_max)

    def _connect(self) -> None:
        """Connect and shake hands. Raises EngineUnavailable, AuthenticationFailed."""
        target = self._target
        self.connects += 1
        try:
            plain = socket.create_connection(
                (target.host, target.port), timeout=client_connect_seconds_max
            )
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = (
                target.tls.wrap_socket(plain, server_hostname=target.host) if target.tls else plain
            )
            self._shake_hands()
            self._socket.setblocking(False)
        except AuthenticationFailed:
            self.close()
            raise
        except (OSError, ProtocolError) as error:
            self.close()
            text = f"cannot connect to the engine at {target}: {error}"
            raise EngineUnavailable(text) from error

    def _shake_hands(self) -> None:
        assert self._socket is not None
        handshake = None
        if self._target.shared_key is not None:
            name = f"{socket.gethostname()}-{os.getpid()}"
            handshake = ClientHandshake(self._target.shared_key, os.urandom(16), name)
        self._reader = ClientReader(handshake)
        while not self._reader.is_ready:
            data = self._socket.recv(_READ_BYTES)
            if not data:
                raise ConnectionError("it closed the connection during the handshake")
            for _, answer in self._reader.read(data):
                self._socket.sendall(answer)

    def _send_again(self) -> None:
        self._out.clear()
        now = time.monotonic()
        for unacked in self._unacked.values():
            self._out += unacked.frame
            unacked.sent_s = now
        if self.connects > 1:
            self.resent_chunks += len(self._unacked)

    def _step(self, seconds: float) -> None:
        """Wait until the socket is ready, then write and read what is possible."""
        if self._socket is None:
            raise ConnectionError("not connected")
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            seconds = 0.0
        poller = select.poll()
        poller.register(self._socket, select.POLLIN | (select.POLLOUT if self._out else 0))
        happened = sum(events for _, events in poller.poll(seconds * 1000))
        if happened & select.POLLOUT:
            with contextlib.suppress(*_NOT_NOW):
                sent = self._socket.send(memoryview(self._out)[:_WRITE_BYTES])
                del self._out[:sent]
        if happened & ~select.POLLOUT or isinstance(self._socket, ssl.SSLSocket):
            self._read_acks()
        oldest = next(iter(self._unacked.values()), None)
        if oldest is not None and time.monotonic() - oldest.sent_s > client_ack_seconds_max:
            raise TimeoutError("no ack came in time")

    def _read_acks(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(_READ_BYTES)
        except _NOT_NOW:
            return
        if not data:
            raise ConnectionError("it closed the connection")
        for chunk_id, _ in self._reader.read(data):
            acked = self._unacked.pop(chunk_id, None)
            if acked is not None:
                self._unacked_bytes -= len(acked.frame)
                self._unacked_events -= acked.events
                self.acked_events += acked.events


def _left(deadline: float | None, seconds: float) -> float:
    return seconds if deadline is None else max(0.0, min(seconds, deadline - time.monotonic()))
