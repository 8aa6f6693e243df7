"""Ray's own command line, without what its other commands need: run as a process by `ray_node`.

Some groups of Ray's commands (states, jobs, serving) are optional: it goes on where they cannot be
imported. Their libraries take a quarter of a second, on the way to the engine's start.
"""

from __future__ import annotations

import sys
from typing import Final

_NOT_NEEDED: Final = (
    "ray.dashboard.modules.job.cli",
    "ray.serve.scripts",
    "ray.util.state.state_cli",
)


def main() -> None:
    """`ray ARGUMENTS`, with those of this process."""
    for name in _NOT_NEEDED:
        sys.modules[name] = None  # type: ignore[assignment]  # importing it now raises ImportError
    from ray.scripts.scripts import main as ray

    ray()  # type: ignore[no-untyped-call]  # Ray says no types here


if __name__ == "__main__":
    main()
