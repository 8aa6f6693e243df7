"""Shards with a disk: one for each shard, which outlives its processes and has every fault.

What a shard sends is checked on the way out: no ack and no record of an event that is not durable,
and nothing again whose final outcome is in the journal.
"""

import random
import re
import struct
from collections.abc import Sequence
from typing import Any

import msgpack
import numpy as np
from tests.simulation.cluster import START_MS, Cluster, new_router
from tests.simulation.disk import Crashed, SimulatedFiles
from tests.simulation.journal_story import keys_of_owner
from tests.simulation.network import Node, World

from augenblick.binding.kernel import Kernel
from augenblick.binding.releases import record_key
from augenblick.binding.scanning import RECORDS, Source
from augenblick.core.effects import Append, Confirm, Effect, Save, Send, Snapshot, Stopped
from augenblick.core.routing import even_ranges, shard_name
from augenblick.core.shard import ShardCore
from augenblick.core.shard_records import BATCH, split_record
from augenblick.core.shard_rolling import RollingSnapshots
from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.formats.head import Owner
from augenblick.durability.formats.packs import SHARD_UNIT
from augenblick.durability.journal import SegmentJournal
from augenblick.durability.recovery import recover
from augenblick.durability.snapshot_set import SnapshotSet
from augenblick.errors import CorruptionFound, JournalBroken, StorageError, StorageFull
from augenblick.link.messages import Kind
from augenblick.plan.program import Program

COMMIT_MS = (0.1, 8.0)
SLOW_COMMIT_MS = 120.0
RETRY_MS = 40.0
SPARE_MS = (1.0, 30.0)  # from the end of a shard's process to the end of a spare's recovery
SPARE_SHARE = 0.5
_EVENT_ID = re.compile(rb"\xa2id.(e\d+)")


class ShardDisk:
    """A shard's directory and what is known of it from outside."""

    def __init__(self, seed: int, units: list[int]) -> None:
        self.files = SimulatedFiles(seed)
        self.units = units
        self.epoch = 0
        self.durable_ids: set[bytes] = set()
        self.final: set[str] = set()
        self.recoveries = 0
        self.replayed = 0
        self.from_checkpoint = 0


