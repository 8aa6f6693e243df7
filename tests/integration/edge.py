"""A gateway without Ray: the real ports and the real core, on a thread with an event loop.

The shards behind it are played here: they acknowledge what comes (or hold it back, or are away)
and keep it, so that tests of clients see what was routed. The same tests can run against a whole
engine by giving its addresses.
"""

import asyncio
import itertools
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgpack
import uvloop
from tests.unit.native.routing import KEY, PROGRAM, Event, Mark, items

from augenblick.binding.scanning import Router
from augenblick.core.effects import (
    Answer,
    CloseClient,
    Effect,
    PauseReading,
    ResumeReading,
    Send,
    WriteClient,
)
from augenblick.core.gateway import GatewayCore
from augenblick.core.gateway_sources import ClockRules
from augenblick.core.routing import Route, RoutingTable, ShardRoute, even_ranges
from augenblick.errors import EngineUnavailable
from augenblick.ingest.dialects import Chunk
from augenblick.ingest.transports.http import HttpServer
from augenblick.ingest.transports.http_app import (
    ControlRequest,
    ControlResponse,
    HttpAccess,
    HttpApp,
)
from augenblick.ingest.transports.tcp import ForwardServer
from augenblick.link.messages import Kind
from augenblick.plan.program import Program

T = TypeVar("T")
HTTP = 0  # the number of the HTTP port's connection
CONTROL_TOKEN = "control-token"


@dataclass(slots=True)
class PlayedShards:
    """What the gateway sent, by shard; acknowledged at once unless held."""

    streams: dict[str, list[bytes]] = field(default_factory=dict)
    letters: list[dict[str, Any]] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    held: list[Send] = field(default_factory=list)
    is_holding: bool = False
    batches: int = 0

    @property
    def items(self) -> list[Mark | Event]:
        return [
            item
            for name in sorted(self.streams)
            for stream in self.streams[name]
            for item in items(stream)
        ]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [item.record for item in self.items if isinstance(item, Event)]


