"""From a shard's files to its state: the units of its checkpoint, then its journal in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.store import Journal


class Replay(Protocol):
    """Who takes what is read."""

    def restore(self, unit: int, data: bytes) -> None:
        """A unit of the checkpoint."""

    def replay(self, position: int, body: bytes) -> None:
        """A record of the journal; `position` is where it begins."""


def recover(replay: Replay, journal: Journal, checkpoint: Checkpoint, tail: int) -> Iterator[float]:
    """Feed everything to `replay`; yields after each part the share that is done.

    `tail`: the smallest position of all units. Raises CheckpointCorrupt, JournalCorrupt or
    StorageError.
    """
    count = len(checkpoint.positions)
    for number, (unit, data) in enumerate(checkpoint.read_all()):
        replay.restore(unit, data)
        yield number / count / 2
    length = max(journal.durable - tail, 1)
    for record in journal.read_from(tail):
        replay.replay(record.position, record.body)
        yield 0.5 + (record.end - tail) / length / 2
