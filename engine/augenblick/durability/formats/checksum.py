"""The checksum of everything on disk: crc32c, chained over parts."""

from __future__ import annotations

import struct
from typing import Final

import google_crc32c

_NUMBERS: Final = struct.Struct("<QQ")


class Damage(Exception):
    """Bytes that are not what was written; `offset` counts from the begin of what was read.

    Whoever knows the file makes a CorruptionFound of it.
    """

    def __init__(self, reason: str, offset: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset


def checksum(data: bytes, before: int = 0) -> int:
    """crc32c of the data behind what `before` is the checksum of."""
    crc: int = google_crc32c.extend(before, data)
    return crc


def file_seed(cluster: str, name: str, epoch: int, sequence: int) -> int:
    """What the checksums inside one file begin with: bytes of another file never fit."""
    return checksum(_NUMBERS.pack(epoch, sequence), checksum(f"{cluster}/{name}".encode()))
