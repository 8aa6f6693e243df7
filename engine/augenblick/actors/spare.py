"""The shell of a spare: waits on the shards' directories and becomes the first that is free.

Neither the coordinator nor Ray is asked: the lock of a process that ends is free at once, and the
interpreter, the modules and the link's key are here already.
"""

from __future__ import annotations

import asyncio
import threading

from augenblick.actors import collection
from augenblick.actors.link_shell import LOG, LinkShell
from augenblick.actors.shard import ShardShell
from augenblick.config.process import ProcessSettings
from augenblick.core.effects import Effect, KillOwner
from augenblick.core.routing import shard_name, spare_name
from augenblick.core.spare import SpareCore
from augenblick.durability.directory import DirectoryLock
from augenblick.durability.identity import load_identity
from augenblick.errors import StorageError
from augenblick.link.messages import Kind

_LOOK_SECONDS = 1.0


class SpareShell(LinkShell):
    """One spare's process; made inside its event loop, then `start`. It waits for the shards whose
    directories lie on its machine.
    """

    core: SpareCore

    def __init__(self, settings: ProcessSettings, index: int, incarnation: int) -> None:
        super().__init__(settings, "spare", spare_name(index), incarnation)
        self.core = SpareCore(index, incarnation)
        self._names = {
            shard: shard_name(shard) for shard in range(settings.shards) if self._is_here(shard)
        }
        self._taking = threading.Lock()
        self._is_taken = False
        self._becoming: asyncio.Task[None] | None = None
        self._looked = 0.0

    async def start(self) -> None:
        """Report for duty and wait on every directory, each on a thread of its own."""
        self.open()
        for index in self._names:
            threading.Thread(target=self._wait_for, args=(index,), daemon=True).start()

    def tick(self) -> None:
        """Look for signs of life, then tick; none of it once this process is a shard."""
        if self._is_taken:
            return
        if self.loop.time() - self._looked > _LOOK_SECONDS:
            self._looked = self.loop.time()
            signs = {
                index: sign
                for index in self._names
                if (sign := self._lock_of(index).last_sign()) is not None
            }
            self.carry_out(self.core.on_signs(signs, self.now_ms()))
        super().tick()

    def carry_out_one(self, effect: Effect) -> None:
        """End silent owners; the rest is common."""
        if isinstance(effect, KillOwner):
            self._lock_of(effect.shard).kill_owner()
        else:
            super().carry_out_one(effect)

    def _is_here(self, shard: int) -> bool:
        """Does the shard live on this machine?"""
        if not self.settings.directories:
            return True
        found = load_identity(self.settings.data / shard_name(shard))
        return found is not None and found.directory == self.settings.directories[shard]

    def _lock_of(self, index: int) -> DirectoryLock:
        return DirectoryLock(self.settings.data / self._names[index])

    def _wait_for(self, index: int) -> None:
        """On a thread: until the directory's owner has ended. Only the first one is taken."""
        lock = self._lock_of(index)
        try:
            lock.wait()
        except StorageError as error:
            LOG.error("%s: %s", self.name, error)
            return
        with self._taking:
            if self._is_taken or self.core.is_stopping:
                lock.release()
                return
            self._is_taken = True
        self.loop.call_soon_threadsafe(self._begin, index, lock)

    def _begin(self, index: int, lock: DirectoryLock) -> None:
        self._becoming = self.loop.create_task(self._become(index, lock))
        self._becoming.add_done_callback(lambda task: task.result())  # an error ends the process

    async def _become(self, index: int, lock: DirectoryLock) -> None:
        """Be this shard from now on."""
        incarnation = self.core.next_incarnation(index, self.now_ms())
        LOG.warning("%s takes over %s", self.name, self._names[index])
        shard = ShardShell(self.settings, index, incarnation, lock=lock)
        leaving = self.loop.create_task(self.node.close())
        await shard.start()
        if self.core.table is not None:
            now_ms = shard.now_ms()
            table = self.core.table
            shard.carry_out(shard.core.on_message("coordinator", Kind.TABLE, table, b"", now_ms))
        collection.settle()
        await leaving