class DurableShardNode(Node):
    """A shard whose records become durable after a while; it dies with its disk's faults."""

    cluster: "DurableCluster"
    core: ShardCore
    is_stopped = False

    def begin(self, disk: ShardDisk, journal: SegmentJournal, snapshots: SnapshotSet) -> None:
        """Recovered: take records."""
        self.disk = disk
        self.journal = journal
        self.snapshots = snapshots
        self.waiting: list[tuple[int, int, int, set[bytes]]] = []  # end, token, seq, event ids
        self.answered: list[tuple[int, list[str]]] = []
        self.is_committing = False
        self.is_writing = False

    def receive(self, peer: str, message: Send) -> None:
        if message.kind == Kind.TABLE:
            self.cluster.table = message.header  # as a spare has it
        keys: list[str] = []
        if message.kind == Kind.RECORDS_DONE:
            header = message.header
            keys = self.core._records.answered(header["seq"], header.get("outcomes"))
        super().receive(peer, message)
        if keys and self.is_alive:
            self.answered.append((self.journal.position, keys))

    def carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._check(effect)
        super().carry_out(effects)

    def carry_out_own(self, effect: Effect) -> None:
        if isinstance(effect, Append):
            self._append(effect)
        elif isinstance(effect, Snapshot | Confirm):
            self.snapshots.keep(effect.unit, getattr(effect, "data", None))
            self._write_later()
        elif isinstance(effect, Save):
            self._save(effect)
        elif isinstance(effect, Stopped):
            self.is_stopped = True

    def _save(self, effect: Save) -> None:
        """Written after a while, and sometimes not; each unit asks for more."""
        name, delay_ms = effect.name, self.world.between(COMMIT_MS)
        part = self.cluster.saved.setdefault((name, self.name), set())
        part.add(effect.unit)
        if effect.unit == SHARD_UNIT:
            error = "no room" if self.world.random.random() < 0.2 else ""
            self.world.later(delay_ms, lambda: self._on_saved(name, error))
        elif len(part) % 500 == 1:
            self.world.later(delay_ms, self._go_on_saving)

    def _on_saved(self, name: str, error: str) -> None:
        if self.is_alive:
            self.carry_out(self.core.on_saved(name, 1, error, self.world.now_ms))

    def _go_on_saving(self) -> None:
        if self.is_alive:
            self.carry_out(self.core.on_saving(0, self.world.now_ms))

    def _append(self, effect: Append) -> None:
        body = b"".join(effect.parts)
        header, payload = split_record(body)
        seq, ids = 0, set()
        if header["kind"] == BATCH:
            seq, ids = header["seq"], set(_EVENT_ID.findall(payload))
        end = self.journal.append(effect.parts)
        self.waiting.append((end, effect.token, seq, ids))
        if not self.is_committing:
            self.is_committing = True
            slow = self.world.random.random() < 0.02
            delay_ms = SLOW_COMMIT_MS if slow else self.world.between(COMMIT_MS)
            self.world.later(delay_ms, self._commit)

    def _commit(self) -> None:
        if not self.is_alive:
            return
        try:
            while self.journal.durable < self.journal.position:
                self.journal.commit()
        except StorageFull:
            self.carry_out(self.core.on_storage_full(True, self.world.now_ms))
            self.world.later(RETRY_MS, self._commit)
            return
        except (JournalBroken, Crashed):
            self.cluster.crash(self.name)
            return
        self.is_committing = False
        done = [one for one in self.waiting if one[0] <= self.journal.durable]
        self.waiting = self.waiting[len(done) :]
        for _, _, _, ids in done:
            self.disk.durable_ids |= ids
        for end, keys in self.answered:
            if end <= self.journal.durable:
                self.disk.final.update(keys)
        self.answered = [one for one in self.answered if one[0] > self.journal.durable]
        if done:
            self.carry_out(self.core.on_appended(done[-1][1], self.world.now_ms))

    def _write_later(self) -> None:
        if not self.is_writing:
            self.is_writing = True
            self.world.later(self.world.between(COMMIT_MS), self._write)

    def _write(self) -> None:
        if not self.is_alive:
            return
        if not self.snapshots.is_ready:
            self.world.later(self.world.between(COMMIT_MS), self._write)
            return
        self.snapshots.hand_over()
        self._try_write()

    def _try_write(self) -> None:
        if not self.is_alive:
            return
        try:
            self.snapshots.write()
        except Crashed:
            self.cluster.crash(self.name)
            return
        except StorageError:
            self.world.later(RETRY_MS, self._try_write)
            return
        self.is_writing = False
        self.carry_out(self.core.on_checkpointed(self.world.now_ms))

    def _check(self, send: Send) -> None:
        if send.kind == Kind.BATCH_ACK:
            seq = send.header["seq"]
            assert all(not 0 < one[2] <= seq for one in self.waiting), "acked before it is durable"
        if send.kind == Kind.RECORDS:
            for item in msgpack.unpackb(send.payload, strict_map_key=False):
                record = item["record"]
                cause = (record.get("cause") or {}).get("id")
                is_known = cause is None or cause.encode() in self.disk.durable_ids
                assert is_known, "an effect of what is not durable"
                assert record_key(record) not in self.disk.final, "left again after its outcome"


