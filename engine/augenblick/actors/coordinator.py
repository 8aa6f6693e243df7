"""The shell of the coordinator; it asks the runtime for shards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from augenblick.actors.link_shell import LinkShell
from augenblick.config.process import ProcessSettings
from augenblick.core.coordinator import CoordinatorCore, Layout
from augenblick.core.effects import Effect, StartShard


class CoordinatorShell(LinkShell):
    """`start_shard(index, incarnation, hosts, on_failed)` begins a new shard process; it must not
    block. `hosts` are the addresses of the shards' machines, by index, "" for one that is away.

    It calls `on_failed`, on any thread, when that process will not come.
    """

    core: CoordinatorCore

    def __init__(
        self,
        settings: ProcessSettings,
        incarnation: int,
        start_shard: Callable[[int, int, Sequence[str], Callable[[], object]], None],
    ) -> None:
        super().__init__(settings, "coordinator", "coordinator", incarnation)
        self._start_shard = start_shard
        hosts = [one.name for one in settings.program.triggers if one.kind == "actor"]
        layout = Layout(
            settings.shards,
            settings.gateways,
            tuple(hosts),
            is_event_clock=settings.is_event_clock,
            store=settings.durability,
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
            failed = partial(self._on_not_started, effect.shard, effect.incarnation)
            on_failed = partial(self.loop.call_soon_threadsafe, failed)
            self._start_shard(effect.shard, effect.incarnation, effect.hosts, on_failed)
        else:
            super().carry_out_one(effect)

    def _on_not_started(self, shard: int, incarnation: int) -> None:
        self.carry_out(self.core.on_shard_not_started(shard, incarnation, self.now_ms()))
