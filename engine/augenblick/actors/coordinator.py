"""The shell of the coordinator; it asks the runtime for shards."""

from __future__ import annotations

from collections.abc import Callable

from augenblick.actors.link_shell import LinkShell
from augenblick.config.process import ProcessSettings
from augenblick.core.coordinator import CoordinatorCore, Layout
from augenblick.core.effects import Effect, StartShard


class CoordinatorShell(LinkShell):
    """`start_shard(index, incarnation)` begins a new shard process; it must not block."""

    core: CoordinatorCore

    def __init__(
        self,
        settings: ProcessSettings,
        incarnation: int,
        start_shard: Callable[[int, int], None],
    ) -> None:
        super().__init__(settings, "coordinator", "coordinator", incarnation)
        self._start_shard = start_shard
        hosts = [one.name for one in settings.program.triggers if one.kind == "actor"]
        layout = Layout(
            settings.shards,
            settings.gateways,
            tuple(hosts),
            is_event_clock=settings.is_event_clock,
        )
        self.core = CoordinatorCore(
            settings.program, layout, incarnation=incarnation, plan_text=settings.plan_text
        )

    async def start(self) -> None:
        """Listen at the address that everybody was told, and begin to tick."""
        await self.listen(int(self.settings.coordinator.rpartition(":")[2]))
        self.tick()

    def carry_out_one(self, effect: Effect) -> None:
        """Start shards; the rest is common."""
        if isinstance(effect, StartShard):
            self._start_shard(effect.shard, effect.incarnation)
        else:
            super().carry_out_one(effect)
