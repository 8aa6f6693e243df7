"""Starts shards on living nodes, one to a node where that is possible.

Used by the launcher for the first ones and by the coordinator for those that follow. A shard is
tied to its node: Ray starts it there or fails at once, and whoever asked asks again for what is
alive then. Ray's own choice would be made from a view in which a new node is missing for an instant
and a dead one is there for seconds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.exceptions import RayError

from augenblick.actors.nodes import Node, living_nodes
from augenblick.actors.remote import start_process
from augenblick.config.process import ProcessSettings
from augenblick.core import spare
from augenblick.core.placement import ShardPlaces
from augenblick.core.routing import shard_name
from augenblick.errors import EngineUnavailable

LOG = logging.getLogger("augenblick")


class ShardStarter:
    """One per asker; `start` and `start_later` may be called on any thread."""

    def __init__(self, settings: ProcessSettings) -> None:
        self._settings = settings
        self._places = ShardPlaces()
        self._lock = threading.Lock()
        self._asked: dict[int, tuple[int, Any]] = {}  # by `start_all`: incarnation, answer

    def start(
        self, index: int, incarnation: int, nodes: Sequence[Node], *, is_start: bool = False
    ) -> Any:
        """Ask Ray for a shard process; returns what is there once the process is up. `is_start`:
        the whole engine starts.
        """
        if not nodes:
            raise EngineUnavailable("no node for shards answers")
        with self._lock:
            node = nodes[self._places.choose(index, [one.address for one in nodes])]
        name = f"{shard_name(index)}-{incarnation}"
        arguments = ("shard", index, incarnation, is_start)
        handle = start_process(
            name, self._settings, *arguments, restarts=False, node_id=node.node_id
        )
        return handle.pid.remote()

    def start_all(self, incarnation: int, nodes: Sequence[Node]) -> None:
        """Ask for every shard; none is waited for."""
        for index in range(self._settings.shards):
            answer = self.start(index, incarnation, nodes, is_start=True)
            self._asked[index] = (incarnation, answer)

    def ask_again(self) -> None:
        """Ask anew for those of `start_all` that Ray could not start; to be called until all are
        there. Blocks as long as a dead node is asked.
        """
        for index, (incarnation, answer) in list(self._asked.items()):
            if not ray.wait([answer], timeout=0)[0]:
                continue
            del self._asked[index]
            try:
                ray.get(answer)
            except RayError as error:
                LOG.info("shard %d is asked for again: %s", index, error)
                nodes = living_nodes(self._settings.shard_resource)
                answer = self.start(index, incarnation + 1, nodes, is_start=True)
                self._asked[index] = (incarnation + 1, answer)

    def start_later(
        self, index: int, incarnation: int, hosts: Sequence[str], on_failed: Callable[[], object]
    ) -> None:
        """Begin to start a shard without blocking the caller; `hosts`: where the shards are.

        `on_failed` is called, on another thread, when it will not come: Ray never restarts a shard.
        """
        with self._lock:
            self._places.learn(hosts)
        arguments = (index, incarnation, on_failed)
        threading.Thread(target=self._try_start, args=arguments, daemon=True).start()

    def start_spare(self, incarnation: int) -> None:
        """Begin to start a spare on this machine, without blocking the caller."""
        threading.Thread(target=self._try_start_spare, args=(incarnation,), daemon=True).start()

    def _try_start_spare(self, incarnation: int) -> None:
        name = f"{spare.NAME}-{incarnation}"
        try:
            handle = start_process(name, self._settings, "spare", incarnation, restarts=False)
            ray.get(handle.pid.remote())
        except Exception as error:
            LOG.warning("could not start a spare: %s", error)

    def _try_start(self, index: int, incarnation: int, on_failed: Callable[[], object]) -> None:
        try:
            nodes = living_nodes(self._settings.shard_resource)
            ray.get(self.start(index, incarnation, nodes))
        except Exception as error:
            LOG.warning("Ray did not start shard %d: %s", index, error)
            on_failed()
