"""Which directories of shards lie on which of Ray's nodes: asked there, by a task on that node.

A node's answer is kept as long as it is the same node: what comes back after a loss is another one
to Ray, and is asked anew. Blocking calls for a thread.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from augenblick.actors.nodes import Node
from augenblick.actors.remote import run_on
from augenblick.durability.cluster_file import Cluster
from augenblick.durability.identity import ShardIdentity
from augenblick.durability.roster import FoundShard, from_plain, make, plain, report
from augenblick.errors import AugenblickError, EngineUnavailable

LOG = logging.getLogger("augenblick")


class Machines:
    """One per asker; `data`: the engine's directory, at the same path on every node."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._reports: dict[str, list[FoundShard]] = {}  # by node id

    def reports(
        self, nodes: Sequence[Node], *, passes_broken: bool = False
    ) -> dict[str, list[FoundShard]]:
        """By address, what lies on these nodes; one that gives no answer is left out, and with
        `passes_broken` one on which something is wrong too. Raises EngineUnavailable.
        """
        self._reports = {
            node.node_id: self._reports[node.node_id]
            for node in nodes
            if node.node_id in self._reports
        }
        asked = [node for node in nodes if node.node_id not in self._reports]
        for node, answer in zip(asked, run_on(asked, _report, self._data), strict=True):
            if isinstance(answer, Exception):
                LOG.warning("%s does not say what lies on it: %s", node.address, answer)
            elif isinstance(answer, str):
                if not passes_broken:
                    raise EngineUnavailable(f"{node.address}: {answer}")
                LOG.warning("%s: %s", node.address, answer)
            else:
                self._reports[node.node_id] = from_plain(answer)
        return {
            node.address: self._reports[node.node_id]
            for node in nodes
            if node.node_id in self._reports
        }

    def holder(self, shard: str, directory: str, nodes: Sequence[Node]) -> Node:
        """The node that has this directory; raises EngineUnavailable while none does."""
        reports = self.reports(nodes, passes_broken=True)
        for node in nodes:
            for one in reports.get(node.address, ()):
                if (one.identity.shard, one.identity.directory) == (shard, directory):
                    return node
        raise EngineUnavailable("the machine with its directory is away; its users wait for it")

    def make(self, node: Node, cluster: Cluster, identity: ShardIdentity) -> None:
        """Make a shard's directory there, or name it. Raises EngineUnavailable."""
        self._reports.pop(node.node_id, None)
        (answer,) = run_on([node], _make, self._data, cluster, identity)
        if answer is not None:
            raise EngineUnavailable(f"{node.address}: {answer}")


def _report(data: Path) -> list[Any] | str:
    """On the node: plain values, or what is wrong."""
    try:
        return plain(report(data))
    except AugenblickError as error:
        return str(error)


def _make(data: Path, cluster: Cluster, identity: ShardIdentity) -> str | None:
    try:
        make(data, cluster, identity)
    except (AugenblickError, OSError) as error:
        return str(error)
    return None
