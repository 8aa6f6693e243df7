"""Snapshots on their way into a checkpoint, one set at a time.

A set ends with SHARD_UNIT, which is so never older than any other unit. It is written as a whole,
and not before the journal is synced up to it: a checkpoint is never ahead of its journal.
"""

from __future__ import annotations

from collections.abc import Sequence

from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.formats.packs import SHARD_UNIT
from augenblick.durability.store import Journal


class SnapshotSet:
    """`keep`, `is_ready` and `hand_over` belong to the thread that appends, `write` to another; the
    next `keep` comes after the `write`.

    `tail`: below it nobody reads the journal. `units`: all that the shard owns, without SHARD_UNIT.
    """

    def __init__(self, journal: Journal, checkpoint: Checkpoint, units: Sequence[int]) -> None:
        self._journal = journal
        self._checkpoint = checkpoint
        self._units = [*units, SHARD_UNIT]
        self._kept: list[tuple[int, int, bytes | None]] = []
        self._end: int | None = None
        self.tail = checkpoint.tail(self._units)[1]

    @property
    def is_ready(self) -> bool:
        """Is the set whole, and may it be written?"""
        return self._end is not None and self._journal.synced >= self._end

    def keep(self, unit: int, snapshot: bytes | None) -> None:
        """A unit's state where the journal ends now (None: as in its last snapshot)."""
        position = self._journal.position
        self._kept.append((unit, position, snapshot))
        if unit == SHARD_UNIT:
            self._end = position

    def hand_over(self) -> None:
        """Give the set to the checkpoint; `write` follows."""
        for unit, position, snapshot in self._kept:
            if snapshot is None:
                self._checkpoint.confirm(unit, position)
            else:
                self._checkpoint.add(unit, position, snapshot)
        self._kept = []
        self._end = None

    def write(self) -> None:
        """Write what was handed over and forget what the journal holds below it.

        Raises StorageFull (try again later), CheckpointCorrupt or StorageError.
        """
        self._checkpoint.commit()
        self.tail = self._checkpoint.tail(self._units)[1]
        self._journal.truncate_below(self.tail)

    def renew(self) -> None:
        """Write packs anew that hold anything superseded, and forget what the journal holds below
        the tail; on the thread of `write`, and raises as that does.
        """
        while self._checkpoint.renew():
            pass
        self._journal.truncate_below(self.tail)

    def oldest(self, unit: int) -> int:
        """No file holds anything of the unit, or of what the shard knows beside its key groups,
        that is older than this journal position; on the thread of `write`.
        """
        units = (self._checkpoint.oldest(one) for one in (unit, SHARD_UNIT))
        return min(self._journal.begin, *units)
