"""The shell of one shard: owns its directory, its kernel, its journal and its link connections."""

from __future__ import annotations

import logging
import sys
import time
from asyncio import Future
from dataclasses import replace

from augenblick import limits
from augenblick.actors.link_shell import LOG, LinkShell
from augenblick.actors.pulse import Pulse
from augenblick.actors.shard_renewal import ShardRenewal
from augenblick.actors.shard_saver import ShardSaver
from augenblick.actors.shard_storage import ShardStorage
from augenblick.binding.user_marks import UserMarks
from augenblick.config.process import ProcessSettings
from augenblick.core.effects import (
    Confirm,
    DropSave,
    Effect,
    IssueReceipt,
    Save,
    ShowReceipts,
    Snapshot,
)
from augenblick.core.poison import GuardedKernel, Suspects
from augenblick.core.routing import even_ranges, shard_name
from augenblick.core.shard import ShardCore
from augenblick.core.shard_rolling import RollingSnapshots
from augenblick.durability.applying import Applying
from augenblick.durability.cluster_file import Cluster, join
from augenblick.durability.directory import DirectoryLock, raise_epoch
from augenblick.durability.formats.head import Owner
from augenblick.durability.identity import ShardIdentity, enter, save_identity
from augenblick.durability.key_file import load_keys_if_any
from augenblick.durability.savepoints import open_part
from augenblick.durability.stores.none import NoneStore
from augenblick.errors import StorageError


