"""A pack: snapshots of key groups in one file, with an index at its end. Pure.

    head | snapshots, each padded with zeros to a multiple of 8 | index | footer

    index entry: u32 unit | u32 crc32c | u64 offset | u64 bytes | u64 journal position
    footer: 8 magic | u32 entries | u32 crc32c of index and footer

Little endian. A unit is a key group, or SHARD_UNIT: what a shard knows beside its key groups. The
checksum of a snapshot begins with the file's seed and covers unit, offset and bytes.

In an encrypted pack each snapshot and the index are sealed, with their offsets as their numbers;
unit, offset and position are bound to a snapshot. `bytes` and checksums are those of what lies
there.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from augenblick.durability.formats.checksum import Damage, checksum
from augenblick.durability.formats.head import Head, HEAD_bytes
from augenblick.durability.formats.sealing import Cipher, TAG_bytes

SHARD_UNIT: Final = 4096
_ENTRY: Final = struct.Struct("<IIQQQ")
_FOOTER: Final = struct.Struct("<8sII")
_FOOTER_MAGIC: Final = b"AUGB-IDX"
_PLACE: Final = struct.Struct("<QQ")
_BOUND: Final = struct.Struct("<QQQ")
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
    head: Head,
    head_data: bytes,
    snapshots: Sequence[tuple[int, int, bytes]],
    cipher: Cipher | None = None,
) -> tuple[list[bytes], list[PackEntry]]:
    """The file's buffers and its index, for (unit, position, snapshot).

    `head_data` is the head as `encode_head` gave it. Nothing is copied, unless a cipher encrypts.
    """
    buffers = [head_data]
    entries: list[PackEntry] = []
    offset, seed = HEAD_bytes, head.seed
    for unit, position, snapshot in snapshots:
        if cipher is not None:
            snapshot = cipher.seal(offset, snapshot, _BOUND.pack(unit, offset, position))
        crc = snapshot_crc(seed, unit, offset, snapshot)
        entries.append(PackEntry(unit, crc, offset, len(snapshot), position))
        buffers += (snapshot, bytes(-len(snapshot) % 8))
        offset += len(snapshot) + -len(snapshot) % 8
    index = b"".join(_ENTRY.pack(*entry) for entry in entries)
    if cipher is not None:
        index = cipher.seal(offset, index)
    crc = checksum(index, checksum(_FOOTER.pack(_FOOTER_MAGIC, len(entries), 0), seed))
    buffers += (index, _FOOTER.pack(_FOOTER_MAGIC, len(entries), crc))
    return buffers, entries


def snapshot_crc(seed: int, unit: int, offset: int, snapshot: bytes) -> int:
    """The checksum of a snapshot at its place."""
    return checksum(snapshot, checksum(_PLACE.pack(unit, offset), seed))


def open_snapshot(cipher: Cipher, entry: PackEntry, data: bytes) -> bytes | None:
    """A sealed snapshot in clear; None if it is not what was sealed there."""
    return cipher.open(entry.offset, data, _BOUND.pack(entry.unit, entry.offset, entry.position))


def index_bytes(footer: bytes, *, is_sealed: bool) -> int:
    """How many bytes of index lie before a pack's last FOOTER_bytes; raises Damage."""
    if len(footer) != _FOOTER.size:
        raise Damage("the pack is too short for its index")
    magic, count, _ = _FOOTER.unpack(footer)
    if magic != _FOOTER_MAGIC:
        raise Damage("the pack does not end with an index")
    return int(count) * _ENTRY.size + (TAG_bytes if is_sealed else 0)


def decode_index(
    head: Head, index: bytes, footer: bytes, size: int, cipher: Cipher | None = None
) -> list[PackEntry]:
    """The index of a pack of `size` bytes; raises Damage."""
    magic, count, crc = _FOOTER.unpack(footer)
    found = checksum(index, checksum(_FOOTER.pack(magic, count, 0), head.seed))
    end = size - len(index) - len(footer)
    if found != crc or len(index) != index_bytes(footer, is_sealed=cipher is not None):
        raise Damage("the index fails its checksum")
    if cipher is not None:
        opened = cipher.open(end, index)
        if opened is None:
            raise Damage("the index is not what was encrypted")
        index = opened
    entries = [PackEntry(*fields) for fields in _ENTRY.iter_unpack(index)]
    if any(not HEAD_bytes <= entry.offset <= end - entry.bytes for entry in entries):
        raise Damage("the index points outside the pack")
    return entries
