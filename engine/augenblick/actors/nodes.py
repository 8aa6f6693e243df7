"""Ray's nodes, and which of them are alive.

Ray goes on listing a machine that lost power until its health checks have failed for some seconds
(RAY_health_check_period_ms times five), and does place actors there. So every node is asked itself:
its raylet takes TCP connections as long as it lives.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import ray

from augenblick import limits


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """One node: where its raylet listens, and Ray's name for it."""

    address: str
    port: int
    node_id: str


def living_nodes(resource: str) -> list[Node]:
    """The nodes that offer the resource ("" for any) and answer, by address. Blocks for at most
    limits.node_answer_seconds_max per limits.nodes_asked_at_once_max nodes.
    """
    listed = ray.nodes()  # type: ignore[no-untyped-call]  # Ray says no types here
    return answering(
        [
            Node(one["NodeManagerAddress"], one["NodeManagerPort"], one["NodeID"])
            for one in listed
            if one["Alive"] and (not resource or resource in one["Resources"])
        ]
    )


def answering(nodes: Sequence[Node]) -> list[Node]:
    """Those whose port takes a connection, by address."""
    with ThreadPoolExecutor(limits.nodes_asked_at_once_max) as pool:
        answers = list(pool.map(_answers, nodes))
    return sorted(node for node, answers_now in zip(nodes, answers, strict=True) if answers_now)


def _answers(node: Node) -> bool:
    try:
        where = (node.address, node.port)
        with socket.create_connection(where, limits.node_answer_seconds_max):
            return True
    except OSError:
        return False
