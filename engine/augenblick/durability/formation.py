"""The directories of a data directory's shards: made together at the first start, whole ever after.

Called by the launcher, which holds the data directory's lock, before any shard starts. No shard
makes a directory of its own, so that one whose directory is gone never begins with nothing.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from augenblick import limits
from augenblick.durability.cluster_file import KEY_GROUPS, Cluster, join
from augenblick.durability.formats.names import CHECKPOINT_FOLDER, JOURNAL_FOLDER
from augenblick.durability.identity import (
    ShardIdentity,
    load_identity,
    refuse_network,
    save_identity,
)
from augenblick.errors import DirectoryForeign, UsageError

Range = tuple[int, int]
RESTORE_MARK: Final = "restoring"  # a folder that is there while a savepoint is being restored
_BEFORE: Final = frozenset({"lock", "pseudonym.key"})  # the launcher's, and what is brought along
_RESTORED: Final = ("shard-*", "cluster.json", "pseudonym.json")
_NAME: Final = re.compile(r"shard-(\d+)")


def holds_state(data: Path) -> bool:
    """Does a shard below this directory have a journal or a checkpoint?"""
    return any(map(has_state, data.glob("shard-*")))


def has_state(path: Path) -> bool:
    """Has a shard's directory a journal or a checkpoint?"""
    return any((path / folder).exists() for folder in (JOURNAL_FOLDER, CHECKPOINT_FOLDER))


def found_in(data: Path) -> dict[str, ShardIdentity]:
    """Who lives in the directories of shards below this one, by name. Raises CorruptionFound."""
    return {
        path.name: identity
        for path in sorted(data.glob("shard-*"))
        if _NAME.fullmatch(path.name) and (identity := _identity(path)) is not None
    }


def refuse_half_restored(data: Path, *, is_restored: bool) -> None:
    """Raise UsageError where a restore was broken off, unless it now begins again, and where one is
    to begin among other files.
    """
    if (data / RESTORE_MARK).exists():
        if not is_restored:
            raise UsageError(
                f"{data} is half of a restore that was broken off: start with --from again, or"
                " remove it"
            )
        for pattern in _RESTORED:
            for path in data.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return
    left = sorted({path.name for path in data.glob("*")} - _BEFORE) if is_restored else []
    if left:
        raise UsageError(
            f"--from begins a new directory, and {data} holds {', '.join(left[:3])}: name another"
            " --data, or leave --from out to go on with what is there"
        )


def form(
    data: Path, cluster: Cluster, ranges: Sequence[Range], accepted: Collection[str] = ()
) -> None:
    """See that each of the shards with these key groups has its directory.

    Where no shard has one yet, all are made. `accepted`: shards that may begin anew although the
    others have state. Raises UsageError where other shards live there, DirectoryForeign where some
    are missing, CorruptionFound or StorageError.
    """
    refuse_network(data)
    wanted = {
        f"shard-{index}": ShardIdentity(cluster.cluster_id, f"shard-{index}", (pair,))
        for index, pair in enumerate(ranges)
    }
    found = found_in(data)
    if found and not _is_part(found, wanted):
        raise UsageError(
            f"{data} holds {count_of(found)} shards, not {len(wanted)}: start with"
            f" --shards {count_of(found)}; for another number, `augenblick savepoint --stop`,"
            f" then `augenblick serve --from SAVEPOINT --data NEW --shards {len(wanted)}`"
        )
    for name, identity in wanted.items():
        if name in found:
            continue
        if found and name not in accepted:
            text = f"{data / name} is empty, and the others have state"
            raise DirectoryForeign(f"{text}; start without its users: --accept-loss {name}")
        join(data / name, cluster)
        save_identity(data / name, identity)


def _identity(path: Path) -> ShardIdentity | None:
    """None also where a shard only ever ran without a journal: it left an epoch and no more."""
    if not has_state(path) and not (path / "shard.json").exists():
        return None
    return load_identity(path)


def _is_part(found: dict[str, ShardIdentity], wanted: dict[str, ShardIdentity]) -> bool:
    """Are all that were found among those wanted, with the same key groups?"""
    return all(
        name in wanted and wanted[name].key_groups == identity.key_groups
        for name, identity in found.items()
    )


def count_of(found: dict[str, ShardIdentity]) -> int:
    """How many shards these are of: known by the key groups of any of them."""
    for name, identity in found.items():
        index = int(name.rpartition("-")[2])
        for count in range(index + 1, limits.shards_max + 1):
            bounds = (KEY_GROUPS * index // count, KEY_GROUPS * (index + 1) // count - 1)
            if identity.key_groups == (bounds,):
                return count
    return len(found)
