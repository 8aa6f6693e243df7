"""The shell of the coordinator; it asks the runtime for shards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from augenblick import limits
from augenblick.actors.link_shell import LOG, LinkShell
from augenblick.config.process import ProcessSettings
from augenblick.core.coordinator import CoordinatorCore, Layout
from augenblick.core.effects import (
    DropSavepoint,
    Effect,
    FinishSavepoint,
    PrepareSavepoint,
    StartShard,
    StartSpare,
)
from augenblick.durability.cluster_file import Cluster
from augenblick.durability.formats.savepoint import SavedShard, SavepointFacts
from augenblick.durability.pseudonym_mark import mark_text
from augenblick.durability.savepoints import begin_savepoint, finish_savepoint, remove_savepoint
from augenblick.errors import AugenblickError


class ProcessStarter(Protocol):
    """What the coordinator asks for; `actors.shard_starter` with Ray."""

    def start_later(
        self,
        index: int,
        incarnation: int,
        hosts: Sequence[str],
        on_failed: Callable[[str], object],
    ) -> None:
        """Begin to start a shard."""

    def start_spare(self, index: int, incarnation: int, host: str) -> None:
        """Begin to start a spare."""


class CoordinatorShell(LinkShell):
    """`starter` begins new processes, without blocking.

    `start_later(index, incarnation, hosts, on_failed)`: a shard; `hosts` are the addresses of the
    shards' machines, by index, "" for one that is away; `on_failed(why)` is called, on any thread,
    when that process will not come. `start_spare(index, incarnation, host)`: a spare.
    """

    core: CoordinatorCore

    def __init__(
        self, settings: ProcessSettings, incarnation: int, starter: ProcessStarter
    ) -> None:
        super().__init__(settings, "coordinator", "coordinator", incarnation)
        self._starter = starter
        self._tasks: set[asyncio.Task[None]] = set()  # of savepoints
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
        """Start shards and spares, begin and finish savepoints; the rest is common."""
        match effect:
            case StartShard(shard, incarnation, hosts):

                def on_failed(why: str) -> None:
                    self.loop.call_soon_threadsafe(self._on_not_started, shard, incarnation, why)

                self._starter.start_later(shard, incarnation, hosts, on_failed)
            case StartSpare(index, incarnation, host):
                self._starter.start_spare(index, incarnation, host)
            case PrepareSavepoint(name, to):
                self._begin(self._begin_savepoint(name, to))
            case DropSavepoint(url, shards):
                self._begin(self._drop_savepoint(url, shards))
            case FinishSavepoint(name, url, facts):
                self._begin(self._finish_savepoint(name, url, facts))
            case _:
                super().carry_out_one(effect)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _begin_savepoint(self, name: str, to: str) -> None:
        settings, url, failure = self.settings, "", ""
        arguments = (to, name, settings.data, settings.savepoint_allow)
        try:
            url = await asyncio.to_thread(begin_savepoint, *arguments)
        except AugenblickError as error:
            failure = str(error)
        except Exception as error:  # a place may be someone else's code
            LOG.exception("savepoint %s", name)
            failure = f"{type(error).__name__}: {error}"
        self.carry_out(self.core.on_savepoint_prepared(name, url, failure, self.now_ms()))

    async def _finish_savepoint(self, name: str, url: str, facts: dict[str, Any]) -> None:
        settings, failure = self.settings, ""
        shards = (
            SavedShard(shard, epoch, tuple((low, high) for low, high in ranges))
            for shard, epoch, ranges in facts["shards"]
        )
        try:
            content = SavepointFacts(
                name=name,
                cluster=Cluster(settings.cluster_id, settings.hash_key).encode().decode(),
                began_ms=int(facts["began"]),
                plan=facts["plan"],
                plan_hash=settings.program.plan_hash,
                plan_text=facts["plan_text"],
                pseudonyms=mark_text(settings.data),
                shards=tuple(shards),
            )
            await asyncio.to_thread(finish_savepoint, url, content)
        except AugenblickError as error:
            failure = str(error)
        except Exception as error:  # a place may be someone else's code
            LOG.exception("savepoint %s", name)
            failure = f"{type(error).__name__}: {error}"
        self.carry_out(self.core.on_savepoint_finished(name, failure, self.now_ms()))

    async def _drop_savepoint(self, url: str, shards: tuple[str, ...]) -> None:
        await asyncio.sleep(limits.savepoint_drop_seconds)  # a shard may be writing a pack of it
        try:
            await asyncio.to_thread(remove_savepoint, url, shards)
        except Exception as error:  # a place may be someone else's code
            LOG.warning("half a savepoint stays at %s: %s", url, error)

    def _on_not_started(self, shard: int, incarnation: int, why: str) -> None:
        self.carry_out(self.core.on_shard_not_started(shard, incarnation, why, self.now_ms()))
