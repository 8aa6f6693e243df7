"""What every kind of place offers."""

from __future__ import annotations

from abc import ABC, abstractmethod

from augenblick.durability.disk import Files


class Place(ABC):
    """A folder at one URL. Made of what follows `SCHEME://`; raises UsageError if that cannot be
    meant, StorageError where something of the world is missing.

    `url`: its one spelling, without a slash at the end: equal places have equal URLs, and what lies
    in a folder begins with the folder's URL and a slash.
    """

    url: str

    @abstractmethod
    def __init__(self, rest: str) -> None: ...

    @abstractmethod
    def files(self) -> Files:
        """The folder's files. A name is that of a whole file; raises StorageError."""