class DurableCluster(Cluster):
    """Every process may die, with its machine or alone, and nothing is lost.

    A shard listens at the same address whoever owns it. Half of those that die are taken over by a
    spare, which asks nobody; the others wait for the coordinator.
    """

    table: dict[str, Any] | None = None
    takeovers = 0

    def __init__(
        self, world: World, program: Program, shards: int, chunks: Sequence[bytes], window: int
    ) -> None:
        drawn = world.random.random()
        self.chance = random.Random(drawn)
        self.key_seed = int(drawn * 1_000_000)
        groups = key_groups_of(program, chunks)
        self.disks = [
            ShardDisk(index, sorted(group for group in groups if low <= group <= high))
            for index, (low, high) in enumerate(even_ranges(shards))
        ]
        self.saved: dict[tuple[str, str], set[int]] = {}
        super().__init__(world, program, shards, chunks, window)

    def crash(self, name: str) -> None:
        """A shard's disk sees the end of its process, or of its machine."""
        node = self.world.nodes[name]
        if isinstance(node, DurableShardNode) and node.is_alive:
            self._fail(node.disk)
            if self.chance.random() < SPARE_SHARE:
                index = node.core.index
                self.world.later(self.world.between(SPARE_MS), lambda: self._take_over(index))
        super().crash(name)

    def crash_all(self) -> None:
        """The machine is lost; whoever starts the engine starts everything."""
        names = list(self.world.nodes)
        for name in names:
            node = self.world.nodes[name]
            if isinstance(node, DurableShardNode) and node.is_alive:
                node.disk.files.crash_machine()
                delay_ms = self.world.between(self.start_ms)
                index = node.core.index
                self.world.later(delay_ms, lambda one=index: self._start_again(one, True))
            super().crash(name)

    def ask_savepoint(self) -> None:
        """Somebody asks for one."""
        node = self.world.nodes["coordinator"]
        if node.is_alive:
            header = {"id": 1, "method": "POST", "path": "/v1/savepoints"}
            node.carry_out(
                node.core.on_message("control", Kind.REQUEST, header, b"{}", self.world.now_ms)
            )

    def start_shard(self, index: int, incarnation: int, is_start: bool = False) -> None:
        """The next owner of the directory, unless the one before still lives."""
        name, disk = shard_name(index), self.disks[index]
        before = self.world.nodes.get(name)
        if before is not None and before.is_alive:
            return
        disk.epoch += 1
        owner = Owner("sim", name)
        keys = keys_of_owner(self.key_seed, disk.epoch)
        checkpoint = Checkpoint(disk.files, owner, keys=keys, pack_bytes_max=8_000)
        journal = SegmentJournal(disk.files, owner, keys=keys, segment_bytes=8_192)
        kernel = Kernel(self._program, stamp_ingest=self.is_event_clock, source=name)
        core = ShardCore(
            self._program,
            kernel,
            index=index,
            incarnation=incarnation,
            epoch=disk.epoch,
            address=name,
            is_start=is_start and not self.is_event_clock,
        )
        try:
            checkpoint.open(disk.epoch)
            journal.open(disk.epoch, reach=checkpoint.reach)
            snapshots = SnapshotSet(journal, checkpoint, disk.units)
            rolling = RollingSnapshots(disk.units, checkpoint.positions)
            replay = core.begin_recovery(rolling, checkpoint.positions)
            for _ in recover(replay, journal, checkpoint, snapshots.tail):
                pass
            for record in journal.read_from(snapshots.tail):
                disk.durable_ids.update(_EVENT_ID.findall(record.body))
        except (Crashed, StorageError) as error:
            if isinstance(error, CorruptionFound):
                raise
            self._fail(disk)
            delay_ms = self.world.between(START_MS)
            self.world.later(delay_ms, lambda: self._start_again(index, is_start))
            return
        disk.recoveries += 1
        disk.replayed += replay.applied
        disk.from_checkpoint += bool(checkpoint.positions)
        node = DurableShardNode(self.world, name, core, "shard", incarnation)
        node.address = name
        node.cluster = self
        node.begin(disk, journal, snapshots)
        node.dial("coordinator", "coordinator")
        node.carry_out(core.on_recovered(self.world.now_ms))

    def _take_over(self, index: int) -> None:
        name = shard_name(index)
        if self.world.nodes[name].is_alive:
            return
        self.start_shard(index, int(self.world.now_ms))
        node = self.world.nodes[name]
        if node.is_alive and self.table is not None:
            self.takeovers += 1
            now_ms = self.world.now_ms
            node.carry_out(node.core.on_message("coordinator", Kind.TABLE, self.table, b"", now_ms))

    def _start_again(self, index: int, is_start: bool) -> None:
        self.start_shard(index, int(self.world.now_ms), is_start)

    def _fail(self, disk: ShardDisk) -> None:
        disk.files.failing_syncs = 0
        disk.files.room_bytes = None
        if self.chance.random() < 0.5:
            disk.files.crash_process()
        else:
            disk.files.crash_machine()


def key_groups_of(program: Program, chunks: Sequence[bytes]) -> set[int]:
    """The key groups that have users, asked of a router of its own."""
    router = new_router(program)
    router.set_table(np.zeros(4096, np.uint16))
    router.clock_event = True
    for chunk in chunks:
        router.route(chunk, 0, len(chunk), RECORDS, Source(), 0)
    stream, _ = router.take(0)
    groups, at = set(), 0
    while at < len(stream):
        size, _, _, key = struct.unpack_from("<IIqQ", stream, at)
        if size == 0xFFFFFFFF:
            at += 24
        else:
            at += 40 + size
            groups.add(key >> 52)
    assert groups
    return groups
