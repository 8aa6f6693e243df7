"""A webhook's target in a process of its own: notes when each firing came, answers 200."""

import asyncio
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Final, cast

import numpy as np
import uvloop
from numpy.typing import NDArray

_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_LENGTH: Final = b"content-length:"


class _Target(asyncio.Protocol):
    """One connection of a client that sends whole POSTs one after the other."""

    def __init__(self, arrivals: list[tuple[float, bytes]]) -> None:
        self._arrivals = arrivals
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole; its instant is now."""
        now = time.monotonic()
        self._data += data
        while (head_end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:head_end].lower()
            at = head.index(_LENGTH) + len(_LENGTH)
            end = head_end + 4 + int(head[at:].split(b"\r\n", 1)[0])
            if len(self._data) < end:
                return
            self._arrivals.append((now, self._data[head_end + 4 : end]))
            self._data = self._data[end:]
            self._transport.write(_ANSWER)


class Receiver:
    """The target as its run sees it: `url`, `pid`, and in the end what arrived."""

    def __init__(self, pipe: Connection, pid: int) -> None:
        self._pipe = pipe
        self.pid = pid
        self.url = f"http://127.0.0.1:{pipe.recv()}/firings"

    def arrivals(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """(instant, number of the causing event) of each firing so far; first deliveries only."""
        self._pipe.send("arrivals")
        instants, causes = self._pipe.recv()
        return np.array(instants), np.array(causes, np.int64)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A target that is gone afterwards."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_receive, args=(theirs,), daemon=True)
    process.start()
    theirs.close()  # a target that ends is then seen: EOFError instead of waiting
    try:
        assert process.pid is not None
        yield Receiver(ours, process.pid)
    finally:
        process.terminate()
        process.join(10)


def _receive(pipe: Connection) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    arrivals: list[tuple[float, bytes]] = []
    server = await loop.create_server(lambda: _Target(arrivals), "127.0.0.1", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    while True:
        asked = asyncio.Event()
        loop.add_reader(pipe.fileno(), asked.set)
        await asked.wait()
        loop.remove_reader(pipe.fileno())
        os.set_blocking(pipe.fileno(), True)  # the loop had it otherwise; an answer may be large
        try:
            pipe.recv()
        except EOFError:
            return
        pipe.send(_causes(arrivals))


def _causes(arrivals: list[tuple[float, bytes]]) -> tuple[list[float], list[int]]:
    """The instants and the causing events' numbers, each firing once."""
    instants, causes, seen = [], [], set()
    for instant, body in arrivals:
        record = json.loads(body)
        if record["kind"] == "firing" and record["id"] not in seen:
            seen.add(record["id"])
            instants.append(instant)
            causes.append(int(record["cause"]["id"]))
    return instants, causes
