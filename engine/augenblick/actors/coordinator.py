"""The shell of the coordinator; it asks the runtime for shards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from augenblick.actors.link_shell import LinkShell
from augenblick.config.process import ProcessSettings
from augenblick.core.coordinator import CoordinatorCore, Layout
from augenblick.core.effects import Effect, StartShard, StartSpare


class ProcessStarter(Protocol):
    """What the coordinator asks for; `actors.shard_starter` with Ray."""

    def start_later(
        self, index: int, incarnation: int, hosts: Sequence[str], on_failed: Callable[[], object]
    ) -> None:
        """Begin to start a shard."""

    def start_spare(self, incarnation: int) -> None:
        """Begin to start a spare."""


class CoordinatorShell(LinkShell):
    """`starter` begins new processes, without blocking.

    `start_later(index, incarnation, hosts, on_failed)`: a shard; `hosts` are the addresses of the
    shards' machines, by index, "" for one that is away; `on_failed` is called, on any thread, when
    that process will not come. `start_spare(incarnation)`: a spare.
    """

    core: CoordinatorCore

    def __init__(
        self, settings: ProcessSettings, incarnation: int, starter: ProcessStarter
    ) -> None:
        super().__init__(settings, "coordinator", "coordinator", incarnation)
        self._starter = starter
        hosts = [one.name for one in settings.program.triggers if one.kind == "actor"]
        layout = Layout(
            settings.shards,
            settings.gateways,
            tuple(hosts),
            is_event_clock=settings.is_event_clock,
            store=settings.durability,
            spares=settings.spares,
        )
        self.core = CoordinatorCore(
            settings.program, layout, incarnation=incarnation, plan_text=settings.plan_text
        )

    async def start(self) -> None:
        """Listen at the address that everybody was told, and begin to tick."""
        await self.listen(int(self.settings.coordinator.rpartition(":")[2]))
        self.tick()

    def carry_out_one(self, effect: Effect) -> None:
        """Start shards and spares; the rest is common."""
        if isinstance(effect, StartShard):
            failed = partial(self._on_not_started, effect.shard, effect.incarnation)
            on_failed = partial(self.loop.call_soon_threadsafe, failed)
            self._starter.start_later(effect.shard, effect.incarnation, effect.hosts, on_failed)
        elif isinstance(effect, StartSpare):
            self._starter.start_spare(effect.incarnation)
        else:
            super().carry_out_one(effect)

    def _on_not_started(self, shard: int, incarnation: int) -> None:
        self.carry_out(self.core.on_shard_not_started(shard, incarnation, self.now_ms()))
