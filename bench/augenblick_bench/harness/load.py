"""The load generator: pre-encoded frames over real sockets, in time or as fast as they are acked.

Open loop: a frame is due at its instant whether or not the engine keeps up, and its latency counts
from that instant, not from when it could be written. Closed loop: so many frames unacknowledged at
once, each due when there was room for it. One thread; its CPU belongs to the run.
"""

import gc
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from augenblick import EngineUnavailable
from augenblick_bench.harness.frames import acked

_RECEIVE_BYTES: Final = 64 * 1024
_STALL_SECONDS: Final = 30.0
_AHEAD_SECONDS: Final = 0.05  # from the call to the first frame


@dataclass(frozen=True)
class Sent:
    """What became of the frames; instants in seconds of the monotonic clock."""

    due_s: NDArray[np.float64]
    acked_s: NDArray[np.float64]

    @property
    def seconds(self) -> float:
        """From the first frame's instant to the last acknowledgement."""
        return float(self.acked_s.max() - self.due_s.min())

    def ack_ms(self) -> NDArray[np.float64]:
        """Per frame: from when it was due to its acknowledgement."""
        return (self.acked_s - self.due_s) * 1000


class _Connection:
    """One client's socket, what is still to be written to it and what has come back."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.waiting: deque[memoryview] = deque()
        self.answers = bytearray()
        self.is_watched = False  # for room to write

    def write(self) -> None:
        """Write what the socket takes."""
        while self.waiting:
            try:
                written = self.socket.send(self.waiting[0])
            except BlockingIOError:
                return
            if written < len(self.waiting[0]):
                self.waiting[0] = self.waiting[0][written:]
            else:
                self.waiting.popleft()

    def read(self) -> list[int]:
        """Frames acknowledged since the last call. Raises EngineUnavailable if it has closed."""
        try:
            data = self.socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return []
        if not data:
            raise EngineUnavailable("the engine closed a connection")
        self.answers += data
        return acked(self.answers)


class LoadGenerator:
    """Connections to one engine. `first` is the number of the first frame to be sent."""

    def __init__(self, address: str, connections: int = 1, first: int = 0) -> None:
        self._connections = [_Connection(address) for _ in range(connections)]
        self._selector = selectors.DefaultSelector()
        for connection in self._connections:
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        self._first = first

    def open_loop(self, frames: Sequence[bytes], start_s: float, interval_s: float) -> Sent:
        """Frame i is due at start_s + i * interval_s."""
        due_s = np.arange(len(frames), dtype=np.float64) * interval_s + start_s
        return self._run(frames, due_s, len(frames))

    def closed_loop(self, frames: Sequence[bytes], unacked_max: int = 64) -> Sent:
        """As fast as the engine acknowledges."""
        return self._run(frames, np.zeros(len(frames)), unacked_max)

    def close(self) -> None:
        """End every connection."""
        self._selector.close()
        for connection in self._connections:
            connection.socket.close()

    def _run(self, frames: Sequence[bytes], due_s: NDArray[np.float64], unacked_max: int) -> Sent:
        is_open = unacked_max >= len(frames)
        acked_s = np.zeros(len(frames))
        due = due_s.tolist()
        sent = done = 0
        heard = time.monotonic()
        gc.disable()
        try:
            while done < len(frames):
                now = time.monotonic()
                while sent < len(frames) and due[sent] <= now and sent - done < unacked_max:
                    if not is_open:
                        due[sent] = now
                    connection = self._connections[sent % len(self._connections)]
                    connection.waiting.append(memoryview(frames[sent]))
                    sent += 1
                    self._write(connection)
                pause = 0.1
                if sent < len(frames) and sent - done < unacked_max:
                    pause = min(max(due[sent] - time.monotonic(), 0.0), pause)
                for number in self._poll(pause):
                    acked_s[number - self._first] = heard = time.monotonic()
                    done += 1
                if now - heard > _STALL_SECONDS and sent > done:
                    raise EngineUnavailable("the engine has acknowledged nothing for a long time")
        finally:
            gc.enable()
        self._first += len(frames)
        return Sent(np.array(due), acked_s)

    def _poll(self, pause: float) -> list[int]:
        numbers: list[int] = []
        for key, ready in self._selector.select(pause):
            connection: _Connection = key.data
            if ready & selectors.EVENT_READ:
                numbers += connection.read()
            if ready & selectors.EVENT_WRITE:
                self._write(connection)
        return numbers

    def _write(self, connection: _Connection) -> None:
        connection.write()
        is_waiting = bool(connection.waiting)
        if is_waiting != connection.is_watched:
            connection.is_watched = is_waiting
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if is_waiting else 0)
            self._selector.modify(connection.socket, wanted, connection)


def start_soon() -> float:
    """An instant for `open_loop` to begin at."""
    return time.monotonic() + _AHEAD_SECONDS
