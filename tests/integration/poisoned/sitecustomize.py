"""Python imports this at its start where the folder is in PYTHONPATH: a kernel that events end.

The shards of an engine that a test starts so die of any event of the user `poison-pill`, as of a
mistake in native code. Nothing of it is in the engine itself.
"""

import os
import signal
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

MODULE = "augenblick.binding.kernel"
PILL = b"poison-pill"
UNREADABLE = b"\xc1"  # how an event that is set aside begins


class _Planter(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        apply = module.Kernel.apply

        def deadly(self: Any, stream: Any, *call: Any) -> Any:
            at = bytes(stream).find(PILL)
            if at >= 0 and UNREADABLE not in bytes(stream)[max(at - 40, 0) : at]:
                os.kill(os.getpid(), signal.SIGKILL)
            return apply(self, stream, *call)

        module.Kernel.apply = deadly


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name != MODULE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Planter(spec.loader)
        return spec


sys.meta_path.insert(0, _Finder())