class Edge:
    """One gateway's shell; everything but `call` runs on its own thread's event loop."""

    def __init__(
        self,
        *,
        shards: int = 1,
        program: Program = PROGRAM,
        clock: str = "wall",
        shared_key: bytes | None = None,
        tls: ssl.SSLContext | None = None,
        access: HttpAccess | None = None,
        port: int = 0,
    ) -> None:
        self.shards = PlayedShards()
        self.closed: list[str] = []
        self.refused: list[str] = []
        self.control_requests: list[ControlRequest] = []
        self.forward_port = port
        self.http_port = 0
        self._count = shards
        self._program = program
        self._clock = clock
        self._shared_key = shared_key
        self._tls = tls
        self._access = access or HttpAccess(CONTROL_TOKEN)
        self._requests = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._is_http_paused = asyncio.Event()
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    # ---- for tests ---------------------------------------------------------------------------

    @property
    def forward(self) -> str:
        return f"127.0.0.1:{self.forward_port}"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(30)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(20)
        assert not self._thread.is_alive()
        if self._failure is not None:
            raise self._failure

    def call(self, function: Callable[[], T]) -> T:
        """Run on the edge's loop and return the result."""

        async def run() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)

    def wait(self, condition: Callable[[], Any], seconds: float = 30.0) -> Any:
        """Wait until the condition, evaluated on the edge's loop, holds; returns its value."""
        deadline = time.monotonic() + seconds
        while not (value := self.call(condition)):
            assert time.monotonic() < deadline, f"never came true: {self.call(self.core.status)}"
            time.sleep(0.01)
        return value

    def events(self, count: int) -> list[dict[str, Any]]:
        """The routed events, once there are so many."""
        self.wait(lambda: len(self.shards.events) >= count)
        found = self.call(lambda: self.shards.events)
        assert len(found) == count
        return found

    def hold(self) -> None:
        """The shards acknowledge nothing until `release`."""
        self.call(lambda: setattr(self.shards, "is_holding", True))

    def release(self) -> None:
        def run() -> None:
            self.shards.is_holding = False
            held, self.shards.held = self.shards.held, []
            for batch in held:
                self._acknowledge(batch)

        self.call(run)

    def lose_shards(self) -> None:
        self.call(lambda: [self._lose(index) for index in range(self._count)])

    def find_shards(self) -> None:
        self.call(lambda: [self._connect(index) for index in range(self._count)])

    # ---- ChunkOwner and HttpOwner ------------------------------------------------------------

    def on_opened(self, connection: int, peer: str) -> None:
        self._carry_out(self.core.on_opened(connection, peer, _now_ms()))

    def on_chunk(self, connection: int, chunk: Chunk) -> None:
        self._carry_out(self.core.on_chunk(connection, chunk, _now_ms()))

    def on_turn_end(self) -> None:
        self._carry_out(self.core.on_turn_end(_now_ms()))

    def on_closed(self, connection: int, reason: str) -> None:
        self.closed.append(reason)
        self._carry_out(self.core.on_closed(connection, reason, _now_ms()))

    def on_refused(self, reason: str) -> None:
        self.refused.append(reason)

    async def ingest(self, chunk: Chunk) -> Sequence[str | None] | None:
        request = next(self._requests)
        answer = self._answers[request] = self._loop.create_future()
        self._carry_out(self.core.on_request_opened(HTTP, _now_ms()))
        try:
            self._carry_out(self.core.on_chunk(HTTP, chunk, _now_ms(), request=request))
            self.on_turn_end()
            result = await answer
        finally:
            del self._answers[request]
            self._carry_out(self.core.on_request_closed(HTTP, _now_ms()))
        return result.results if result.status == 200 else None

    def is_ready(self) -> bool:
        return self.core.is_ready

    async def control(self, request: ControlRequest) -> ControlResponse:
        self.control_requests.append(request)
        if request.path == "/v1/plan":
            raise EngineUnavailable("nobody is there")
        return ControlResponse(200, "application/json", b'{"ok":true}')

    # ---- inside ------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            uvloop.run(self._main())
        except BaseException as error:
            self._failure = error
        finally:
            self._started.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        rules = ClockRules.of(self._program, self._clock)  # type: ignore[arg-type]
        self.core = GatewayCore("gateway-0", 1, Router(self._program, KEY), rules)
        self._carry_out(self.core.on_opened(HTTP, "http", _now_ms(), is_http=True))
        self.server = ForwardServer(
            self, server_name="augenblick-gateway-0", shared_key=self._shared_key, tls=self._tls
        )
        self.forward_port = await self.server.listen("127.0.0.1", self.forward_port)
        http = HttpServer(HttpApp(self, self._access))
        self.http_port = await http.listen("127.0.0.1", 0)
        self._carry_out(
            self.core.on_message("coordinator", Kind.TABLE, self._table().to_header(), b"", 0)
        )
        for index in range(self._count):
            self._connect(index)
        self._started.set()
        while not self._ending.is_set():
            self._carry_out(self.core.on_tick(_now_ms()))
            await asyncio.sleep(0.01)
        await self.server.close()
        await http.close()

    def _table(self) -> RoutingTable:
        routes = tuple(
            ShardRoute(index, "127.0.0.1:1", 1, 1, first, last)
            for index, (first, last) in enumerate(even_ranges(self._count))
        )
        return RoutingTable(1, routes, ("gateway-0",), Route("delivery", "127.0.0.1:2", 1), ())

    def _connect(self, index: int) -> None:
        hello = {"role": "shard", "name": f"shard-{index}", "incarnation": 1, "gateways": {}}
        self._carry_out(self.core.on_peer_connected(f"shard-{index}", hello, _now_ms()))

    def _lose(self, index: int) -> None:
        self._carry_out(self.core.on_peer_lost(f"shard-{index}", _now_ms()))

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(peer=peer, kind=Kind.BATCH):
                    self._take_batch(peer, effect)
                case Send(kind=Kind.DEAD_LETTERS):
                    self.shards.letters += msgpack.unpackb(effect.payload)
                    self._loop.call_soon(
                        self._deliver, "delivery", Kind.DEAD_LETTERS_DONE, effect.header["seq"]
                    )
                case WriteClient(connection=number, data=data, chunks=chunks):
                    if (connection := self.server.get(number)) is not None:
                        connection.write(data, chunks)
                case Answer(request=request):
                    if request in self._answers:
                        self._answers[request].set_result(effect)
                case PauseReading(connection=number):
                    if number and (connection := self.server.get(number)) is not None:
                        connection.pause()
                case ResumeReading(connection=number):
                    if number and (connection := self.server.get(number)) is not None:
                        connection.resume()
                case CloseClient(connection=number, reason=reason):
                    if number and (connection := self.server.get(number)) is not None:
                        connection.end(reason)

    def _take_batch(self, peer: str, batch: Send) -> None:
        self.shards.batches += 1
        if batch.header["seq"] > self.shards.seen.get(peer, 0):
            self.shards.seen[peer] = batch.header["seq"]
            self.shards.streams.setdefault(peer, []).append(bytes(batch.payload))
        if self.shards.is_holding:
            self.shards.held.append(batch)
        else:
            self._loop.call_soon(self._acknowledge, batch)

    def _acknowledge(self, batch: Send) -> None:
        self._deliver(batch.peer, Kind.BATCH_ACK, batch.header["seq"])

    def _deliver(self, peer: str, kind: Kind, seq: int) -> None:
        self._carry_out(self.core.on_message(peer, kind, {"seq": seq}, b"", _now_ms()))


@contextmanager
def running_edge(**options: Any) -> Iterator[Edge]:
    """An edge on ports of its own, for the length of a test."""
    edge = Edge(**options)
    edge.start()
    try:
        yield edge
    finally:
        edge.stop()


def _now_ms() -> float:
    return time.time() * 1000
