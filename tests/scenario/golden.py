"""A scenario through shard cores with journals and checkpoints, on any number of shards.

One gateway on the event clock, pure cores, simulated disks: what `serve --clock event` does with a
file, without sockets. A run may end with a savepoint, and another, on other shards, begin with it.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgpack
import numpy as np
from tests.scenario.cases import Case
from tests.simulation.disk import SimulatedFiles
from tests.unit.native.kernels import KEY, group_of

from augenblick.binding.blocks import NO_TIME_ms
from augenblick.binding.kernel import Kernel
from augenblick.binding.keys import key_group_of
from augenblick.binding.releases import record_key
from augenblick.binding.scanning import NDJSON, Router, Source
from augenblick.core.effects import Append, Confirm, Effect, Save, Send, Snapshot
from augenblick.core.metrics import MetricMerger
from augenblick.core.routing import even_ranges, shard_name
from augenblick.core.savepoint_units import OldUnit, split_units
from augenblick.core.shard import ShardCore
from augenblick.core.shard_panes import parts_of
from augenblick.core.shard_rolling import RollingSnapshots
from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.formats.head import Owner
from augenblick.durability.formats.packs import SHARD_UNIT
from augenblick.durability.journal import SegmentJournal
from augenblick.durability.recovery import recover
from augenblick.durability.snapshot_set import SnapshotSet
from augenblick.link.messages import Kind
from augenblick.plan.program import Program

END_OF_TIME_ms = 2**62
STEP_ms = 1000.0  # from one batch to the next: a heartbeat, and a set of snapshots, each time
Units = dict[int, bytes]
Savepoint = list[tuple[tuple[int, int], Units]]
"""For each shard its key groups (first, last) and its units."""


class GoldenShard:
    """One shard: a core over its disk, and what has left it."""

    def __init__(self, case: Case, program: Program, index: int, units: Sequence[int]) -> None:
        self.index = index
        self.units = units
        self.disk = SimulatedFiles(index)
        self.epoch = 0
        self.sent: list[Send] = []
        self.saved: Units = {}
        self._case = case
        self._program = program
        self._seq = 0

    def begin(self, units: Units) -> None:
        """Put the units of a savepoint into the empty directory."""
        self.epoch += 1
        checkpoint = Checkpoint(self.disk, self._owner)
        checkpoint.open(self.epoch)
        for unit, data in units.items():
            checkpoint.add(unit, 0, data)
        checkpoint.commit()

    def start(self, now_ms: float) -> None:
        """The next owner of the directory."""
        self.epoch += 1
        kinds, name = self._case.emit, shard_name(self.index)
        kernel = Kernel(
            self._program,
            emit_sessions="session" in kinds,
            emit_windows="window" in kinds,
            stamp_ingest=True,
            source=name,
        )
        self.core = ShardCore(
            self._program, kernel, index=self.index, incarnation=self.epoch, epoch=self.epoch
        )
        checkpoint = Checkpoint(self.disk, self._owner)
        checkpoint.open(self.epoch)
        self.journal = SegmentJournal(self.disk, self._owner, segment_bytes=8192)
        self.journal.open(self.epoch, reach=checkpoint.reach)
        self.snapshots = SnapshotSet(self.journal, checkpoint, self.units)
        rolling = RollingSnapshots(self.units, checkpoint.positions)
        replay = self.core.begin_recovery(rolling, checkpoint.positions)
        for _ in recover(replay, self.journal, checkpoint, self.snapshots.tail):
            pass
        self.carry_out(self.core.on_recovered(now_ms), now_ms)
        self.carry_out(
            self.core.on_peer_connected("delivery", {"role": "delivery"}, now_ms), now_ms
        )
        hello = {"role": "gateway", "incarnation": 1}
        self.core.on_peer_connected("gateway-0", hello, now_ms)

    def batch(self, header: dict[str, Any], stream: bytes, now_ms: float) -> None:
        self._seq += 1
        full = {**header, "seq": self._seq, "epoch": self.epoch}
        self.carry_out(self.core.on_message("gateway-0", Kind.BATCH, full, stream, now_ms), now_ms)
        for _ in range(2):  # the clock becomes a record, and is reported
            self.carry_out(self.core.on_tick(now_ms), now_ms)

    def carry_out(self, effects: Iterable[Effect], now_ms: float) -> None:
        tokens = []
        for effect in effects:
            if isinstance(effect, Append):
                self.journal.append(effect.parts)
                tokens.append(effect.token)
            elif isinstance(effect, Snapshot | Confirm):
                self.snapshots.keep(effect.unit, getattr(effect, "data", None))
            elif isinstance(effect, Save):
                self.saved[effect.unit] = effect.data
            elif isinstance(effect, Send):
                self.sent.append(effect)
        if tokens:
            while self.journal.durable < self.journal.position:
                self.journal.commit()
            self.carry_out(self.core.on_appended(tokens[-1], now_ms), now_ms)
        if self.snapshots.is_ready:
            self.snapshots.hand_over()
            self.snapshots.write()
            self.core.on_checkpointed(now_ms)

    def save(self, now_ms: float) -> Units:
        """A savepoint's units."""
        self.saved = {}
        request = {"name": "s", "url": "", "ranges": [[one, one] for one in self.units]}
        effects = self.core.on_message("coordinator", Kind.SAVEPOINT, request, b"", now_ms)
        self.carry_out(effects, now_ms)
        while SHARD_UNIT not in self.saved:
            self.carry_out(self.core.on_saving(0, now_ms), now_ms)
        self.carry_out(self.core.on_saved("s", 1, "", now_ms), now_ms)
        return self.saved

    @property
    def _owner(self) -> Owner:
        return Owner("golden", shard_name(self.index))


