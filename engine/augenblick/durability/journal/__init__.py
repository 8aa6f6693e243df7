"""A shard's journal in segment files; the formats are in `durability.formats`."""

from augenblick.durability.journal.segments import SegmentJournal

__all__ = ["SegmentJournal"]
