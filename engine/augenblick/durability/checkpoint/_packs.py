"""Pack files of a checkpoint: written whole, read one snapshot at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from augenblick.durability.disk import Files
from augenblick.durability.formats.checksum import Damage
from augenblick.durability.formats.head import (
    PACK_MAGIC,
    Head,
    HEAD_bytes,
    Owner,
    UnknownFormat,
    decode_head,
    encode_head,
)
from augenblick.durability.formats.manifest import PackKey
from augenblick.durability.formats.names import CHECKPOINT_FOLDER, TEMPORARY, file_name
from augenblick.durability.formats.packs import (
    FOOTER_bytes,
    PackEntry,
    decode_index,
    encode_pack,
    index_bytes,
    open_snapshot,
    snapshot_crc,
)
from augenblick.durability.formats.sealing import Cipher, KeyRing, find_cipher
from augenblick.errors import CheckpointCorrupt, DirectoryForeign, StorageError


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack that is there, by its head, and where each unit's snapshot lies.

    `cipher`: None if it is not encrypted.
    """

    head: Head
    entries: dict[int, PackEntry]
    cipher: Cipher | None = None

    @property
    def key(self) -> PackKey:
        return (self.head.epoch, self.head.sequence)

    @property
    def name(self) -> str:
        return f"{CHECKPOINT_FOLDER}/{file_name(*self.key)}"

    @property
    def snapshot_bytes(self) -> int:
        """Bytes of all its snapshots."""
        return sum(entry.bytes for entry in self.entries.values())


def write_file(files: Files, name: str, buffers: Sequence[bytes]) -> None:
    """Put a whole file under a name so that it is there or not, never in part; raises OSError."""
    folder, _, short = name.rpartition("/")
    temporary = f"{folder}/{TEMPORARY}{short}"
    file = files.create(temporary)
    try:
        file.write(buffers, 0)
        file.sync()
        files.rename(temporary, name)
    except OSError:
        with contextlib.suppress(OSError):  # it may be the room that is missing
            files.remove(temporary)
        raise
    finally:
        file.close()
    files.sync_folder(folder)


def make_pack(
    files: Files, head: Head, keys: KeyRing | None, snapshots: Sequence[tuple[int, int, bytes]]
) -> Pack:
    """A new pack of (unit, position, snapshot), durable, encrypted if there are keys; raises
    OSError.
    """
    if keys is not None:
        head = keys.mark(head)
    first = encode_head(PACK_MAGIC, head)
    cipher = find_cipher(keys, head, first, "a new pack")
    buffers, entries = encode_pack(head, first, snapshots, cipher)
    pack = Pack(head, {entry.unit: entry for entry in entries}, cipher)
    write_file(files, pack.name, buffers)
    return pack


def load_pack(files: Files, key: PackKey, owner: Owner, keys: KeyRing | None) -> Pack:
    """A pack's index; raises CheckpointCorrupt, DirectoryForeign, KeyMissing, StorageError or
    OSError.
    """
    name = f"{CHECKPOINT_FOLDER}/{file_name(*key)}"
    place = files.locate(name)
    try:
        file = files.open(name)
    except FileNotFoundError:
        raise CheckpointCorrupt("the manifest names it, and it is gone", file=place) from None
    try:
        size = file.size()
        first = file.read(HEAD_bytes, 0)
        head = decode_head(PACK_MAGIC, first)
        check_owner(place, head, owner)
        cipher = find_cipher(keys, head, first, place)
        footer_at = max(size - FOOTER_bytes, 0)
        footer = file.read(FOOTER_bytes, footer_at)
        index_at = footer_at - index_bytes(footer, is_sealed=cipher is not None)
        if index_at < HEAD_bytes:
            raise Damage("the pack is too short for its index", footer_at)
        index = file.read(footer_at - index_at, index_at)
        entries = decode_index(head, index, footer, size, cipher)
    except Damage as damage:
        raise CheckpointCorrupt(damage.reason, file=place, offset=damage.offset) from damage
    except UnknownFormat as error:
        raise StorageError(f"{place}: {error}") from error
    finally:
        file.close()
    if (head.epoch, head.sequence) != key:
        reason = f"it was written as {file_name(head.epoch, head.sequence)}"
        raise CheckpointCorrupt(reason, file=place, offset=0)
    return Pack(head, {entry.unit: entry for entry in entries}, cipher)


def read_snapshot(files: Files, pack: Pack, unit: int) -> bytes:
    """One unit's snapshot, checked; raises CheckpointCorrupt or OSError."""
    entry = pack.entries[unit]
    file = files.open(pack.name)
    try:
        data = file.read(entry.bytes, entry.offset)
    finally:
        file.close()
    if snapshot_crc(pack.head.seed, unit, entry.offset, data) != entry.crc:
        reason = f"the snapshot of key group {unit} fails its checksum"
        raise CheckpointCorrupt(reason, file=files.locate(pack.name), offset=entry.offset)
    if pack.cipher is None:
        return data
    opened = open_snapshot(pack.cipher, entry, data)
    if opened is None:
        reason = f"the snapshot of key group {unit} is not what was encrypted"
        raise CheckpointCorrupt(reason, file=files.locate(pack.name), offset=entry.offset)
    return opened


def check_owner(place: str, head: Head, owner: Owner) -> None:
    """Raise DirectoryForeign for a file of another shard."""
    if (head.owner.cluster, head.owner.name) != (owner.cluster, owner.name):
        text = f"belongs to {head.owner.name} of cluster {head.owner.cluster}"
        raise DirectoryForeign(f"{place} {text}, not to {owner.name} of {owner.cluster}")
