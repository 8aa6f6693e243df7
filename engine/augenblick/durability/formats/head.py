"""The first 256 bytes of a journal segment, a pack and a manifest. Pure.

    8 magic | u16 format version | u16 map bytes | u32 crc32c of all else | msgpack map | zeros

Little endian. These places and sizes hold for every version to come, so that a reader can always
tell a damaged file from one it is too old for. The map has `cluster`, `name` (the shard's), `plan`
(hash), `semantics` (version of the rules), `epoch`, `sequence` and `key`: the id of the key under
which the file is encrypted; 0: it is not. An encrypted file adds `salt` (16 random bytes); a
segment `start` (position of its first record), `durable` (known durable when it was made) and
`size` (bytes it was made with); a manifest its counts.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgpack

from augenblick.durability.formats.checksum import Damage, checksum, file_seed

HEAD_bytes: Final = 256
FORMAT_VERSION: Final = 1
JOURNAL_MAGIC: Final = b"AUGB-JNL"
PACK_MAGIC: Final = b"AUGB-PCK"
MANIFEST_MAGIC: Final = b"AUGB-MAN"
_FIXED: Final = struct.Struct("<8sHHI")
_NUMBER_end: Final = 1 << 62  # positions are sums of these, and fit 64 bits


class UnknownFormat(Exception):
    """A whole file of a format version that this version does not read."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose files these are, and under which rules their content was made.

    `cluster`: the cluster's id; `name`: the shard's, at most 64 bytes each; `plan_hash`: 16 bytes;
    `semantics`: version of the rules.
    """

    cluster: str
    name: str
    plan_hash: bytes = bytes(16)
    semantics: int = 1


@dataclass(frozen=True, slots=True)
class Head:
    """A file's head; `numbers` are the kind's own. `key`: id of a key, 0: it is not encrypted;
    `salt`: empty then.
    """

    owner: Owner
    epoch: int
    sequence: int
    numbers: Mapping[str, int] = field(default_factory=dict)
    key: int = 0
    salt: bytes = b""

    @property
    def seed(self) -> int:
        """What the checksums inside the file begin with."""
        return file_seed(self.owner.cluster, self.owner.name, self.epoch, self.sequence)


def encode_head(magic: bytes, head: Head) -> bytes:
    """The head's bytes."""
    content: bytes = msgpack.packb(
        {
            "cluster": head.owner.cluster,
            "name": head.owner.name,
            "plan": head.owner.plan_hash,
            "semantics": head.owner.semantics,
            "epoch": head.epoch,
            "sequence": head.sequence,
            "key": head.key,
            **({"salt": head.salt} if head.key else {}),
            **head.numbers,
        }
    )
    room = HEAD_bytes - _FIXED.size
    if len(content) > room:
        raise ValueError(f"the head has {len(content)} bytes, more than {room}")
    body = content.ljust(room, b"\0")
    crc = _crc(magic, FORMAT_VERSION, len(content), body)
    fixed = _FIXED.pack(magic, FORMAT_VERSION, len(content), crc)
    return fixed + body


def decode_head(magic: bytes, data: bytes, *numbers: str) -> Head:
    """The head in a file's first bytes, with these numbers; raises Damage or UnknownFormat."""
    if len(data) < HEAD_bytes:
        raise Damage("the file is too short for a head", len(data))
    found, version, count, crc = _FIXED.unpack_from(data)
    body = data[_FIXED.size : HEAD_bytes]
    if crc != _crc(found, version, count, body):
        raise Damage("the head fails its checksum")
    if found != magic:
        raise Damage(f"the file begins with {found!r}, not {magic!r}")
    if version != FORMAT_VERSION:
        raise UnknownFormat(f"format {version}; this version reads {FORMAT_VERSION}")
    try:
        content: dict[str, Any] = msgpack.unpackb(body[:count])
        owner = Owner(content["cluster"], content["name"], content["plan"], content["semantics"])
        epoch, sequence, key = (_whole(content[name]) for name in ("epoch", "sequence", "key"))
        values = {name: _whole(content[name]) for name in numbers}
        salt = content["salt"] if key else b""
        if not isinstance(salt, bytes):
            raise TypeError("the salt is no bytes")
        return Head(owner, epoch, sequence, values, key, salt)
    except (ValueError, KeyError, TypeError, msgpack.UnpackException) as error:
        raise Damage(f"the head holds no head: {error}") from error


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value < _NUMBER_end:
        raise ValueError(f"{value!r} is no number of a head")
    return value


def _crc(magic: bytes, version: int, count: int, body: bytes) -> int:
    return checksum(body, checksum(_FIXED.pack(magic, version, count, 0)))
