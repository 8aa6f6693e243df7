"""Savepoints in a place: begun, written by shards, finished, read.

    PLACE/NAME/savepoint.json                       written last: without it there is no savepoint
    PLACE/NAME/shard-N/checkpoint/manifest, packs   as in a shard's directory

What happens between a savepoint's begin and its end leaves a folder that nobody takes for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.checkpoint._packs import write_file
from augenblick.durability.cluster_file import KEY_GROUPS, Cluster
from augenblick.durability.formats.checksum import Damage
from augenblick.durability.formats.head import Owner, UnknownFormat
from augenblick.durability.formats.packs import SHARD_UNIT
from augenblick.durability.formats.savepoint import (
    FILE_NAME,
    SavedShard,
    SavepointFacts,
    decode_savepoint,
    encode_savepoint,
    owner_name,
)
from augenblick.durability.formats.sealing import KeyRing
from augenblick.durability.places import Place, is_below, parse_place
from augenblick.errors import CheckpointCorrupt, CorruptionFound, StorageError, UsageError

FOLDER: Final = "savepoints"  # of the data directory, where nothing else is named


def begin_savepoint(to: str, name: str, data: Path, allowed: Sequence[str]) -> str:
    """The URL of a new savepoint's folder in a place ("": the data directory's own).

    `allowed`: places beside that. Raises UsageError for a place that is not allowed, StorageError.
    """
    own = parse_place(str(data / FOLDER))
    place = parse_place(to) if to else own
    if not any(is_below(place, one) for one in (own, *map(parse_place, allowed))):
        raise UsageError(
            f"savepoints may not go to {place.url}: allow it with `serve --savepoint-allow"
            f" {place.url}`"
        )
    try:
        files = place.files()
        files.make_folder(name)
        if files.list(name):
            raise StorageError(f"{place.url}/{name} is there already")
    except OSError as error:
        raise _failed(place, error) from error
    return f"{place.url}/{name}"


def open_part(
    url: str, shard: str, cluster_id: str, plan_hash: bytes, keys: KeyRing | None = None
) -> Checkpoint:
    """Where a shard writes its part: open it with the shard's epoch, add every unit, commit."""
    _, name = _split(url)
    owner = Owner(cluster_id, owner_name(shard, name), plan_hash)
    return Checkpoint(parse_place(f"{url}/{shard}").files(), owner, keys=keys)


def finish_savepoint(url: str, facts: SavepointFacts) -> None:
    """All parts are durable: make them one savepoint. Raises StorageError."""
    place, name = _split(url)
    files = place.files()
    try:
        for one in facts.shards:
            if "manifest" not in files.list(f"{name}/{one.shard}/checkpoint"):
                raise StorageError(
                    f"{one.shard} has written its part where {url} is another folder: shards on"
                    " other machines need a place that all reach"
                )
        write_file(files, f"{name}/{FILE_NAME}", [encode_savepoint(facts)])
    except OSError as error:
        raise _failed(place, error) from error


def remove_savepoint(url: str, shards: Sequence[str]) -> None:
    """One that failed: what these shards have written of it goes. Raises StorageError."""
    place, name = _split(url)
    try:
        if FILE_NAME not in place.files().list(name):
            place.remove(name, shards)
    except OSError as error:
        raise _failed(place, error) from error


@dataclass(frozen=True, slots=True)
class Saved:
    """A whole savepoint, opened; `parts` as in `facts.shards`."""

    url: str
    facts: SavepointFacts
    cluster: Cluster
    parts: tuple[Checkpoint, ...]

    @property
    def epoch(self) -> int:
        """The latest epoch of its shards."""
        return max(one.epoch for one in self.facts.shards)

    def units(self) -> Iterator[tuple[int, int, bytes]]:
        """(index of the part, unit, snapshot) of everything; raises CheckpointCorrupt."""
        for index, part in enumerate(self.parts):
            for unit in part.positions:
                yield index, unit, part.read(unit)[1]


def open_savepoint(url: str, keys: KeyRing | None = None) -> Saved:
    """Read and check all but the snapshots themselves; writes nothing.

    Raises UsageError where there is no (whole) savepoint, CorruptionFound, KeyMissing or
    StorageError.
    """
    place, name = _split(url)
    where = f"{place.url}/{name}/{FILE_NAME}"
    try:
        file = place.files().open(f"{name}/{FILE_NAME}")
        try:
            facts = decode_savepoint(file.read(file.size(), 0))
        finally:
            file.close()
    except FileNotFoundError:
        raise UsageError(
            f"{url} is no savepoint, or one that was never finished: there is no {FILE_NAME}"
        ) from None
    except Damage as damage:
        raise CorruptionFound(damage.reason, file=where) from damage
    except UnknownFormat as error:
        raise StorageError(f"{where}: {error}") from error
    except OSError as error:
        raise _failed(place, error) from error
    if facts.name != name:
        raise UsageError(f"{where} is that of {facts.name}: a savepoint's folder keeps its name")
    cluster = Cluster.decode(facts.cluster.encode())
    parts = tuple(
        _open_saved(f"{place.url}/{name}", cluster, facts, one, keys) for one in facts.shards
    )
    found = sorted(unit for part in parts for unit in part.positions if unit != SHARD_UNIT)
    if found != list(range(KEY_GROUPS)):
        raise CheckpointCorrupt("its parts are not all key groups, each once", file=where)
    return Saved(f"{place.url}/{name}", facts, cluster, parts)


def _open_saved(
    url: str, cluster: Cluster, facts: SavepointFacts, one: SavedShard, keys: KeyRing | None
) -> Checkpoint:
    part = open_part(url, one.shard, cluster.cluster_id, facts.plan_hash, keys)
    part.load()
    wanted = {unit for low, high in one.key_groups for unit in range(low, high + 1)}
    if set(part.positions) != wanted | {SHARD_UNIT}:
        raise CheckpointCorrupt(
            "it does not hold the key groups it should", file=f"{url}/{one.shard}"
        )
    return part


def _split(url: str) -> tuple[Place, str]:
    """The place a savepoint lies in, and its name."""
    whole = parse_place(url).url
    before, _, name = whole.rpartition("/")
    if before.endswith(":/") or not name:
        raise UsageError(f"{url} is no savepoint's folder")
    return parse_place(before), name


def _failed(place: Place, error: OSError) -> StorageError:
    return StorageError(f"{place.url}: {error.strerror or error}")
