"""The shard core: batches of the gateways through the kernel, what came of them to everybody else.

Driven by `actors.shard` or the simulation. Guarantees:

- Nothing that came of a batch (ack, firing, dead letter, pane) leaves before the batch's journal
  record is durable, that is, before `on_appended`; applying may run ahead.
- A batch of a gateway is applied once and in order: an older number is acked again, a gap, another
  epoch or an older incarnation is refused.
- Records and dead letters are kept until delivery has answered for them and are sent again after a
  reconnect; when too many wait, the oldest leave, as dead letters or counted.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

import msgpack

from augenblick import limits
from augenblick.binding.kernel import Outputs
from augenblick.core.effects import Append, Connect, Disconnect, Effect, Log, Send, Stopped
from augenblick.core.metrics import NO_CLOCK
from augenblick.core.outbox import Outbox
from augenblick.core.routing import RoutingTable, host_name, shard_name
from augenblick.core.shard_actors import ShardActors
from augenblick.core.shard_clock import GatewayClocks
from augenblick.core.shard_kernel import ShardKernel
from augenblick.core.shard_panes import ShardPanes
from augenblick.core.shard_status import ShardCounters
from augenblick.link.messages import Kind
from augenblick.plan.program import Program

_MARK_WATERMARK: Final = struct.Struct("<8xq")


@dataclass(slots=True)
class _Gateway:
    """One gateway's batches so far: those of its latest incarnation."""

    incarnation: int
    number: int
    last_seq: int = 0


@dataclass(slots=True)
class _Pending:
    """What waits for a journal record to be durable."""

    outputs: Outputs
    gateway: str = ""
    seq: int = 0
    received_us: int = 0


