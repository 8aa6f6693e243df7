"""A folder of this machine: `file:///path`, or just the path."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from augenblick.durability.disk import DiskFiles
from augenblick.durability.places._place import Place
from augenblick.errors import UsageError


class FilePlace(Place):
    """`url` has the path as it is behind all links that exist now."""

    def __init__(self, rest: str) -> None:
        path = Path(rest)
        if not path.is_absolute() or "\0" in rest:
            raise UsageError(f"{rest!r} is no absolute path (file:///folder has three slashes)")
        self._path = path.resolve()
        self.url = f"file://{self._path}".rstrip("/")

    def files(self) -> DiskFiles:
        return DiskFiles(self._path)


PLACE: Final = FilePlace
