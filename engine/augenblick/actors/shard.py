"""The shell of one shard: owns its directory, its kernel and its link connections."""

from __future__ import annotations

from augenblick.actors.link_shell import LinkShell
from augenblick.binding.kernel import Kernel
from augenblick.config.process import ProcessSettings
from augenblick.core.routing import shard_name
from augenblick.core.shard import ShardCore
from augenblick.durability.cluster_file import Cluster, join
from augenblick.durability.directory import DirectoryLock, raise_epoch
from augenblick.durability.stores.none import NoneStore

_TOUCH_SECONDS = 1.0


class ShardShell(LinkShell):
    """One shard's process; made inside its event loop, then `start`."""

    core: ShardCore

    def __init__(self, settings: ProcessSettings, index: int, incarnation: int) -> None:
        directory = settings.data / shard_name(index)
        self._lock = DirectoryLock(directory)
        self._lock.take_over()
        join(directory, Cluster(settings.cluster_id, settings.hash_key))
        epoch = raise_epoch(directory)
        super().__init__(settings, "shard", shard_name(index), incarnation, epoch)
        self._index = index
        self._incarnation = incarnation
        self._epoch = epoch
        self._store = NoneStore()
        self._touched = 0.0

    async def start(self) -> None:
        """Listen, then report for duty."""
        await self.listen()
        kernel = Kernel(
            self.settings.program,
            memory_bytes_max=self.settings.memory_bytes_max,
            stamp_ingest=self.settings.is_event_clock,
            source=self.name,
        )
        self.core = ShardCore(
            self.settings.program,
            kernel,
            index=self._index,
            incarnation=self._incarnation,
            epoch=self._epoch,
            address=self.address,
        )
        self.node.facts = self.core.facts
        self.open()

    def tick(self) -> None:
        """Give a sign of life, then tick."""
        if self.loop.time() - self._touched > _TOUCH_SECONDS:
            self._touched = self.loop.time()
            self._lock.touch()
        super().tick()

    def append(self, token: int, parts: tuple[bytes | memoryview, ...]) -> None:
        """Hand the record to the store."""
        self._store.append(token, parts, self._on_appended)

    def _on_appended(self, token: int) -> None:
        self.carry_out(self.core.on_appended(token, self.now_ms()))
