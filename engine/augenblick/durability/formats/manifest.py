"""The manifest of a checkpoint: which pack holds the newest snapshot of each unit. Pure.

    head | packs: u64 epoch | u64 sequence | units: u32 unit | u32 index of its pack | u64 position
    | u32 crc32c

Little endian; the head's `packs` and `units` count them. A unit's position may be later than that
in the pack: nothing of it has changed since.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

from augenblick.durability.formats.checksum import Damage, checksum
from augenblick.durability.formats.head import (
    MANIFEST_MAGIC,
    Head,
    HEAD_bytes,
    decode_head,
    encode_head,
)

_PACK: Final = struct.Struct("<QQ")
_UNIT: Final = struct.Struct("<IIQ")
_CRC: Final = struct.Struct("<I")

PackKey = tuple[int, int]
"""Epoch and sequence of a pack: its name."""


class Place(NamedTuple):
    """The pack of a unit's newest snapshot, and the journal position it stands for."""

    pack: PackKey
    position: int


def encode_manifest(head: Head, places: Mapping[int, Place]) -> bytes:
    """The file's bytes; `head.numbers` are set here."""
    packs = sorted({place.pack for place in places.values()})
    index = {pack: number for number, pack in enumerate(packs)}
    full = Head(head.owner, head.epoch, head.sequence, {"packs": len(packs), "units": len(places)})
    units = [
        _UNIT.pack(unit, index[place.pack], place.position)
        for unit, place in sorted(places.items())
    ]
    body = b"".join([*(_PACK.pack(*pack) for pack in packs), *units])
    return encode_head(MANIFEST_MAGIC, full) + body + _CRC.pack(checksum(body, head.seed))


def decode_manifest(data: bytes) -> tuple[Head, dict[int, Place]]:
    """A file's head and places; raises Damage or UnknownFormat."""
    head = decode_head(MANIFEST_MAGIC, data, "packs", "units")
    units_at = HEAD_bytes + head.numbers["packs"] * _PACK.size
    crc_at = units_at + head.numbers["units"] * _UNIT.size
    if len(data) != crc_at + _CRC.size:
        raise Damage("the manifest has a wrong length", len(data))
    if checksum(data[HEAD_bytes:crc_at], head.seed) != _CRC.unpack_from(data, crc_at)[0]:
        raise Damage("the manifest fails its checksum", HEAD_bytes)
    packs: list[PackKey] = list(_PACK.iter_unpack(data[HEAD_bytes:units_at]))
    places = {
        unit: Place(packs[number], position)
        for unit, number, position in _UNIT.iter_unpack(data[units_at:crc_at])
    }
    return head, places
