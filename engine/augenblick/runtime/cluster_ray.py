"""The launcher's dealings with Ray: join, look at the nodes, end processes, leave.

Blocking calls for a thread of the launcher's. A process can join one Ray at a time; the launcher is
joined only while it starts or ends processes, so that nothing of it hangs on Ray afterwards.
"""

from __future__ import annotations

import logging
import time

import ray

from augenblick import limits
from augenblick.actors.nodes import Node, living_nodes
from augenblick.errors import EngineUnavailable

_POLL_SECONDS = 0.1


def join(address: str) -> str:
    """Connect this process to Ray; returns its node's address, by which other nodes reach it.

    A process that has already joined stays so: a start that failed is cleaned up after.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        ray.init(
            address=address,
            ignore_reinit_error=True,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
        )
    except ConnectionError as error:
        raise EngineUnavailable(f"no Ray can be joined at {address}: {error}") from None
    return str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]


def leave() -> None:
    """Disconnect; detached actors live on."""
    ray.shutdown()


def wait_for_nodes(resource: str, count: int) -> list[Node]:
    """Wait until so many living nodes offer the resource, within limits.shard_nodes_seconds_max.

    Returns those that do then, which may be fewer; none at all is EngineUnavailable.
    """
    deadline = time.monotonic() + limits.shard_nodes_seconds_max
    while True:
        found = living_nodes(resource)
        if len(found) >= count:
            return found
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_SECONDS)
    if not found:
        wanted = f"offers the resource {resource}" if resource else "answers"
        raise EngineUnavailable(f"no node of this Ray {wanted}")
    return found


def end_processes(namespace: str) -> int:
    """End every actor of the namespace for good and wait until their names are free.

    Returns how many there were.
    """
    names = _names(namespace)
    for name in names:
        try:
            ray.kill(ray.get_actor(name, namespace), no_restart=True)
        except ValueError:  # it has ended by itself
            continue
    deadline = time.monotonic() + limits.processes_end_seconds_max
    while _names(namespace):
        if time.monotonic() > deadline:
            raise EngineUnavailable("processes of an earlier start do not end")
        time.sleep(_POLL_SECONDS)
    return len(names)


def _names(namespace: str) -> list[str]:
    listed = ray.util.list_named_actors(all_namespaces=True)
    return [one["name"] for one in listed if one["namespace"] == namespace]
