"""A folder of this machine: `file:///path`, or just the path."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
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

    def remove(self, folder: str, parts: Sequence[str]) -> None:
        """The whole folder."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._path / folder)

    def files(self) -> DiskFiles:
        return DiskFiles(self._path)


PLACE: Final = FilePlace
