"""The chart's pods as nodes: the very commands and environment it renders, run on `Nodes`.

Only what Kubernetes fills in or mounts is put in place: pod addresses, the head's name, the folders
of claim, keys and plan. The pods' image is this machine.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from tests.integration.serve_process import run
from tests.system.chart import container, environment, keys, of_kind, render
from tests.system.nodes import Nodes

NAME = "shop-augenblick"
PROGRAM = "import sys; from augenblick.cli import main; sys.exit(main())"
AUGENBLICK = (sys.executable, "-c", PROGRAM)
RAY = (sys.executable, "-m", "ray.scripts.scripts")
STARTED = "Ray runtime started"


class ChartNodes:
    """Node 0 is the head's pod, the others the shards' pods; `values` are the chart's."""

    def __init__(self, helm: Path, folder: Path, nodes: Nodes, values: dict[str, Any]) -> None:
        self.nodes = nodes
        self._objects = render(helm, folder, values)
        self.keys = keys(self._objects)
        self._folder = folder
        self._starts = 0
        self.data = nodes.common / "data"
        files = nodes.private(0)
        (plan,) = of_kind(self._objects, "ConfigMap")
        (files / "plan.yaml").write_text(plan["data"]["plan.yaml"])
        for index in range(3):
            target = nodes.private(index) / "data-keys"
            if index == 0:
                run("key", "new", str(target))
            else:
                shutil.copy(nodes.private(0) / "data-keys", target)  # keeps 0600
        for name, text in self.keys.items():
            with open(
                files / name, "x", opener=lambda path, flags: os.open(path, flags, 0o600)
            ) as f:
                f.write(text)

    def start_ray(self, index: int) -> None:
        """Switch a node on: the pod's container `ray`."""
        component = "shard" if index else "head"
        given = container(self._objects, component, "ray")
        assert given["command"] == ["ray", "start"]
        command = [*RAY, "start", *self._filled_in(given["args"], index)]
        self.nodes.start(index, command, self.environment(component, "ray"), STARTED)

    def start_engine(self, *more: str) -> tuple[Any, Path]:
        """The head's container `engine`, with more arguments, without waiting: its process and what
        it prints.
        """
        given = container(self._objects, "head", "engine")
        command = [*AUGENBLICK, *self._filled_in(given["args"], 0), *more]
        self._starts += 1
        log = self._folder / f"engine-{self._starts}.log"
        return self.nodes.run(0, command, self.environment("head", "engine"), log), log

    def environment(self, component: str, name: str) -> dict[str, str]:
        """A container's environment, with folders of the node's own."""
        found = environment(self._objects, container(self._objects, component, name))
        filled = {key: self._fill_in(value, 0) for key, value in found.items()}
        return {**filled, "AUGENBLICK_DATA": str(self.data), "RAY_TMPDIR": str(self.nodes.common)}

    def _filled_in(self, arguments: list[str], index: int) -> list[str]:
        return [self._fill_in(argument, index) for argument in arguments]

    def _fill_in(self, text: str, index: int) -> str:
        for name, value in (
            ("$(POD_IP)", self.nodes.address(index)),
            (f"{NAME}-head:", f"{self.nodes.address(0)}:"),
            ("/etc/augenblick/plan/", f"{self.nodes.common}/"),
            ("/run/augenblick/", f"{self.nodes.common}/"),
            ("/data/", f"{self.data}/"),
        ):
            text = text.replace(name, value)
        return text
