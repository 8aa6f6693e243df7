"""Pack files of a checkpoint: written whole, read one snapshot at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
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


def read_snapshots(files: Files, pack: Pack, units: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    """Each unit and its snapshot, checked, in the file's order; raises CheckpointCorrupt or
    OSError.
    """
    entries = sorted((pack.entries[unit] for unit in units), key=lambda entry: entry.offset)
    seed = pack.head.seed
    file = files.open(pack.name)
    try:
        for entry in entries:
            data = file.read(entry.bytes, entry.offset)
            if snapshot_crc(seed, entry.unit, entry.offset, data) != entry.crc:
                raise _damaged(files, pack, entry, "fails its checksum")
            if pack.cipher is not None:
                opened = open_snapshot(pack.cipher, entry, data)
                if opened is None:
                    raise _damaged(files, pack, entry, "is not what was encrypted")
                data = opened
            yield entry.unit, data
    finally:
        file.close()


def _damaged(files: Files, pack: Pack, entry: PackEntry, what: str) -> CheckpointCorrupt:
    reason = f"the snapshot of key group {entry.unit} {what}"
    return CheckpointCorrupt(reason, file=files.locate(pack.name), offset=entry.offset)


def check_owner(place: str, head: Head, owner: Owner) -> None:
    """Raise DirectoryForeign for a file of another shard."""
    if (head.owner.cluster, head.owner.name) != (owner.cluster, owner.name):
        text = f"belongs to {head.owner.name} of cluster {head.owner.cluster}"
        raise DirectoryForeign(f"{place} {text}, not to {owner.name} of {owner.cluster}")
