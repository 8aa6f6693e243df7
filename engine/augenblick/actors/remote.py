"""The engine's processes as Ray actors: the only place that makes remote classes.

Every actor is detached. A shard's name carries its incarnation and is never used again, and Ray
never restarts it: only the shard protocol replaces it. Ray restarts all others.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from augenblick.actors.process import EngineProcess
from augenblick.config.process import ProcessSettings

_PLACE_SHARE = 0.001


def namespace(cluster_id: str) -> str:
    """The Ray namespace of a cluster's actors."""
    return f"augenblick-{cluster_id}"


def start_process(
    name: str,
    settings: ProcessSettings,
    role: str,
    *arguments: Any,
    restarts: bool = True,
    node_id: str = "",
) -> Any:
    """Ask Ray for a process; returns the actor's handle at once.

    A node resource is only a place: each process takes next to nothing of it. A process whose node
    is not there yet waits for it; with a `node_id` it runs on that node or not at all.
    """
    place = settings.shard_resource if role == "shard" else settings.home_resource
    strategy = NodeAffinitySchedulingStrategy(node_id, soft=False) if node_id else "DEFAULT"
    return (
        _remote_class()
        .options(
            name=name,
            namespace=namespace(settings.cluster_id),
            lifetime="detached",
            num_cpus=0,
            resources={place: _PLACE_SHARE} if place else {},
            scheduling_strategy=strategy,
            max_restarts=-1 if restarts else 0,
            max_task_retries=0,
        )
        .remote(settings, role, *arguments)
    )


@cache
def _remote_class() -> Any:
    """One for all: each one made is sent to Ray, and to every process, anew."""
    return ray.remote(EngineProcess)
