"""A pack: snapshots of key groups in one file, with an index at its end. Pure.

    head | snapshots, each padded with zeros to a multiple of 8 | index | footer

    index entry: u32 unit | u32 crc32c | u64 offset | u64 bytes | u64 journal position
    footer: 8 magic | u32 entries | u32 crc32c of index and footer

Little endian. A unit is a key group, or SHARD_UNIT: what a shard knows beside its key groups. The
checksum of a snapshot begins with the file's seed and covers unit, offset and bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from augenblick.durability.formats.checksum import Damage, checksum
from augenblick.durability.formats.head import PACK_MAGIC, Head, HEAD_bytes, encode_head

SHARD_UNIT: Final = 4096
_ENTRY: Final = struct.Struct("<IIQQQ")
_FOOTER: Final = struct.Struct("<8sII")
_FOOTER_MAGIC: Final = b"AUGB-IDX"
_PLACE: Final = struct.Struct("<QQ")
FOOTER_bytes: Final = _FOOTER.size
ENTRY_bytes: Final = _ENTRY.size


class PackEntry(NamedTuple):
    """Where a unit's snapshot is in a pack, and the journal position it was taken at."""

    unit: int
    crc: int
    offset: int
    bytes: int
    position: int


def encode_pack(
    head: Head, snapshots: Sequence[tuple[int, int, bytes]]
) -> tuple[list[bytes], list[PackEntry]]:
    """The file's buffers and its index, for (unit, position, snapshot); nothing is copied."""
    buffers = [encode_head(PACK_MAGIC, head)]
    entries = []
    offset = HEAD_bytes
    for unit, position, snapshot in snapshots:
        crc = snapshot_crc(head.seed, unit, offset, snapshot)
        entries.append(PackEntry(unit, crc, offset, len(snapshot), position))
        buffers += (snapshot, bytes(-len(snapshot) % 8))
        offset += len(snapshot) + -len(snapshot) % 8
    index = b"".join(_ENTRY.pack(*entry) for entry in entries)
    crc = checksum(index, checksum(_FOOTER.pack(_FOOTER_MAGIC, len(entries), 0), head.seed))
    buffers += (index, _FOOTER.pack(_FOOTER_MAGIC, len(entries), crc))
    return buffers, entries


def snapshot_crc(seed: int, unit: int, offset: int, snapshot: bytes) -> int:
    """The checksum of a snapshot at its place."""
    return checksum(snapshot, checksum(_PLACE.pack(unit, offset), seed))


def index_bytes(footer: bytes) -> int:
    """How many bytes of index lie before a pack's last FOOTER_bytes; raises Damage."""
    if len(footer) != _FOOTER.size:
        raise Damage("the pack is too short for its index")
    magic, count, _ = _FOOTER.unpack(footer)
    if magic != _FOOTER_MAGIC:
        raise Damage("the pack does not end with an index")
    return int(count) * _ENTRY.size


def decode_index(head: Head, index: bytes, footer: bytes, size: int) -> list[PackEntry]:
    """The index of a pack of `size` bytes; raises Damage."""
    magic, count, crc = _FOOTER.unpack(footer)
    found = checksum(index, checksum(_FOOTER.pack(magic, count, 0), head.seed))
    if found != crc or len(index) != count * _ENTRY.size:
        raise Damage("the index fails its checksum")
    entries = [PackEntry(*fields) for fields in _ENTRY.iter_unpack(index)]
    end = size - len(index) - len(footer)
    if any(not HEAD_bytes <= entry.offset <= end - entry.bytes for entry in entries):
        raise Damage("the index points outside the pack")
    return entries
