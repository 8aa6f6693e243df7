"""Shards on the machines of a Ray that is joined: each has its directory on one of them, for good.

Called by the launcher, on a thread, before any process is started.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from augenblick import limits
from augenblick.actors.machines import Machines
from augenblick.actors.nodes import Node, living_nodes
from augenblick.config.serve import ServeOptions
from augenblick.core.routing import even_ranges, shard_name
from augenblick.durability import cluster_file, roster
from augenblick.durability.formation import holds_state
from augenblick.durability.identity import ShardIdentity
from augenblick.errors import EngineUnavailable, UsageError
from augenblick.runtime.cluster_ray import join

LOG = logging.getLogger("augenblick")
_POLL_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the shards live: the nodes, what is known of them, and each shard's directory."""

    cluster: cluster_file.Cluster
    nodes: list[Node]
    machines: Machines
    directories: tuple[str, ...]


def settle_spread(options: ServeOptions, data: Path) -> Spread:
    """Wait until every shard's directory is on a node that answers, within
    limits.shard_nodes_seconds_max; make those of a new cluster.

    Raises EngineUnavailable when a node stays away, UsageError, DirectoryForeign or StorageError.
    """
    assert options.ray is not None
    join(options.ray)
    machines = Machines(data)
    own, known = cluster_file.load_if_any(data), roster.load_roster(data)
    ranges = even_ranges(options.shards)
    deadline = time.monotonic() + limits.shard_nodes_seconds_max
    while True:
        nodes = _one_of_each_machine(living_nodes(options.shard_resource))
        try:
            reports = machines.reports(nodes)
            found = roster.cluster_of(reports, own)
            settled = roster.settle(
                known,
                reports,
                ranges,
                machines_min=max(options.shard_nodes, len(nodes), 1),
                accepted=options.accept_loss,
            )
            break
        except EngineUnavailable as error:
            if time.monotonic() > deadline:
                raise
            LOG.info("waiting: %s", error)
        time.sleep(_POLL_SECONDS)
    if known is None and len(settled.make) == options.shards and holds_state(data):
        raise UsageError(f"{data} holds shards of an engine without --ray: use another --data")
    if found is not None:
        cluster_file.join(data, found)
    cluster = cluster_file.load_or_create(data)
    by_address = {node.address: node for node in nodes}
    for index in sorted(settled.make):
        directory = settled.directories[index]
        name = shard_name(index)
        identity = ShardIdentity(cluster.cluster_id, name, (ranges[index],), directory=directory)
        machines.make(by_address[settled.machines[index]], cluster, identity)
    if settled.directories != known:
        roster.save_roster(data, settled.directories)
    return Spread(cluster, nodes, machines, settled.directories)


def _one_of_each_machine(nodes: list[Node]) -> list[Node]:
    """Two nodes at one address share its disk: one is asked."""
    return list({node.address: node for node in nodes}.values())