class ShardShell(LinkShell):
    """One shard's process; made inside its event loop, then `start`.

    `is_start`: it is one of those with which the whole engine starts. `lock`: the directory's, held
    already (by a spare).
    """

    core: ShardCore

    def __init__(
        self,
        settings: ProcessSettings,
        index: int,
        incarnation: int,
        is_start: bool = False,
        lock: DirectoryLock | None = None,
    ) -> None:
        name = shard_name(index)
        directory = settings.data / name
        self._lock = lock or DirectoryLock(directory)
        if lock is None:
            self._lock.take_over()  # perhaps from a spare that began after this was asked for
            incarnation = max(incarnation, int(time.time() * 1000))
        join(directory, Cluster(settings.cluster_id, settings.hash_key))
        identity = ShardIdentity(
            settings.cluster_id,
            name,
            (even_ranges(settings.shards)[index],),
            directory=settings.directory_of(index),
        )
        if settings.durability != "none":
            identity = enter(directory, identity, may_be_new=False)
        self._directory, self._identity = directory, identity
        epoch = raise_epoch(directory)
        super().__init__(settings, "shard", name, incarnation, epoch)
        self._storage: ShardStorage | None = None
        keys = load_keys_if_any(settings.key_file)
        if settings.durability != "none":
            owner = Owner(settings.cluster_id, name, settings.program.plan_hash)
            units = [one for low, high in identity.key_groups for one in range(low, high + 1)]
            self._storage = ShardStorage(directory, owner, epoch, settings.durability, units, keys)
        self._store: NoneStore | ShardStorage = self._storage or NoneStore()
        self._saver = ShardSaver(
            lambda url: open_part(url, name, settings.cluster_id, settings.program.plan_hash, keys),
            epoch,
            on_saving=lambda waiting: self.carry_out(self.core.on_saving(waiting, self.now_ms())),
            on_saved=lambda name, size, error: self.carry_out(
                self.core.on_saved(name, size, error, self.now_ms())
            ),
        )
        self._pulse = Pulse(self._lock.touch)
        self._prepared: Future[None] | None = None
        self._kernel = kernel = GuardedKernel(
            settings.program,
            memory_bytes_max=settings.memory_bytes_max,
            stamp_ingest=settings.is_event_clock,
            source=name,
        )
        self._suspects = self._beware(Applying(directory))
        self.core = ShardCore(
            settings.program,
            kernel,
            index=index,
            incarnation=incarnation,
            epoch=epoch,
            is_start=is_start and not settings.is_event_clock,
            marks=UserMarks(settings.hash_key),
        )
        self._renewal = self._make_renewal()

    async def start(self) -> None:
        """Recover, then listen and report for duty; the coordinator hears how far it is."""
        if self._storage is None:
            await self._listen()
            self.open()
            return
        positions = self._storage.positions
        rolling = RollingSnapshots(self._storage.units, positions, self.settings.replay_max)
        replay = self.core.begin_recovery(rolling, positions)
        sys.setswitchinterval(limits.thread_switch_seconds)
        self.open()
        await self._storage.recover(replay, self._pulse.beat)
        self._storage.begin(
            on_full=lambda is_full: self.carry_out(
                self.core.on_storage_full(is_full, self.now_ms())
            ),
            on_broken=self._on_broken,
            on_written=lambda: self.carry_out(self.core.on_checkpointed(self.now_ms())),
        )
        await self._listen()
        self.carry_out(self.core.on_recovered(self.now_ms()))

    def tick(self) -> None:
        """Give a sign of life, have memory prepared on a thread, then tick."""
        self._pulse.beat()
        if self._kernel.needs_memory and (self._prepared is None or self._prepared.done()):
            self._prepared = self.loop.run_in_executor(None, self._kernel.prepare)
        if self._storage is not None:
            self._storage.tick()
            self.core.storage = {**self._storage.status(), "poison": self._suspects.status()}
        if self.core.replay is None:
            self._renewal.tick()
        super().tick()

    def append(self, token: int, parts: tuple[bytes | memoryview, ...]) -> None:
        """Hand the record to the store."""
        self._store.append(token, parts, self._on_appended)

    def carry_out_one(self, effect: Effect) -> None:
        """Snapshots, savepoints, receipts; the rest is common."""
        match effect:
            case Snapshot(unit, data) if self._storage is not None:
                self._storage.keep(unit, data)
            case Confirm(unit) if self._storage is not None:
                self._storage.keep(unit, None)
            case IssueReceipt():
                self._renewal.issue(effect)
            case ShowReceipts():
                self._renewal.show(effect)
            case Save():
                self._saver.save(effect)
            case DropSave(name):
                self._saver.drop(name)
            case _:
                super().carry_out_one(effect)

    def _make_renewal(self) -> ShardRenewal:
        what = (self.settings, self._directory, self.core, self._storage)
        return ShardRenewal(*what, carry_out=self.carry_out, now_ms=self.now_ms)

    def _beware(self, applying: Applying) -> Suspects:
        """Learn from what the owners before died of."""
        suspects = Suspects(applying.load())
        if applying.excuse:
            text = "%s: the last owner ended while it applied events, but %s: not counted"
            LOG.warning(text, self.name, applying.excuse)
        if applying.died_at is not None:
            suspects.on_death(*applying.died_at, limits.poison_deaths_max)
            applying.save(suspects.plain())
            found = suspects.status()
            text = "%s: the last owner ended while it applied events; set aside so far: %d"
            level = logging.ERROR if found["set_aside"] else logging.WARNING
            LOG.log(level, text, self.name, found["set_aside"])
        self._kernel.guard(applying, suspects)
        return suspects

    async def _listen(self) -> None:
        self.node.facts = self.core.facts
        await self._listen_as_before()
        self.core.address = self.address

    async def _listen_as_before(self) -> None:
        """At the address that gateways know: they find a new owner there without being told. If
        another process has got that port meanwhile, at a new one, which the table tells them.
        """
        try:
            await self.listen(int(self._identity.address.rpartition(":")[2] or 0))
        except OSError as error:
            LOG.warning(
                "%s: its port %s cannot be used again: %s", self.name, self._identity.address, error
            )
            await self.listen()
        if self._storage is not None and self.address != self._identity.address:
            save_identity(self._directory, replace(self._identity, address=self.address))

    def _on_appended(self, token: int) -> None:
        self.carry_out(self.core.on_appended(token, self.now_ms()))

    def _on_broken(self, error: StorageError) -> None:
        """Nothing may be acknowledged any more: end the process, recovery decides."""
        raise error
