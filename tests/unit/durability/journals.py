"""Journals for tests: small segments, on a simulated or a real disk."""

from pathlib import Path
from typing import Any

from tests.simulation.disk import SimulatedFiles

from augenblick.durability.disk import DiskFiles
from augenblick.durability.formats.head import Owner
from augenblick.durability.journal import SegmentJournal

OWNER = Owner("c1", "shard-0", plan_hash=b"p" * 16)


def new_journal(files: Path | SimulatedFiles, **settings: Any) -> SegmentJournal:
    """Not opened yet."""
    disk = DiskFiles(files) if isinstance(files, Path) else files
    return SegmentJournal(disk, OWNER, **{"segment_bytes": 4096, **settings})


def opened(files: Path | SimulatedFiles, epoch: int = 1, **settings: Any) -> SegmentJournal:
    journal = new_journal(files, **settings)
    journal.open(epoch)
    return journal


def commit_all(journal: SegmentJournal) -> int:
    while journal.durable < journal.position:
        journal.commit()
    return journal.durable


def bodies(journal: SegmentJournal, position: int = 0) -> list[bytes]:
    return [record.body for record in journal.read_from(position)]
