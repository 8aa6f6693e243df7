"""Starts shards on living nodes: each where its directory lies; where none is kept, one to a node
if that is possible.

Used by the launcher for the first ones and by the coordinator for those that follow. A shard is
tied to its node: Ray starts it there or fails at once, and whoever asked asks again for what is
alive then. Ray's own choice would be made from a view in which a new node is missing for an instant
and a dead one is there for seconds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError

from augenblick.actors.machines import Machines
from augenblick.actors.nodes import Node, living_nodes
from augenblick.actors.remote import start_process
from augenblick.config.process import ProcessSettings
from augenblick.core.placement import ShardPlaces
from augenblick.core.routing import shard_name, spare_name
from augenblick.errors import EngineUnavailable

LOG = logging.getLogger("augenblick")


class ShardStarter:
    """One per asker; `start` and `start_later` may be called on any thread. `machines`: what is
    known already of the nodes.
    """

    def __init__(self, settings: ProcessSettings, machines: Machines | None = None) -> None:
        self._settings = settings
        self._places = ShardPlaces()
        self._machines = machines or Machines(settings.data)
        self._lock = threading.Lock()
        self._asking = threading.Lock()  # held for as long as nodes take to answer
        self._asked: dict[int, tuple[int, Any]] = {}  # by `start_all`: incarnation, answer

    def start(
        self, index: int, incarnation: int, nodes: Sequence[Node], *, is_start: bool = False
    ) -> Any:
        """Ask Ray for a shard process; returns what is there once the process is up. `is_start`:
        the whole engine starts.
        """
        node = self._node_for(index, nodes)
        name = f"{shard_name(index)}-{incarnation}"
        arguments = ("shard", index, incarnation, is_start)
        handle = start_process(
            name, self._settings, *arguments, restarts=False, node_id=node.node_id
        )
        return handle.pid.remote()

    def _node_for(self, index: int, nodes: Sequence[Node]) -> Node:
        if not nodes:
            raise EngineUnavailable("no node for shards answers")
        if self._settings.directories:
            directory = self._settings.directories[index]
            with self._asking:
                return self._machines.holder(shard_name(index), directory, nodes)
        with self._lock:
            return nodes[self._places.choose(index, [one.address for one in nodes])]

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
                with suppress(EngineUnavailable):  # its node may come back
                    nodes = living_nodes(self._settings.shard_resource)
                    answer = self.start(index, incarnation + 1, nodes, is_start=True)
                self._asked[index] = (incarnation + 1, answer)

    def start_later(
        self,
        index: int,
        incarnation: int,
        hosts: Sequence[str],
        on_failed: Callable[[str], object],
    ) -> None:
        """Begin to start a shard without blocking the caller; `hosts`: where the shards are.

        `on_failed(why)` is called, on another thread, when it will not come: Ray never restarts a
        shard.
        """
        with self._lock:
            self._places.learn(hosts)
        arguments = (index, incarnation, on_failed)
        threading.Thread(target=self._try_start, args=arguments, daemon=True).start()

    def start_spare(self, index: int, incarnation: int, host: str) -> None:
        """Begin to start a spare on the machine with this address, without blocking the caller."""
        arguments = (index, incarnation, host)
        threading.Thread(target=self._try_start_spare, args=arguments, daemon=True).start()

    def _try_start_spare(self, index: int, incarnation: int, host: str) -> None:
        name = f"{spare_name(index)}-{incarnation}"
        arguments = ("spare", index, incarnation)
        try:
            nodes = living_nodes(self._settings.shard_resource)
            node_id = next((one.node_id for one in nodes if one.address == host), "")
            if self._settings.directories and not node_id:
                raise EngineUnavailable(f"the node at {host} does not answer")
            handle = start_process(
                name, self._settings, *arguments, restarts=False, node_id=node_id
            )
            ray.get(handle.pid.remote())
        except Exception as error:
            LOG.warning("could not start a spare: %s", error)

    def _try_start(self, index: int, incarnation: int, on_failed: Callable[[str], object]) -> None:
        try:
            nodes = living_nodes(self._settings.shard_resource)
            ray.get(self.start(index, incarnation, nodes))
        except EngineUnavailable as error:
            on_failed(str(error))
        except Exception as error:
            LOG.warning("Ray did not start shard %d: %s", index, error)
            on_failed("Ray did not start it")