class ShardCore:
    """One shard, on one thread.

    `epoch` is the directory's, written before this core exists; `address` is where it listens.
    """

    def __init__(
        self,
        program: Program,
        kernel: ShardKernel,
        *,
        index: int,
        incarnation: int,
        epoch: int,
        address: str = "",
    ) -> None:
        self.name = shard_name(index)
        self.index = index
        self.epoch = epoch
        self.incarnation = incarnation
        self.address = address
        self.counters = ShardCounters()
        self._program = program
        self._kernel = kernel
        self._clocks = GatewayClocks()
        self._gateways: dict[str, _Gateway] = {}
        self._pending: OrderedDict[int, _Pending] = OrderedDict()
        self._token = 0
        self._records = Outbox("delivery", Kind.RECORDS, incarnation)
        self._letters = Outbox("delivery", Kind.DEAD_LETTERS, incarnation)
        self._panes = ShardPanes(epoch)
        self._actors = ShardActors(program, incarnation)
        self._table: RoutingTable | None = None
        self._heartbeat_ms = 0.0
        self._is_stopping = False
        self._is_stopped = False

    # ---- peers -------------------------------------------------------------------------------

    def on_peer_connected(self, peer: str, hello: dict[str, Any], now_ms: float) -> list[Effect]:
        """A peer is there (again): send what it has not answered."""
        if hello["role"] == "gateway":
            self._clocks.on_connected(peer)
        if peer == "delivery":
            return [*self._records.resend(), *self._letters.resend()]
        if peer == "coordinator":
            self._heartbeat_ms = 0.0
            facts = {
                "role": "shard",
                "name": self.name,
                "index": self.index,
                "incarnation": self.incarnation,
                "epoch": self.epoch,
                "address": self.address,
            }
            register = Send("coordinator", Kind.REGISTER, facts)
            return [register, *self._panes.resend(self._kernel.clock_ms)]
        return list(self._actors.on_connected(peer, hello["incarnation"]))

    def on_peer_lost(self, peer: str, now_ms: float) -> list[Effect]:
        """A peer is gone; a gateway goes on to hold the clock for a while."""
        self._clocks.on_lost(peer, now_ms)
        return []

    def on_message(
        self,
        peer: str,
        kind: int,
        header: dict[str, Any],
        payload: bytes | memoryview,
        now_ms: float,
    ) -> list[Effect]:
        """A message of a peer."""
        if kind == Kind.BATCH:
            return self._on_batch(peer, header, payload, now_ms)
        if kind == Kind.RECORDS_DONE:
            self._records.on_done(header["seq"], header.get("outcomes"))
            return self._end_if_done()
        if kind == Kind.DEAD_LETTERS_DONE:
            self._letters.on_done(header["seq"])
            return self._end_if_done()
        if kind == Kind.ACTOR_FIRINGS:
            releases = self._actors.on_firings(peer, header, payload, int(now_ms))
            return [
                *self._release(releases, header.get("received_us", 0), now_ms),
                *self._end_if_done(),
            ]
        if kind == Kind.PANES_DONE:
            self._panes.on_done(header["open_from"], bytes(payload))
            return []
        if kind == Kind.TABLE:
            return self._on_table(RoutingTable.from_header(header))
        if kind == Kind.STOP:
            return self.on_stop(now_ms)
        return [Log("warning", "an unexpected message", {"peer": peer, "kind": kind})]

    # ---- events ------------------------------------------------------------------------------

    def _on_batch(
        self, peer: str, header: dict[str, Any], payload: bytes | memoryview, now_ms: float
    ) -> list[Effect]:
        seq, incarnation = header["seq"], header["incarnation"]
        if header["epoch"] != self.epoch:
            return [self._refuse(peer, seq, "epoch")]
        gateway = self._gateways.get(peer)
        if gateway is None or gateway.incarnation < incarnation:
            gateway = self._gateways[peer] = _Gateway(incarnation, int(peer.rpartition("-")[2]))
            self._clocks.on_new(peer)
        if gateway.incarnation > incarnation:
            return [self._refuse(peer, seq, "incarnation")]
        if seq <= gateway.last_seq:
            return self._ack_again(peer, seq)
        if gateway.last_seq and seq != gateway.last_seq + 1:
            return [self._refuse(peer, seq, "gap")]
        gateway.last_seq = seq
        if len(payload) >= _MARK_WATERMARK.size:
            self._panes.on_first_mark(_MARK_WATERMARK.unpack_from(payload)[0])
        outputs = self._kernel.apply(
            payload, gateway.number, incarnation, self._clocks.cap_ms(peer), int(now_ms)
        )
        self._clocks.on_batch(peer, header)
        record = msgpack.packb({"kind": "batch", **header, "now_ms": int(now_ms)})
        pending = _Pending(outputs, peer, seq, header.get("received_us", 0))
        return [self._append(pending, (record, payload))]

    def on_appended(self, token: int, now_ms: float) -> list[Effect]:
        """The journal record with this token, and all before it, are durable: release."""
        effects: list[Effect] = []
        while self._pending and next(iter(self._pending)) <= token:
            _, pending = self._pending.popitem(last=False)
            if pending.gateway:
                effects.append(Send(pending.gateway, Kind.BATCH_ACK, {"seq": pending.seq}))
            effects += self._release_outputs(pending, now_ms)
        return effects + self._end_if_done() if self._is_stopping else effects

    def on_tick(self, now_ms: float) -> list[Effect]:
        """Move the clock when a gateway has gone, report panes and, once a second, status."""
        effects: list[Effect] = []
        low_ms = self._clocks.low_ms(now_ms)
        if low_ms is not None and low_ms > self._kernel.clock_ms > NO_CLOCK:
            outputs = self._kernel.advance(low_ms, int(now_ms))
            record = msgpack.packb(
                {"kind": "advance", "watermark_ms": low_ms, "now_ms": int(now_ms)}
            )
            effects.append(self._append(_Pending(outputs), (record,)))
        is_heartbeat = now_ms - self._heartbeat_ms >= limits.heartbeat_ms
        if not self._pending and (is_heartbeat or self._program.metrics):
            effects += self._panes.report(self._kernel.clock_ms)
        effects += self._actors.on_tick(now_ms)
        if is_heartbeat:
            self._heartbeat_ms = now_ms
            status = msgpack.packb(self.status(now_ms))
            effects.append(Send("coordinator", Kind.HEARTBEAT, {}, status))
        return effects

    def on_stop(self, now_ms: float) -> list[Effect]:
        """No batch comes any more: `Stopped` follows when everything has been answered."""
        self._is_stopping = True
        return [*self._panes.report(self._kernel.clock_ms), *self._end_if_done()]

    def facts(self) -> dict[str, Any]:
        """What the hello tells gateways: the clock, and the gateways' incarnations."""
        known = {name: gateway.incarnation for name, gateway in self._gateways.items()}
        return {"index": self.index, "watermark_ms": self._kernel.clock_ms, "gateways": known}

    def status(self, now_ms: float) -> dict[str, Any]:
        """This shard's part of the status document, plain values."""
        return {
            **self.counters.status(self._kernel, now_ms),
            "clock_ms": None if self._kernel.clock_ms == NO_CLOCK else self._kernel.clock_ms,
            "outbox": {"records": self._records.items, "dead_letters": self._letters.items},
            "actors": self._actors.status(),
        }

    # ---- inside ------------------------------------------------------------------------------

    def _on_table(self, table: RoutingTable) -> list[Effect]:
        if self._table is not None and table.epoch < self._table.epoch:
            return []
        before = {route.name for route in self._table.hosts} if self._table else set()
        self._table = table
        self._clocks.on_table(table.gateways)
        mine = [route for route in table.shards if route.index == self.index]
        self.counters.key_groups = sum(route.last - route.first + 1 for route in mine)
        effects: list[Effect] = [
            Connect(route.name, route.address, route.incarnation)
            for route in (table.delivery, *table.hosts)
            if route.address
        ]
        gone = before - {route.name for route in table.hosts}
        return [*effects, *(Disconnect(name) for name in sorted(gone))]

    def _append(self, pending: _Pending, parts: tuple[bytes | memoryview, ...]) -> Append:
        self._token += 1
        self._pending[self._token] = pending
        return Append(self._token, parts)

    def _ack_again(self, peer: str, seq: int) -> list[Effect]:
        """Ack a batch applied before, unless its record is still on the way to the disk."""
        waiting = any(one.gateway == peer and one.seq <= seq for one in self._pending.values())
        return [] if waiting else [Send(peer, Kind.BATCH_ACK, {"seq": seq})]

    def _refuse(self, peer: str, seq: int, reason: str) -> Send:
        self.counters.refused[reason] = self.counters.refused.get(reason, 0) + 1
        return Send(peer, Kind.REFUSED, {"seq": seq, "reason": reason, "epoch": self.epoch})

    def _release_outputs(self, pending: _Pending, now_ms: float) -> list[Effect]:
        outputs = pending.outputs
        if outputs.panes:
            self._panes.add(outputs.panes)
        effects = self._release(outputs.releases, pending.received_us, now_ms)
        effects += self._keep_letters(outputs.dead_letters)
        for trigger, matches in outputs.matches.items():
            sends, dropped = self._actors.add(trigger, matches, pending.received_us)
            effects += sends
            if dropped:
                text = "a custom trigger is too slow; its oldest events were dropped"
                effects.append(
                    Log("warning", text, {"host": host_name(trigger), "events": dropped})
                )
        return effects

    def _release(
        self, releases: list[dict[str, Any]], received_us: int, now_ms: float
    ) -> list[Effect]:
        if not releases:
            return []
        self.counters.on_releases(releases, received_us, now_ms)
        sends, left = self._records.add(releases, received_us=received_us)
        return [*sends, *self._keep_letters([_outbox_full(item, now_ms) for item in left])]

    def _keep_letters(self, letters: list[dict[str, Any]]) -> list[Effect]:
        if not letters:
            return []
        self.counters.on_dead_letters(letters)
        sends, left = self._letters.add(letters)
        self.counters.letters_lost += len(left)
        return list(sends)

    def _end_if_done(self) -> list[Effect]:
        waiting = self._pending or len(self._records) or len(self._letters) or len(self._actors)
        if not self._is_stopping or self._is_stopped or waiting:
            return []
        self._is_stopped = True
        return [Send("coordinator", Kind.STOPPED, {"name": self.name}), Stopped()]


def _outbox_full(item: dict[str, Any], now_ms: float) -> dict[str, Any]:
    """The dead letter of a record that had to leave the outbox."""
    record = item["record"]
    return {
        "kind": "dead_letter",
        "id": record.get("id", ""),
        "reason": "outbox_full",
        "detail": "delivery was away or too slow",
        "source": "shard",
        "time": int(now_ms),
        "firing": record,
        "action": ", ".join(item["actions"]),
        "attempts": 0,
    }
