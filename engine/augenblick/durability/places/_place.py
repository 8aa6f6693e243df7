"""What every kind of place offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from augenblick.durability.disk import Files
from augenblick.durability.formats.names import CHECKPOINT_FOLDER


class Place(ABC):
    """A folder at one URL. Made of what follows `SCHEME://`; raises UsageError if that cannot be
    meant, StorageError where something of the world is missing.

    `url`: its one spelling, without a slash at the end: equal places have equal URLs, and what lies
    in a folder begins with the folder's URL and a slash.
    """

    url: str

    @abstractmethod
    def __init__(self, rest: str) -> None: ...

    def remove(self, folder: str, parts: Sequence[str]) -> None:
        """Remove what lies in the checkpoints of these parts of a folder, and the folder where
        there are such; raises OSError or StorageError.
        """
        files = self.files()
        for part in parts:
            inner = f"{folder}/{part}/{CHECKPOINT_FOLDER}"
            for name in files.list(inner):
                files.remove(f"{inner}/{name}")

    @abstractmethod
    def files(self) -> Files:
        """The folder's files. A name is that of a whole file; raises StorageError."""
