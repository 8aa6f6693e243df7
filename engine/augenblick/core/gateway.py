"""The gateway core: chunks of clients in, numbered batches to shards out, answers when applied.

Driven by a shell (an actor, or the simulation) that carries out the effects of each stimulus:

- `on_opened`, `on_chunk`, `on_closed` for clients, `on_turn_end` once after a run of chunks;
- the stimuli that every core on the link has (`effects.LinkedCore`).

Guarantees: a client's chunk is answered when every shard that got a part of it has acknowledged
that part; what is refused goes to the dead letters, with its reason, and is answered with its
chunk. What is routed and not acknowledged is bounded: beyond the bound clients are not read
(back-pressure), never dropped. One watermark over all sources is computed before routing.
"""

from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import msgpack

from augenblick.binding.pseudonyms import Pseudonyms
from augenblick.binding.scanning import STATUS_NAMES, Router, Source
from augenblick.core.effects import (
    Answer,
    CloseClient,
    Connect,
    Disconnect,
    Effect,
    Log,
    PauseReading,
    ResumeReading,
    Send,
    Stopped,
    WriteClient,
)
from augenblick.core.gateway_begin import GatewayBegin
from augenblick.core.gateway_letters import LetterQueue
from augenblick.core.gateway_shards import ShardQueue, Waiter
from augenblick.core.gateway_sources import NO_WATERMARK, ClockRules, OpenSource, Sources
from augenblick.core.routing import RoutingTable
from augenblick.ingest.dialects import Chunk
from augenblick.limits import (
    batch_bytes_max,
    gateway_standstill_ms,
    gateway_unacked_bytes_max,
    heartbeat_ms,
    shard_unacked_bytes_max,
)
from augenblick.link.messages import Kind

HTTP_OK: Final = 200
HTTP_UNAVAILABLE: Final = 503


