"""The quick way into an engine: Ray starts while the rest of this process is still being loaded.

Ray's start is what a start of the engine waits for, so nothing that takes time comes before it:
only the flags are checked. The plan and its libraries follow while it starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from augenblick.config.serve import ServeOptions
from augenblick.runtime.ray_node import RayNode

if TYPE_CHECKING:
    from augenblick.runtime.cluster import Engine

_OTHERS = 2  # coordinator and delivery; a custom trigger's host is one more, started when asked for


def prepare(options: ServeOptions) -> Engine:
    """Check flags, begin to start Ray unless one is to be joined, check plan and ports.

    Called from the main thread. Raises UsageError or PlanError, and leaves nothing behind then.
    """
    options.check()
    if options.ray is not None:
        return _prepare(options, None)
    node = RayNode(options.shards + options.gateways + _OTHERS)
    node.start()
    try:
        return _prepare(options, node)
    except BaseException:
        node.stop()
        raise


def _prepare(options: ServeOptions, node: RayNode | None) -> Engine:
    from augenblick.runtime.cluster import Engine

    return Engine.prepare(options, node)
