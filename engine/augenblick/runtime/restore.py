"""A new data directory made of a savepoint, before anything of the engine runs.

The key groups go, as they are, to the shards that own them now; what the old shards knew beside
them is dealt out by user. A folder `restoring` lies there from the first byte to the last, so that
half a restore is never taken for a whole directory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from augenblick import limits
from augenblick.binding.keys import key_group_of
from augenblick.core.routing import even_ranges, shard_name
from augenblick.core.savepoint_units import OldUnit, split_units
from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.cluster_file import join
from augenblick.durability.directory import begin_epoch
from augenblick.durability.disk import DiskFiles
from augenblick.durability.formation import RESTORE_MARK
from augenblick.durability.formats.head import Owner
from augenblick.durability.formats.packs import SHARD_UNIT
from augenblick.durability.formats.sealing import KeyRing
from augenblick.durability.identity import ShardIdentity, refuse_network, save_identity
from augenblick.durability.pseudonym_mark import bring_mark
from augenblick.durability.savepoints import Saved, open_savepoint
from augenblick.errors import StorageError, UsageError


def restore(
    url: str,
    data: Path,
    shards: int,
    keys: KeyRing | None,
    show: Callable[[str], None],
    *,
    pseudonym_file: Path | None = None,
) -> None:
    """Fill an empty data directory, whose lock is held; `show` gets lines for a person. `keys`:
    under one of them the savepoint may be, under the newest is what is written. `pseudonym_file`:
    where the pseudonyms' key should be.

    Raises UsageError for what is no savepoint, CorruptionFound for a damaged one, StorageError.
    """
    refuse_network(data)
    saved = open_savepoint(url, keys)
    if saved.facts.pseudonyms and not (pseudonym_file and pseudonym_file.exists()):
        raise UsageError(
            f"the users of {saved.url} are pseudonyms: bring the key they were made with to"
            f" {pseudonym_file or data}, or name it with --pseudonym-key-file"
        )
    try:
        (data / RESTORE_MARK).mkdir(exist_ok=True)
        _sync(data)
        _write_shards(saved, data, even_ranges(shards), keys, show)
        join(data, saved.cluster)
        bring_mark(data, saved.facts.pseudonyms)
        _sync(data)
        (data / RESTORE_MARK).rmdir()
        _sync(data)
    except OSError as error:
        raise StorageError(f"{data}: {os.strerror(error.errno or 0)}") from error
    show(f"restored {saved.facts.name} to {shards} shards; it stands where that was taken")


def _write_shards(
    saved: Saved,
    data: Path,
    ranges: list[tuple[int, int]],
    keys: KeyRing | None,
    show: Callable[[str], None],
) -> None:
    cluster = saved.cluster
    checkpoints = []
    for index, pair in enumerate(ranges):
        directory = data / shard_name(index)
        join(directory, cluster)
        begin_epoch(directory, saved.epoch)
        owner = Owner(cluster.cluster_id, shard_name(index), saved.facts.plan_hash)
        checkpoint = Checkpoint(DiskFiles(directory), owner, keys=keys)
        checkpoint.open(saved.epoch)
        checkpoints.append(checkpoint)
        save_identity(directory, ShardIdentity(cluster.cluster_id, shard_name(index), (pair,)))
    owners = [index for index, (low, high) in enumerate(ranges) for _ in range(low, high + 1)]
    units = []
    for part, unit, snapshot in _shown(saved, show):
        if unit == SHARD_UNIT:
            first = saved.facts.shards[part].key_groups[0][0]
            units.append(OldUnit(first, snapshot))
            continue
        checkpoint = checkpoints[owners[unit]]
        checkpoint.add(unit, 0, snapshot)
        if checkpoint.waiting_bytes > limits.checkpoint_pack_bytes_max:
            checkpoint.commit()
    group_of = partial(key_group_of, cluster.hash_key)
    for checkpoint, content in zip(checkpoints, split_units(units, ranges, group_of), strict=True):
        checkpoint.add(SHARD_UNIT, 0, content)
        checkpoint.commit()


def _shown(saved: Saved, show: Callable[[str], None]) -> Iterator[tuple[int, int, bytes]]:
    """The savepoint's units, with a line for each part that begins."""
    names = [one.shard for one in saved.facts.shards]
    last = -1
    for part, unit, snapshot in saved.units():
        if part != last:
            show(f"restoring {names[part]} of {len(names)} shards")
            last = part
        yield part, unit, snapshot


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