class GatewayCore:
    """One gateway's logic. On one thread; `router` is its own and routes for nobody else.

    `address` is where control requests reach this gateway ("" if nowhere). `is_http` connections
    are one source together: the shell opens one connection for its whole HTTP port and numbers the
    requests; every other connection is a source. `pseudonyms`: those of the router, if it has any.
    """

    def __init__(
        self,
        name: str,
        incarnation: int,
        router: Router,
        rules: ClockRules,
        *,
        address: str = "",
        new_source: Callable[[], Source] = Source,
        pseudonyms: Pseudonyms | None = None,
    ) -> None:
        self.name = name
        self.incarnation = incarnation
        self.is_stopping = False
        self.is_paused = True  # until there is a table
        self.letters = LetterQueue(name, incarnation, pseudonyms)
        self.sources = Sources(rules, new_source)
        self._begin = GatewayBegin(rules)
        self._address = address
        self._router = router
        self._table: RoutingTable | None = None
        self._shards: dict[int, ShardQueue] = {}
        self._shard_by_peer: dict[str, ShardQueue] = {}
        self._closed_by_reason: Counter[str] = Counter()
        self._events = 0
        self._is_stopped = False
        self._is_running = False
        self._now_ms = 0
        self._heartbeat_ms = 0.0
        self._was_ready = False
        router.clock_event = rules.is_event_clock

    @property
    def is_ready(self) -> bool:
        """May clients send? There is a table and every shard of it is connected."""
        return (
            self._table is not None
            and not self.is_stopping
            and all(shard.is_up for shard in self._shards.values())
        )

    # ---- clients -----------------------------------------------------------------------------

    def on_opened(
        self, connection: int, peer: str, now_ms: float, *, is_http: bool = False
    ) -> list[Effect]:
        """A client has connected and, where one is wanted, passed its handshake."""
        source = self.sources.open(connection, peer, is_http=is_http)
        source.is_paused = self.is_paused
        return [PauseReading(connection)] if self.is_paused else []

    def on_closed(self, connection: int, reason: str, now_ms: float) -> list[Effect]:
        """A client is gone; `reason` is a code, "" for an orderly end. Fires nothing."""
        if reason:
            self._closed_by_reason[reason] += 1
        self.sources.close(connection)
        return []

    def on_request_opened(self, connection: int, now_ms: float) -> list[Effect]:
        """An HTTP request with events has begun; the HTTP source counts while one is open."""
        source = self.sources.get(connection)
        if source is not None and source.requests is not None:
            source.requests += 1
        return []

    def on_request_closed(self, connection: int, now_ms: float) -> list[Effect]:
        """The HTTP request was answered or given up."""
        source = self.sources.get(connection)
        if source is not None and source.requests:
            source.requests -= 1
        return []

    def on_chunk(
        self, connection: int, chunk: Chunk, now_ms: float, *, request: int = 0
    ) -> list[Effect]:
        """Events of a client; `request` numbers an HTTP request, which always gets an Answer."""
        source = self.sources.get(connection)
        if source is None:
            return []
        if self._table is None or self.is_stopping or (request and not self._begin.has_begun):
            return [Answer(connection, request, HTTP_UNAVAILABLE)] if request else []
        now = self._advance(now_ms)
        source.chunks += 1
        router, shards = self._router, self._shards.values()
        pending_bytes = [router.pending(shard.index) for shard in shards]
        if chunk.refusal:
            results = self._refuse(source, chunk.refusal, chunk.detail, chunk)
        else:
            results = self._route(source, chunk, now, wants_results=request > 0)
        if chunk.is_end:
            self._end(source, now)
        touched = [
            shard
            for shard, before_bytes in zip(shards, pending_bytes, strict=True)
            if router.pending(shard.index) > before_bytes
        ]
        effects: list[Effect] = []
        waiter = Waiter(connection, chunk.ack, request, results, len(touched))
        if not touched and (chunk.ack or request):
            effects += _answers([waiter])
        for shard in touched:
            shard.received_us = shard.received_us or int(now_ms * 1000)
            if chunk.ack or request:
                shard.waiters.append(waiter)
            if router.pending(shard.index) >= batch_bytes_max:
                effects += shard.flush(self._facts())
        return effects + self._balance()

    def on_turn_end(self, now_ms: float) -> list[Effect]:
        """The shell has handed over all it had: what was routed leaves now."""
        return self._flush()

    # ---- link --------------------------------------------------------------------------------

    def on_peer_connected(self, peer: str, hello: dict[str, Any], now_ms: float) -> list[Effect]:
        """Coordinator: report for duty. Delivery, shards: send again what they did not confirm."""
        now = self._advance(now_ms)
        if peer == "coordinator":
            facts = {
                "role": "gateway",
                "name": self.name,
                "incarnation": self.incarnation,
                "address": self._address,
            }
            return [Send(peer, Kind.REGISTER, facts)]
        if peer == "delivery":
            return list(self.letters.resend())
        shard = self._shard_named(peer)
        if shard is None:
            return []
        shard.is_up = True
        shard.epoch = max(shard.epoch, hello.get("epoch", 0))  # its new owner, before any table
        known = hello.get("gateways", {}).get(self.name, 0)
        if known > self.incarnation and not self._events:  # the machine's clock was set back
            self.incarnation = known + 1
        self._begin.on_hello(peer, hello)
        effects = [*self._try_to_begin(now), *shard.resend()]
        return effects + self._flush()

    def on_peer_lost(self, peer: str, now_ms: float) -> list[Effect]:
        """A shard is away: its batches are kept."""
        shard = self._shard_named(peer)
        if shard is not None:
            shard.is_up = False
        return []

    def shard_of(self, key_group: int) -> str | None:
        """The owner of a key group by the latest table; None: there is no table yet."""
        routes = self._table.shards if self._table is not None else ()
        return next((one.name for one in routes if one.first <= key_group <= one.last), None)

    def on_message(
        self,
        peer: str,
        kind: int,
        header: dict[str, Any],
        payload: bytes | memoryview,
        now_ms: float,
    ) -> list[Effect]:
        """A message of the coordinator, a shard or delivery."""
        shard = self._shard_named(peer)
        if kind == Kind.BATCH_ACK and shard is not None:
            waiters = shard.acknowledge(header["seq"])
            effects = _answers([one for one in waiters if one.connection in self.sources])
            return effects + self._flush() + self._balance()
        if kind == Kind.REFUSED and shard is not None:
            shard.refuse(header["reason"])
            return [Log("warning", f"{peer} refused a batch", dict(header))]
        if kind == Kind.TABLE and peer == "coordinator":
            return self._take_table(RoutingTable.from_header(header))
        if kind == Kind.DEAD_LETTERS_DONE and peer == "delivery":
            self.letters.confirm(header["seq"])
            return self._try_to_stop()
        if kind == Kind.STOP:
            return self.on_stop(now_ms)
        return []

    # ---- time --------------------------------------------------------------------------------

    def on_tick(self, now_ms: float) -> list[Effect]:
        """Time alone: the watermark may go on, in a mark to every shard; the heartbeat is due."""
        before = self._now_ms
        now = self._advance(now_ms)
        if now - before > gateway_standstill_ms:
            self.sources.note_standstill(now)
        self._raise_watermark(now)
        effects = self._flush()
        if now_ms - self._heartbeat_ms >= heartbeat_ms or self.is_ready != self._was_ready:
            self._heartbeat_ms = now_ms
            self._was_ready = self.is_ready
            effects.append(Send("coordinator", Kind.HEARTBEAT, {}, msgpack.packb(self.status())))
        return effects

    def on_stop(self, now_ms: float) -> list[Effect]:
        """Read no more; `Stopped` follows when all that was read is applied and answered."""
        if self.is_stopping:
            return []
        self.is_stopping = True
        return [*self._pause(), *self._flush()]

    def status(self) -> dict[str, Any]:
        """Counters and queues as plain values, for `status`."""
        watermark_ms = self._router.watermark_ms
        return {
            "name": self.name,
            "incarnation": self.incarnation,
            "is_ready": self.is_ready,
            "is_paused": self.is_paused,
            "events": self._events,
            "watermark_ms": watermark_ms if watermark_ms != NO_WATERMARK else None,
            "catch_up_until_ms": self._begin.catch_up_until_ms,
            "sources": [source.status() for source in self.sources],
            "shards": {shard.peer: shard.status() for shard in self._shards.values()},
            "dead_letters": dict(self.letters.by_reason),
            "dead_letters_dropped": self.letters.dropped,
            "connections_closed": dict(self._closed_by_reason),
        }

    # ---- inside ------------------------------------------------------------------------------

    def _advance(self, now_ms: float) -> int:
        self._now_ms = max(self._now_ms, int(now_ms))
        return self._now_ms

    def _try_to_begin(self, now: int) -> list[Effect]:
        """When every shard has said where it stands, this gateway's clock begins."""
        begin = self._begin.begin(self._shard_by_peer, now)
        if begin is None or begin.line_ms == NO_WATERMARK:
            return []
        self.sources.begin_at(begin.line_ms, begin.rose_ms)
        self._router.watermark_ms = max(self._router.watermark_ms, begin.watermark_ms)
        until_ms = self._begin.catch_up_until_ms
        if until_ms is None:
            return []
        text = "the clock stands while clients bring what they buffered"
        return [Log("info", text, {"catch_up_ms": until_ms - now})]

    def _route(
        self, source: OpenSource, chunk: Chunk, now: int, *, wants_results: bool
    ) -> tuple[str | None, ...]:
        """Scan, check and route; returns what became of each event where that is asked for."""
        router = self._router
        others_ms = self.sources.others_min_ms(source, router.watermark_ms, now)
        held_ms = self._begin.held_ms(now)
        router.others_min_ms = others_ms if held_ms is None else min(others_ms, held_ms)
        routed = router.route(
            chunk.data,
            chunk.start,
            chunk.end,
            chunk.format,
            source.native,
            now,
            carrier_ms=None,
            tag=chunk.tag,
            chunk=chunk.chunk,
            warm=chunk.is_warm,
        )
        self._events += routed.events
        if routed.events:
            is_standing = held_ms is not None
            self.sources.note_events(source, router.watermark_ms, is_standing=is_standing)
            self._is_running = True
            source.lags_ms.append(now - routed.last_event_ms)
        for _, start, end, status in routed.refused:
            self._refuse(source, STATUS_NAMES[status], "", replace(chunk, start=start, end=end))
        if not wants_results:
            return ()
        results: list[str | None] = [None] * (routed.events + len(routed.refused))
        for index, _, _, status in routed.refused:
            results[index] = STATUS_NAMES[status]
        return tuple(results)

    def _refuse(
        self, source: OpenSource, reason: str, detail: str, chunk: Chunk
    ) -> tuple[str | None, ...]:
        source.refused[reason] += 1
        self.letters.add(reason, detail, source.peer, bytes(chunk.data[chunk.start : chunk.end]))
        return (reason,)

    def _end(self, source: OpenSource, now: int) -> None:
        """The source said that these were its last events: its time moves just past them."""
        if source.native.events:
            source.ended_ms = source.native.max_event_ms
            self._raise_watermark(now)

    def _raise_watermark(self, now: int) -> None:
        """Let the clock go on and tell every shard, also those that got no event lately."""
        router = self._router
        if not self._begin.has_begun:
            return
        if self._begin.held_ms(now) is None:
            router.watermark_ms = self.sources.watermark_at(router.watermark_ms, now)
        is_running = self.sources.is_clock_running(router.watermark_ms)
        marked_ms = min(map(router.marked_ms, self._shards), default=NO_WATERMARK)
        if router.watermark_ms > marked_ms or is_running != self._is_running:
            self._is_running = is_running
            is_event_clock = self.sources.rules.is_event_clock
            router.mark(router.watermark_ms, router.max_event_ms if is_event_clock else now)

    def _flush(self) -> list[Effect]:
        effects: list[Effect] = []
        facts: dict[str, Any] | None = None
        for shard in self._shards.values():
            if self._router.pending(shard.index):
                facts = facts or self._facts()
                effects += shard.flush(facts)
        effects += self.letters.flush()
        return effects + self._try_to_stop() if self.is_stopping else effects

    def _facts(self) -> dict[str, Any]:
        return {
            "gateway": self.name,
            "incarnation": self.incarnation,
            "watermark_ms": self._router.watermark_ms,
            "is_running": self._is_running,
        }

    def _balance(self) -> list[Effect]:
        """Pause clients when too much is unacknowledged, go on when half of it is gone."""
        if self.is_stopping or self._table is None:
            return []
        all_bytes = most_bytes = 0
        for shard in self._shards.values():
            waiting_bytes = shard.waiting_bytes
            all_bytes += waiting_bytes
            most_bytes = max(most_bytes, waiting_bytes)
        fullest = max(all_bytes / gateway_unacked_bytes_max, most_bytes / shard_unacked_bytes_max)
        if not self.is_paused and fullest >= 1:
            return self._pause()
        if self.is_paused and fullest <= 0.5:
            self.is_paused = False
            return [self._resume(source) for source in self.sources]
        return []

    def _pause(self) -> list[Effect]:
        self.is_paused = True
        effects: list[Effect] = []
        for source in self.sources:
            source.is_paused = True
            effects.append(PauseReading(source.connection))
        return effects

    def _resume(self, source: OpenSource) -> Effect:
        source.is_paused = False
        source.heard_ms = self._now_ms
        return ResumeReading(source.connection)

    def _take_table(self, table: RoutingTable) -> list[Effect]:
        """A newer table: dial its shards and delivery, send again what an old epoch stopped."""
        if self._table is not None and table.epoch < self._table.epoch:
            return []
        self._table = table
        self._router.set_table(array("H", table.shard_of_key_group()))
        effects: list[Effect] = []
        for route in table.shards:
            shard = self._shards.setdefault(route.index, ShardQueue(route.index, self._router))
            self._shard_by_peer[shard.peer] = shard
            shard.epoch = max(shard.epoch, route.epoch)
            effects += _dial(route.name, route.address, route.incarnation)
            if shard.is_blocked:
                effects += shard.resend()
        effects += self._try_to_begin(self._now_ms)
        delivery = table.delivery
        effects += _dial(delivery.name, delivery.address, delivery.incarnation)
        return effects + self._flush() + self._balance()

    def _try_to_stop(self) -> list[Effect]:
        if not self.is_stopping or self._is_stopped:
            return []
        if not self.letters.is_empty or not all(one.is_empty for one in self._shards.values()):
            return []
        self._is_stopped = True
        closings = [CloseClient(source.connection, "stopped") for source in self.sources]
        return [*closings, Send("coordinator", Kind.STOPPED, {"name": self.name}), Stopped()]

    def _shard_named(self, peer: str) -> ShardQueue | None:
        return self._shard_by_peer.get(peer)


def _answers(waiters: list[Waiter]) -> list[Effect]:
    """What these chunks' clients hear; acks for one connection go out as one write."""
    effects: list[Effect] = []
    acks: dict[int, list[bytes]] = {}
    for waiter in waiters:
        if waiter.request:
            effects.append(Answer(waiter.connection, waiter.request, HTTP_OK, waiter.results))
        else:
            acks.setdefault(waiter.connection, []).append(waiter.ack)
    for connection, parts in acks.items():
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        effects.append(WriteClient(connection, data, len(parts)))
    return effects


def _dial(peer: str, address: str, incarnation: int) -> list[Effect]:
    return [Connect(peer, address, incarnation) if address else Disconnect(peer)]
