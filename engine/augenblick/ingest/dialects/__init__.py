"""Client protocols: bytes to chunks of events and answers to bytes. No socket, no clock."""

from augenblick.ingest.dialects._chunk import Chunk

__all__ = ["Chunk"]
