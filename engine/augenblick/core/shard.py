"""The shard core: batches of the gateways through the kernel, what came of them to everybody else.

Driven by `actors.shard` or the simulation. Guarantees:

- Nothing that came of a batch (ack, firing, dead letter, pane) leaves before the batch's journal
  record is durable, that is, before `on_appended`; applying may run ahead.
- A batch of a gateway is applied once and in order: an older number is acked again, a gap, another
  epoch or an older incarnation is refused.
- Records and dead letters are kept until delivery has answered for them and are sent again after a
  reconnect; when too many wait, the oldest leave, as dead letters or counted.
- Whatever changes state is a journal record (`shard_records`). Marks that moved nothing but the
  clock are not: the next record says where the clock stood.
- While too much waits for the disk, or a savepoint is taken, batches wait before they are applied.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any, Final

import msgpack

from augenblick import limits
from augenblick.binding.kernel import Outputs
from augenblick.binding.user_marks import UserMarks
from augenblick.core.effects import Append, Effect, Log, Send, Snapshot, Stopped
from augenblick.core.erasure import Erasure
from augenblick.core.leaving import LeavingPolicies
from augenblick.core.metrics import NO_CLOCK
from augenblick.core.outbox import Outbox
from augenblick.core.routing import shard_name
from augenblick.core.shard_actors import ShardActors
from augenblick.core.shard_clock import GatewayClocks
from augenblick.core.shard_kernel import ShardKernel
from augenblick.core.shard_late import LateTimers
from augenblick.core.shard_leaving import ShardLeaving
from augenblick.core.shard_panes import ShardPanes
from augenblick.core.shard_plan import plan_facts
from augenblick.core.shard_records import (
    advance_parts,
    batch_parts,
    erase_parts,
    erased_parts,
    outcome_parts,
    pane_parts,
    plan_parts,
    quiet_parts,
    start_parts,
)
from augenblick.core.shard_replay import ShardReplay
from augenblick.core.shard_rolling import RollingSnapshots
from augenblick.core.shard_savepoint import SavepointDuty
from augenblick.core.shard_state import Asked, Gateway, Pending, ShardState, encode_state
from augenblick.core.shard_status import ShardCounters, hello_facts
from augenblick.core.shard_table import ShardTable
from augenblick.core.shard_users import ShardUsers, response
from augenblick.durability.formats.packs import SHARD_UNIT
from augenblick.link.messages import Kind
from augenblick.plan.program import Program

_MARK_bytes: Final = 24  # a stream of so many bytes is one mark
Held = tuple[str, dict[str, Any], bytes | memoryview]


class ShardCore:
    """One shard, on one thread.

    `epoch` is the directory's, written before this core exists; `address` is where it listens.
    Where there is a journal the shell begins with `begin_recovery`, feeds `replay` with the units
    of the checkpoint and the journal's records, and ends with `on_recovered`; until then the shard
    reports for no duty and nothing leaves. `storage`: what the shell knows of the disk, for
    `status`. `is_start`: the whole engine starts, on the wall clock. `marks`: under the cluster's
    hash key.
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
        is_start: bool = False,
        marks: UserMarks | None = None,
    ) -> None:
        self.name = shard_name(index)
        self.index = index
        self.epoch = epoch
        self.incarnation = incarnation
        self.address = address
        self.counters = ShardCounters()
        self.replay: ShardReplay | None = None
        self.storage: dict[str, Any] = {}
        self._program = program
        self._kernel = kernel
        self._is_start = is_start
        self._clocks = GatewayClocks()
        self._late = LateTimers()
        self._gateways: dict[str, Gateway] = {}
        self._pending: OrderedDict[int, Pending] = OrderedDict()
        self._unanswered_bytes = 0
        self._held: deque[Held] = deque()
        self._token = 0
        self._durable_clock_ms = NO_CLOCK
        self._records = Outbox("delivery", Kind.RECORDS, incarnation)
        self._letters = Outbox("delivery", Kind.DEAD_LETTERS, incarnation)
        self._panes = ShardPanes(epoch, self._late)
        self._actors = ShardActors(program, incarnation)
        self._leaving = LeavingPolicies(program, is_event_clock=kernel.is_event_clock)
        waiting = (self._panes, self._actors, self._leaving, self._records, self._letters)
        self._state = ShardState(self._gateways, self._clocks, self._late, *waiting)
        self._out = ShardLeaving(self._state, kernel, self.counters, self._append)
        self.users = ShardUsers(kernel, self._state, marks or UserMarks())
        self._rolling: RollingSnapshots | None = None
        self._savepoint = SavepointDuty(kernel)
        self._table = ShardTable(index, self._clocks)
        self._heartbeat_ms = 0.0
        self._is_stopping = False
        self._is_stopped = False

    # ---- recovery ----------------------------------------------------------------------------

    def begin_recovery(
        self, rolling: RollingSnapshots, positions: Mapping[int, int]
    ) -> ShardReplay:
        """There is a journal. `positions`: of the units in the checkpoint."""
        self._rolling = rolling
        self.replay = ShardReplay(self._state, self._kernel, self._program, positions, self.users)
        return self.replay

    def on_recovered(self, now_ms: float) -> list[Effect]:
        """The journal has been read to its end and the shard listens: report for duty."""
        replay = self.replay
        assert replay is not None
        moved = replay.finish(now_ms)
        self.replay = None
        clock_ms = self._durable_clock_ms = self._kernel.clock_ms
        self.counters.on_recovered(self._kernel)
        facts = {**replay.progress(), "to_deliver": len(replay.records)}
        effects: list[Effect] = [Log("info", "recovered", facts)]
        if moved is not None:
            parts = advance_parts(clock_ms, int(now_ms))
            effects.append(self._append(Pending(moved, clock_ms), parts))
        parts = plan_parts(plan_facts(self._program))
        effects.append(self._append(self._out.nothing(), parts))
        if self._is_start:
            self._late.on_start(self._kernel.clock_ms)
            effects.append(self._append(self._out.nothing(), start_parts()))
        effects += self._report_for_duty()
        effects += self._table.on_recovered()
        effects += self._out.keep_letters(list(replay.letters.values()))
        return [*effects, *self._out.hand_over(list(replay.records.values()), 0, now_ms)]

    def on_checkpointed(self, now_ms: float) -> list[Effect]:
        """The set of snapshots that SHARD_UNIT ended is written."""
        if self._rolling is not None:
            self._rolling.is_writing = False
        return self._end_if_done()

    def on_saving(self, waiting_bytes: int | None, now_ms: float) -> list[Effect]:
        """Go on with a savepoint, of which so many bytes wait (None: see if it may begin)."""
        if not self._savepoint.is_holding:
            return []
        effects = self._savepoint.go_on(waiting_bytes, self._encoded, not self._pending, now_ms)
        if self._rolling is not None:
            self._rolling.on_snapshotted()
        return [*effects, *self._take_held(now_ms)]

    def on_saved(self, name: str, size: int, error: str, now_ms: float) -> list[Effect]:
        """A savepoint's last unit is durable, or one could not be written."""
        return [*self._savepoint.on_saved(name, size, error), *self._take_held(now_ms)]

    def on_storage_full(self, is_full: bool, now_ms: float) -> list[Effect]:
        """The disk has no room: nothing is acknowledged until it has again."""
        text = "the disk is full: no acknowledgement until there is room"
        return [Log("error", text if is_full else "the disk has room again")]

    # ---- users -------------------------------------------------------------------------------

    def renew(self) -> None:
        """Snapshot whatever has changed, in one go, so that nothing needs the old journal."""
        if self._rolling is not None:
            self._rolling.hurry()

    def on_receipt(self, erasure: Erasure, now_ms: float) -> list[Effect]:
        """The receipt is written: the erasure has ended."""
        self.users.end(erasure.name)
        return [self._append(self._out.nothing(), erased_parts(*erasure.name))]

    def _on_request(
        self, peer: str, header: dict[str, Any], payload: bytes | memoryview, now_ms: float
    ) -> list[Effect]:
        if self.replay is not None or self._savepoint.is_holding:
            error = f"{self.name} recovers or is saved: try again in a moment"
            return [response(peer, header, 503, {"error": error})]
        pending = self._pending.values()
        effects, erasure = self.users.on_request(peer, header, payload, pending, now_ms)
        if erasure is None:
            return effects
        waiting = self._out.nothing()
        waiting.asked = Asked(peer, header, erasure.name)
        parts = erase_parts(erasure.user, erasure.key, erasure.asked_ms)
        return [*effects, self._append(waiting, parts)]

    # ---- peers -------------------------------------------------------------------------------

    def on_peer_connected(self, peer: str, hello: dict[str, Any], now_ms: float) -> list[Effect]:
        """A peer is there (again): send what it has not answered."""
        if hello["role"] == "gateway":
            self._clocks.on_connected(peer)
            self._held = deque(one for one in self._held if one[0] != peer)  # it sends them again
        if peer == "delivery":
            resent = [*self._records.resend(), *self._letters.resend()]
            return [*resent, *self.users.on_delivery(now_ms)]
        if peer == "coordinator":
            self._heartbeat_ms = 0.0
            return [] if self.replay is not None else self._report_for_duty()
        effects, dropped = self._actors.on_connected(peer, hello["incarnation"])
        return [*effects, *self._out.note_answers(dropped)]

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
            seq, outcomes = header["seq"], header.get("outcomes")
            keys = self._records.answered(seq, outcomes)
            self._records.on_done(seq, outcomes)
            return self._note_outcomes(records=keys)
        if kind == Kind.DEAD_LETTERS_DONE:
            ids = self._letters.answered(header["seq"])
            self._letters.on_done(header["seq"])
            return self._note_outcomes(letters=ids)
        if kind == Kind.ACTOR_FIRINGS:
            answer = self._actors.on_firings(peer, header, payload, int(now_ms))
            return [] if answer is None else self._out.note_answers([answer])
        if kind == Kind.PANES_DONE:
            open_from, closed = header["open_from"], bytes(payload)
            self._panes.on_done(open_from, closed)
            return [self._append(self._out.nothing(), pane_parts(open_from, closed))]
        if kind == Kind.TABLE:
            return self._table.on_table(header, is_recovering=self.replay is not None)
        if kind == Kind.SAVEPOINT:
            effects = self._savepoint.on_request(header, self.replay is not None, now_ms)
            return [*effects, *self.on_saving(None, now_ms)]
        if kind == Kind.SAVEPOINT_DROPPED:
            return [*self._savepoint.on_dropped(header["name"]), *self._take_held(now_ms)]
        if kind == Kind.REQUEST:
            return self._on_request(peer, header, payload, now_ms)
        if kind == Kind.LETTERS_ERASED:
            return self.users.on_letters_clean(header, now_ms)
        if kind == Kind.STOP:
            return self.on_stop(now_ms)
        return [Log("warning", "an unexpected message", {"peer": peer, "kind": kind})]

    # ---- events ------------------------------------------------------------------------------

    def _on_batch(
        self, peer: str, header: dict[str, Any], payload: bytes | memoryview, now_ms: float
    ) -> list[Effect]:
        is_full = self._unanswered_bytes > limits.journal_unanswered_bytes_max
        if self._held or is_full or self._savepoint.is_holding:
            self._held.append((peer, header, payload))
            return []
        seq, incarnation = header["seq"], header["incarnation"]
        if header["epoch"] != self.epoch:
            return [self._refuse(peer, seq, "epoch")]
        gateway = self._gateways.get(peer)
        is_new = gateway is None or gateway.incarnation < incarnation
        if gateway is None or is_new:
            gateway = self._gateways[peer] = Gateway(incarnation, int(peer.rpartition("-")[2]))
            self._clocks.on_new(peer)
        if gateway.incarnation > incarnation:
            return [self._refuse(peer, seq, "incarnation")]
        if seq <= gateway.last_seq:
            return self._ack_again(peer, seq)
        if gateway.last_seq and seq != gateway.last_seq + 1 and not gateway.may_jump:
            return [self._refuse(peer, seq, "gap")]
        gateway.last_seq = seq
        gateway.may_jump = False
        return self._apply(peer, gateway.number, header, payload, int(now_ms), is_new)

    def _apply(
        self,
        peer: str,
        number: int,
        header: dict[str, Any],
        payload: bytes | memoryview,
        now_ms: int,
        is_new: bool,
    ) -> list[Effect]:
        self._panes.on_stream(payload)
        kernel, seq = self._kernel, header["seq"]
        cap_ms, is_full = self._clocks.cap_ms(peer), kernel.decide_users()
        call = {"cap_ms": cap_ms, "clock_ms": kernel.clock_ms, "now_ms": now_ms}
        outputs = kernel.apply(payload, number, header["incarnation"], cap_ms, now_ms)
        is_new |= self._late.after(outputs, kernel.clock_ms, now_ms)
        self._clocks.on_batch(peer, header)
        if (size := len(payload)) == _MARK_bytes and not (is_new or self._pending or outputs):
            return [Send(peer, Kind.BATCH_ACK, {"seq": seq})]
        received_us = header.get("received_us", 0)
        outputs.releases = self._leaving.sift(outputs.releases)
        pending = Pending(outputs, kernel.clock_ms, peer, seq, received_us, size)
        parts = batch_parts(header, payload, **call, is_full=is_full)
        return [self._append(pending, parts)]

    def on_appended(self, token: int, now_ms: float) -> list[Effect]:
        """The journal record with this token, and all before it, are durable: release."""
        effects: list[Effect] = []
        while self._pending and next(iter(self._pending)) <= token:
            _, pending = self._pending.popitem(last=False)
            self._unanswered_bytes -= pending.bytes
            self._durable_clock_ms = pending.clock_ms
            if pending.gateway:
                effects.append(Send(pending.gateway, Kind.BATCH_ACK, {"seq": pending.seq}))
            if pending.outputs:
                effects += self._out.release(pending, now_ms)
            if pending.asked is not None:
                effects += self.users.on_durable(pending.asked, now_ms)
        effects += self.on_saving(None, now_ms)
        if self._held:
            effects += self._take_held(now_ms)
        return effects + self._end_if_done() if self._is_stopping else effects

    def on_tick(self, now_ms: float) -> list[Effect]:
        """Move the clock when a gateway has gone, report panes, go on with the checkpoint and, once
        a second, report status.
        """
        is_heartbeat = now_ms - self._heartbeat_ms >= limits.heartbeat_ms
        effects: list[Effect] = []
        if self.replay is None:
            effects += [*self._advance(now_ms, is_heartbeat), *self._let_go(now_ms)]
            if is_heartbeat or self._program.metrics:
                effects += self._panes.report(self._durable_clock_ms)
            effects += self._actors.on_tick(now_ms)
            effects += self._go_on_with_checkpoint(now_ms)
        if is_heartbeat:
            self._heartbeat_ms = now_ms
            effects += [*self._savepoint.report(), *self.on_saving(None, now_ms)]
            effects += self.users.on_tick(now_ms)
            status = msgpack.packb(self.status(now_ms))
            effects.append(Send("coordinator", Kind.HEARTBEAT, {}, status))
        return effects

    def on_stop(self, now_ms: float) -> list[Effect]:
        """No batch comes any more: `Stopped` follows when everything has been answered, and all of
        the state is in the checkpoint.
        """
        self._is_stopping = True
        return [*self._panes.report(self._durable_clock_ms), *self._end_if_done()]

    def facts(self) -> dict[str, Any]:
        """What the hello tells gateways: the clock, and the gateways' incarnations."""
        clock_ms = self._durable_clock_ms if self._pending else self._kernel.clock_ms
        return hello_facts(self.index, clock_ms, self._late, self._gateways)

    def status(self, now_ms: float) -> dict[str, Any]:
        """This shard's part of the status document, plain values."""
        more = (self._actors.suppressed(), self._leaving.suppressed)
        return {
            **self.counters.status(self._kernel, now_ms, *more),
            "quiet_held": len(self._leaving),
            "key_groups": self._table.key_groups,
            "clock_ms": None if self._kernel.clock_ms == NO_CLOCK else self._kernel.clock_ms,
            "outbox": {"records": self._records.items, "dead_letters": self._letters.items},
            "actors": self._actors.status(),
            "erasures": self.users.status(),
            "held_batches": len(self._held),
            "storage": self.storage,
            "is_recovering": self.replay is not None,
        }

    # ---- inside ------------------------------------------------------------------------------

    def _report_for_duty(self) -> list[Effect]:
        facts: dict[str, Any] = {"role": "shard", "name": self.name, "index": self.index}
        facts |= {"incarnation": self.incarnation, "epoch": self.epoch, "address": self.address}
        panes = self._panes.resend(self._durable_clock_ms)
        return [Send("coordinator", Kind.REGISTER, facts), *panes]

    def _advance(self, now_ms: float, is_heartbeat: bool) -> list[Effect]:
        """Move the clock on; what it did is a record, and so is the clock itself before others
        build on it: when a metric window may close, and once a second.
        """
        kernel = self._kernel
        if self._savepoint.is_holding:
            return []
        low_ms = self._clocks.low_ms(now_ms)
        if low_ms is not None and low_ms > kernel.clock_ms > NO_CLOCK:
            outputs = kernel.advance(low_ms, int(now_ms))
            if self._late.after(outputs, kernel.clock_ms, int(now_ms)) or outputs:
                outputs.releases = self._leaving.sift(outputs.releases)
                pending = Pending(outputs, kernel.clock_ms)
                return [self._append(pending, advance_parts(low_ms, int(now_ms)))]
        clock_ms, durable_ms = kernel.clock_ms, self._durable_clock_ms
        if self._pending or clock_ms <= durable_ms:
            return []
        sizes_ms = [metric.size_ms for metric in self._program.metrics]
        if is_heartbeat or any((clock_ms - 1) // ms > (durable_ms - 1) // ms for ms in sizes_ms):
            return [self._append(self._out.nothing(), advance_parts(clock_ms, int(now_ms)))]
        return []

    def _let_go(self, now_ms: float) -> list[Effect]:
        """Let go what quiet hours have held and hold no longer, as fast as delivery takes it."""
        at = (self._kernel.clock_ms, int(now_ms))
        is_full = self._state.records.items > limits.quiet_outbox_items_max
        if self._savepoint.is_holding or is_full or not self._leaving.is_due(*at):
            return []
        let_go = self._leaving.due(*at, limits.quiet_let_go_max)
        pending = Pending(Outputs(let_go), self._kernel.clock_ms)
        return [self._append(pending, quiet_parts(*at, limits.quiet_let_go_max))]

    def _go_on_with_checkpoint(self, now_ms: float) -> list[Effect]:
        if self._rolling is None:
            return []
        effects = self._rolling.step(self._kernel, self._token, now_ms)
        if self._rolling.is_set_full(now_ms):
            self._rolling.on_set_ended()
            effects.append(Snapshot(SHARD_UNIT, self._encoded()))
        return effects

    def _encoded(self) -> bytes:
        """What the shard knows beside its key groups."""
        return encode_state(
            self._state,
            self._pending.values(),
            plan=plan_facts(self._program),
            clock_ms=self._kernel.clock_ms,
            letters_made=self._kernel.letters_made,
        )

    def _append(self, pending: Pending, parts: tuple[bytes | memoryview, ...]) -> Append:
        self._token += 1
        self._pending[self._token] = pending
        self._unanswered_bytes += pending.bytes
        return Append(self._token, parts)

    def _note_outcomes(
        self, records: list[str] | None = None, letters: list[str] | None = None
    ) -> list[Effect]:
        if not records and not letters:
            return self._end_if_done()
        return [self._append(self._out.nothing(), outcome_parts(records, letters))]

    def _take_held(self, now_ms: float) -> list[Effect]:
        """Half of the bytes are durable: apply what waited."""
        effects: list[Effect] = []
        is_free = self._unanswered_bytes <= limits.journal_unanswered_bytes_max / 2
        if is_free and not self._savepoint.is_holding:
            held, self._held = self._held, deque()
            while held and self._unanswered_bytes <= limits.journal_unanswered_bytes_max:
                effects += self._on_batch(*held.popleft(), now_ms)
            self._held = held
        return effects

    def _ack_again(self, peer: str, seq: int) -> list[Effect]:
        """Ack a batch applied before, unless its record is still on the way to the disk."""
        waiting = any(one.gateway == peer and one.seq <= seq for one in self._pending.values())
        return [] if waiting else [Send(peer, Kind.BATCH_ACK, {"seq": seq})]

    def _refuse(self, peer: str, seq: int, reason: str) -> Send:
        self.counters.refused[reason] = self.counters.refused.get(reason, 0) + 1
        return Send(peer, Kind.REFUSED, {"seq": seq, "reason": reason, "epoch": self.epoch})

    def _end_if_done(self) -> list[Effect]:
        unanswered = len(self._records) or len(self._letters) or len(self._actors)
        waiting = self._pending or self._held or unanswered
        if not self._is_stopping or self._is_stopped or waiting:
            return []
        if self._rolling is not None and not self._rolling.is_finished:
            self._rolling.begin_last()
            return []
        self._is_stopped = True
        return [Send("coordinator", Kind.STOPPED, {"name": self.name}), Stopped()]
