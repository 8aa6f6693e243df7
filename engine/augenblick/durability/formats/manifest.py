"""The manifest of a checkpoint: which pack holds the newest snapshot of each unit. Pure.

    head | packs: u64 epoch | u64 sequence | units: u32 unit | u32 index of its pack | u64 position
    | u32 crc32c

Little endian; the head's `packs` and `units` count them. A unit's position may be later than that
in the pack: nothing of it has changed since. In an encrypted manifest all between head and checksum
is sealed, with the number 0.
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
from augenblick.durability.formats.packs import SHARD_UNIT
from augenblick.durability.formats.sealing import KeyRing, TAG_bytes, find_cipher

_PACK: Final = struct.Struct("<QQ")
_UNIT: Final = struct.Struct("<IIQ")
_CRC: Final = struct.Struct("<I")

PackKey = tuple[int, int]
"""Epoch and sequence of a pack: its name."""


class Place(NamedTuple):
    """The pack of a unit's newest snapshot, and the journal position it stands for."""

    pack: PackKey
    position: int


def encode_manifest(head: Head, places: Mapping[int, Place], keys: KeyRing | None = None) -> bytes:
    """The file's bytes; `head.numbers` are set here, and with keys its key."""
    packs = sorted({place.pack for place in places.values()})
    index = {pack: number for number, pack in enumerate(packs)}
    full = Head(head.owner, head.epoch, head.sequence, {"packs": len(packs), "units": len(places)})
    numbers: list[int] = []
    for unit in sorted(places):
        pack, position = places[unit]
        numbers += (unit, index[pack], position)
    units = struct.pack("<" + "IIQ" * len(places), *numbers)
    body = b"".join([*(_PACK.pack(*pack) for pack in packs), units])
    if keys is not None:
        full = keys.mark(full)
    first = encode_head(MANIFEST_MAGIC, full)
    cipher = find_cipher(keys, full, first, "a new manifest")
    if cipher is not None:
        body = cipher.seal(0, body)
    return first + body + _CRC.pack(checksum(body, head.seed))


def decode_manifest(
    data: bytes, keys: KeyRing | None = None, place: str = "a manifest"
) -> tuple[Head, dict[int, Place]]:
    """A file's head and places; raises Damage, UnknownFormat or KeyMissing."""
    head = decode_head(MANIFEST_MAGIC, data, "packs", "units")
    cipher = find_cipher(keys, head, data[:HEAD_bytes], place)
    units_at = head.numbers["packs"] * _PACK.size
    body_bytes = units_at + head.numbers["units"] * _UNIT.size
    crc_at = HEAD_bytes + body_bytes + (TAG_bytes if cipher is not None else 0)
    if len(data) != crc_at + _CRC.size:
        raise Damage("the manifest has a wrong length", len(data))
    body = data[HEAD_bytes:crc_at]
    if checksum(body, head.seed) != _CRC.unpack_from(data, crc_at)[0]:
        raise Damage("the manifest fails its checksum", HEAD_bytes)
    if cipher is not None:
        opened = cipher.open(0, body)
        if opened is None:
            raise Damage("the manifest is not what was encrypted", HEAD_bytes)
        body = opened
    packs: list[PackKey] = list(_PACK.iter_unpack(body[:units_at]))
    units = list(_UNIT.iter_unpack(body[units_at:]))
    if any(number >= len(packs) or unit > SHARD_UNIT for unit, number, _ in units):
        raise Damage("the manifest names a pack or a key group that there is not", HEAD_bytes)
    return head, {unit: Place(packs[number], position) for unit, number, position in units}