class GoldenRun:
    """One engine. `records` and `letters` by key: what leaves twice has to be equal."""

    def __init__(
        self, case: Case, program: Program, shards: int, before: "GoldenRun | None" = None
    ) -> None:
        """`before`: begin with a savepoint of that one, now; its client goes on with this one."""
        self.records: dict[str, dict[str, Any]] = {}
        self.letters: list[dict[str, Any]] = []
        self.now_ms = 0.0 if before is None else before.now_ms
        self._incarnation = 1 if before is None else 2
        self._source = Source() if before is None else before._source
        self._merger = MetricMerger(program)
        self._ranges = even_ranges(shards)
        self._merger.assign(dict(enumerate(self._ranges)))
        self._router = Router(program, KEY)
        sizes = [high - low + 1 for low, high in self._ranges]
        self._router.set_table(np.repeat(np.arange(shards, dtype=np.uint16), sizes))
        self._router.clock_event = True
        self._router.time_required = True
        users = {str(event["user"]) for event in case.events if "user" in event}
        groups = sorted(map(group_of, users))
        self.shards = [
            GoldenShard(case, program, index, [one for one in groups if low <= one <= high])
            for index, (low, high) in enumerate(self._ranges)
        ]
        if before is not None:
            self._begin_as(before)
        for shard in self.shards:
            shard.start(self.now_ms)
        self._take()

    def feed(self, lines: Sequence[bytes]) -> None:
        """Lines of events, as one batch."""
        data = b"\n".join(lines) + b"\n"
        self._router.route(data, 0, len(data), NDJSON, self._source, NO_TIME_ms)
        if self._source.events:
            self._router.mark(self._router.watermark_ms, self._source.max_event_ms)
        self._send()

    def end(self, *, drain: bool) -> None:
        """The end of the input, and the end of time."""
        if self._source.events:
            for watermark_ms in (
                self._source.max_event_ms + 1,
                *([END_OF_TIME_ms] if drain else []),
            ):
                self._router.mark(watermark_ms, self._source.max_event_ms)
                self._send()

    def crash(self) -> None:
        """All shards die and recover; everything answered is durable."""
        for shard in self.shards:
            self._confirm()
            shard.start(self.now_ms)
        self._take()

    def save(self) -> Savepoint:
        """A savepoint of all shards."""
        found = [(shard.index, shard.save(self.now_ms)) for shard in self.shards]
        return [(self._ranges[index], units) for index, units in found]

    def _begin_as(self, before: "GoldenRun") -> None:
        saved = before.save()
        old = [OldUnit(low, units[SHARD_UNIT]) for (low, _), units in saved]
        new = split_units(old, self._ranges, lambda user: key_group_of(KEY, user))
        groups = {unit: data for _, units in saved for unit, data in units.items()}
        for shard, unit in zip(self.shards, new, strict=True):
            shard.begin({**{one: groups[one] for one in shard.units}, SHARD_UNIT: unit})
        self._router.watermark_ms = before._router.watermark_ms

    def _send(self) -> None:
        self.now_ms += STEP_ms
        header = {
            "gateway": "gateway-0",
            "incarnation": self._incarnation,
            "watermark_ms": self._router.watermark_ms,
            "is_running": True,
            "received_us": 0,
        }
        for shard in self.shards:
            stream, _ = self._router.take(shard.index)
            if stream:
                shard.batch(header, stream, self.now_ms)
        self._take()

    def _take(self) -> None:
        """What has left the shards goes to delivery and to the coordinator."""
        for shard in self.shards:
            for send in shard.sent:
                if send.kind == Kind.RECORDS:
                    for item in msgpack.unpackb(send.payload, strict_map_key=False):
                        self._keep(item["record"])
                elif send.kind == Kind.DEAD_LETTERS:
                    self.letters += msgpack.unpackb(send.payload, strict_map_key=False)
                elif send.kind == Kind.PANES:
                    self._panes(shard.index, send)
            shard.sent = []
        self._confirm()

    def _panes(self, index: int, send: Send) -> None:
        closed, rows = parts_of(send.payload)
        if closed is not None:
            self._merger.restore(closed)
        header = send.header
        releases = self._merger.panes(
            index, header["clock_ms"], rows, origin_ms=header["origin_ms"], now_ms=0
        )
        for item in releases:
            self._keep(item["record"])

    def _confirm(self) -> None:
        """Metric windows that have closed are confirmed: shards may forget their panes."""
        header, closed = {"open_from": self._merger.open_from()}, self._merger.snapshot()
        if header["open_from"]:
            for shard in self.shards:
                effects = shard.core.on_message(
                    "coordinator", Kind.PANES_DONE, header, closed, self.now_ms
                )
                shard.carry_out(effects, self.now_ms)

    def _keep(self, record: dict[str, Any]) -> None:
        plain = {key: value for key, value in record.items() if key not in ("fired_at", "late_by")}
        assert self.records.setdefault(record_key(record), plain) == plain, "not the same again"


def compared(case: Case, *runs: GoldenRun) -> list[str]:
    """All that has left these runs together, of the kinds the case looks at, by (time, id)."""
    records: dict[str, dict[str, Any]] = {}
    letters: dict[str, dict[str, Any]] = {}
    for run in runs:
        for key, record in run.records.items():
            assert records.setdefault(key, record) == record, "not the same after a savepoint"
        letters |= {one["id"]: one for one in run.letters}
    return in_order(case, [*records.values(), *letters.values()])


def in_order(case: Case, records: Iterable[dict[str, Any]]) -> list[str]:
    """Without what two engines may say differently."""
    shown = []
    for record in records:
        left_out = {"fired_at", "late_by"}
        if record["kind"] == "dead_letter":
            if record["detail"]:
                continue  # refused at the door
            left_out |= {"id", "source"}
        if record["kind"] in case.emit:
            plain = {key: value for key, value in record.items() if key not in left_out}
            time_ms = plain.get("end") if plain.get("time") is None else plain["time"]
            shown.append((time_ms or 0, str(plain.get("id")), json.dumps(plain, sort_keys=True)))
    return [text for _, _, text in sorted(shown)]
