"""A shard's rolling checkpoint; the formats are in `durability.formats`."""

from augenblick.durability.checkpoint.rolling import Checkpoint

__all__ = ["Checkpoint"]
