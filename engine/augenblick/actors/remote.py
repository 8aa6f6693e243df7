"""The engine's processes as Ray actors, and calls on a node: the only place that makes remote
classes and functions.

Every actor is detached. A shard's name carries its incarnation and is never used again, and Ray
never restarts it: only the shard protocol replaces it. Ray restarts all others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from augenblick import limits
from augenblick.actors.nodes import Node
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
    is_by_data = role in ("shard", "spare")
    place = settings.shard_resource if is_by_data else settings.home_resource
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


def run_on(nodes: Sequence[Node], function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Call a function of ours once on each node, all at the same time; of a node that does not
    answer within limits.machine_answer_seconds_max, the exception that says so.
    """
    remote = ray.remote(function)
    answers = [
        remote.options(
            num_cpus=0,
            max_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.node_id, soft=False),
        ).remote(*arguments)
        for node in nodes
    ]
    if answers:
        ray.wait(answers, num_returns=len(answers), timeout=limits.machine_answer_seconds_max)
    found: list[Any] = []
    for answer in answers:
        try:
            found.append(ray.get(answer, timeout=0))
        except (RayError, TimeoutError) as error:
            found.append(error)
    return found


@cache
def _remote_class() -> Any:
    """One for all: each one made is sent to Ray, and to every process, anew."""
    return ray.remote(EngineProcess)
