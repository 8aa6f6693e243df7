"""The engine's processes as Ray actors: the only place that makes remote classes.

Every actor is detached. A shard's name carries its incarnation and is never used again, and Ray
never restarts it: only the shard protocol replaces it. Ray restarts all others.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import ray

from augenblick.actors.process import EngineProcess
from augenblick.config.process import ProcessSettings
from augenblick.core.routing import shard_name

LOG = logging.getLogger("augenblick")
_PLACE_SHARE = 0.001


def namespace(cluster_id: str) -> str:
    """The Ray namespace of a cluster's actors."""
    return f"augenblick-{cluster_id}"


def start_process(
    name: str, settings: ProcessSettings, role: str, *arguments: Any, restarts: bool = True
) -> Any:
    """Ask Ray for a process; returns the actor's handle at once.

    A node resource is only a place: each process takes next to nothing of it. A process whose node
    is not there yet waits for it.
    """
    place = settings.shard_resource if role == "shard" else settings.home_resource
    return (
        ray.remote(EngineProcess)
        .options(
            name=name,
            namespace=namespace(settings.cluster_id),
            lifetime="detached",
            num_cpus=0,
            resources={place: _PLACE_SHARE} if place else {},
            scheduling_strategy="SPREAD" if role == "shard" else "DEFAULT",
            max_restarts=-1 if restarts else 0,
            max_task_retries=0,
        )
        .remote(settings, role, *arguments)
    )


def start_shard(settings: ProcessSettings, index: int, incarnation: int) -> Any:
    """Ask Ray for a shard process."""
    name = f"{shard_name(index)}-{incarnation}"
    return start_process(name, settings, "shard", index, incarnation, restarts=False)


def start_shard_later(
    settings: ProcessSettings,
) -> Callable[[int, int, Callable[[], object]], None]:
    """For the coordinator's loop: a function that asks for a shard without blocking it."""

    def start(index: int, incarnation: int, on_failed: Callable[[], object]) -> None:
        arguments = (settings, index, incarnation, on_failed)
        threading.Thread(target=_try_start, args=arguments, daemon=True).start()

    return start


def _try_start(
    settings: ProcessSettings, index: int, incarnation: int, on_failed: Callable[[], object]
) -> None:
    """Wait until the process is up: Ray may have placed it on a node that is dead already, gives
    it up when it notices, and never restarts a shard by itself.
    """
    try:
        ray.get(start_shard(settings, index, incarnation).pid.remote())
    except Exception as error:
        LOG.warning("Ray did not start shard %d: %s", index, error)
        on_failed()
