"""Asks a Ray of its own for two shards, one of them on a node that is none; prints what came.

Run by test_shard_starter in a process of its own: Ray's library reads the environment when it is
imported, and stays in a process that has joined a Ray.
"""

import os
import sys
import time
from pathlib import Path

from augenblick.config.process import ProcessSettings
from augenblick.config.secret import SECRET_VARIABLE
from augenblick.examples import plan_path
from augenblick.plan.compiler import compile_plan
from augenblick.plan.load import load_plan
from augenblick.runtime.ray_node import RayNode


def names_of_two(address: str, data: Path) -> list[str]:
    """The names of the shards' actors, once both are there."""
    import ray

    from augenblick.actors.nodes import Node, living_nodes
    from augenblick.actors.shard_starter import ShardStarter
    from augenblick.runtime.cluster_ray import join, leave

    join(address)
    plan = plan_path("example:otto")
    settings = ProcessSettings(
        cluster_id="c",
        hash_key=bytes(16),
        program=compile_plan(load_plan(plan)),
        plan_text=plan.read_text(),
        data=data,
        coordinator="127.0.0.1:9",
        link_host="127.0.0.1",
        shards=2,
        gateways=1,
        is_event_clock=False,
    )
    starter = ShardStarter(settings)
    (living,) = living_nodes("")
    starter.start_all(1, [living, Node("127.0.0.9", 1, "ab" * 28)])
    found: list[str] = []
    while len(found) < 2:
        time.sleep(0.05)
        starter.ask_again()
        listed = ray.util.list_named_actors(all_namespaces=True)
        found = sorted(one["name"] for one in listed if one["name"] != "shard-1-1")
    leave()
    return found


def main() -> None:
    """Start Ray, ask, end Ray."""
    os.environ[SECRET_VARIABLE] = "a secret of at least sixteen"
    node = RayNode(4)
    os.environ.update(node.environment())
    node.start()
    try:
        while (address := node.address_if_ready()) is None:
            time.sleep(0.02)
        print(*names_of_two(address, Path(sys.argv[1])))
    finally:
        node.stop()


if __name__ == "__main__":
    main()
