"""Which directory is each shard's, where shards live on several machines: `shards.json`.

The launcher keeps it in its own directory. Every directory of a shard has a name of its own, and
the roster says which counts: one that was given up (`--accept-loss`) and comes back with its
machine is passed over, and a start that finds no directory at all does not take the cluster for a
new one.

`settle` decides, from what every machine reports, where each shard lives and what has to be made.
Pure but for `load_roster`, `save_roster`, `report` and `make`, which touch the machine's disk.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from augenblick.durability.cluster_file import FILE_NAME as CLUSTER_FILE
from augenblick.durability.cluster_file import Cluster, join
from augenblick.durability.files import write_durably
from augenblick.durability.formation import Range, count_of, found_in, has_state
from augenblick.durability.identity import (
    ShardIdentity,
    load_identity,
    refuse_network,
    save_identity,
)
from augenblick.errors import CorruptionFound, DirectoryForeign, EngineUnavailable, UsageError

FILE_NAME: Final = "shards.json"
FORMAT_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class FoundShard:
    """A shard's directory on a machine; `cluster` is the text of its `cluster.json`."""

    identity: ShardIdentity
    cluster: bytes
    has_state: bool


@dataclass(frozen=True, slots=True)
class Settled:
    """Where the shards live: per shard the machine's name and the directory's; `make` names those
    shards whose directory is still to be made, or to be given its name.
    """

    machines: tuple[str, ...]
    directories: tuple[str, ...]
    make: frozenset[int]


def load_roster(data: Path) -> tuple[str, ...] | None:
    """The directories' names by shard; None before the first start. Raises CorruptionFound."""
    path = data / FILE_NAME
    try:
        content = json.loads(path.read_bytes())
        names = tuple(content["directories"])
        if content["format"] != FORMAT_VERSION or not all(isinstance(one, str) for one in names):
            raise ValueError(f"format {content['format']}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptionFound(f"cannot be read: {error}", file=str(path)) from error
    return names


def save_roster(data: Path, directories: Sequence[str]) -> None:
    """Write it durably, once every directory that it names is there."""
    content = {"format": FORMAT_VERSION, "directories": list(directories)}
    write_durably(data / FILE_NAME, json.dumps(content, indent=1).encode() + b"\n", mode=0o600)


def refuse_elsewhere(data: Path) -> None:
    """Raise UsageError where shards of this directory live on other machines."""
    for index, directory in enumerate(load_roster(data) or ()):
        found = load_identity(data / f"shard-{index}")
        if found is None or found.directory != directory:
            raise UsageError(f"the shards of {data} live on several machines: start with --ray")


def report(data: Path) -> list[FoundShard]:
    """The shards' directories on this machine."""
    return [
        FoundShard(identity, (data / name / CLUSTER_FILE).read_bytes(), has_state(data / name))
        for name, identity in found_in(data).items()
    ]


def make(data: Path, cluster: Cluster, identity: ShardIdentity) -> None:
    """Make a shard's directory on this machine, or give one that has none its name; raises
    StorageError, and DirectoryForeign where one lies that was given up.
    """
    path = data / identity.shard
    path.mkdir(parents=True, exist_ok=True)
    refuse_network(path)
    join(path, cluster)
    found = load_identity(path)
    if found is not None and has_state(path):
        if found.directory:
            raise DirectoryForeign(f"{path} is one that was given up: move it away first")
        identity = replace(found, directory=identity.directory)
    save_identity(path, identity)


def cluster_of(reports: Mapping[str, Sequence[FoundShard]], own: Cluster | None) -> Cluster | None:
    """Whose the directories are: the launcher's own cluster or, where its directory is new, the one
    that all name. None: there is nothing yet. Raises DirectoryForeign.
    """
    named = {
        machine: Cluster.decode(one.cluster)
        for machine, found in reports.items()
        for one in found
        if one.has_state
    }
    for machine, cluster in named.items():
        if own is not None and cluster != own:
            text = f"{machine} has directories of cluster {cluster.cluster_id}"
            raise DirectoryForeign(f"{text}, not of {own.cluster_id}, which is starting")
        own = cluster
    return own


def settle(
    roster: Sequence[str] | None,
    reports: Mapping[str, Sequence[FoundShard]],
    ranges: Sequence[Range],
    *,
    machines_min: int = 1,
    accepted: Collection[str] = (),
    new_name: Callable[[], str] = lambda: secrets.token_hex(8),
) -> Settled:
    """Where each shard with these key groups lives. `reports`: by machine that answers.

    New directories are made where there is no roster and no state on any machine, and at least
    `machines_min` of them answer; and for `accepted` shards whose directory is gone. Raises
    EngineUnavailable where a machine has to come first, UsageError or DirectoryForeign.
    """
    held = [(machine, one) for machine, found in reports.items() for one in found if one.has_state]
    _refuse_other_count(roster, [one.identity for _, one in held], ranges)
    is_new = roster is None and not held
    if is_new and len(reports) < machines_min:
        raise EngineUnavailable(
            f"{len(reports)} of {machines_min} machines for shards answer; a new cluster begins"
            " when all are here"
        )
    found = [
        _places(f"shard-{index}", "" if roster is None else roster[index], reports)
        for index in range(len(ranges))
    ]
    used = Counter(machine for places in found for machine, _ in places)
    machines: list[str] = []
    directories: list[str] = []
    make_now = set()
    for index, places in enumerate(found):
        name = f"shard-{index}"
        if len(places) > 1:
            text = " and ".join(machine for machine, _ in places)
            raise DirectoryForeign(f"{name} has a directory on {text}: take the older one away")
        if places:
            (machine, directory), *_ = places
        elif is_new or name in accepted:
            machine, directory = min(reports, key=lambda one: (used[one], one)), ""
            used[machine] += 1
        else:
            raise EngineUnavailable(
                f"{name} has its directory on none of the machines that answer"
                f" ({', '.join(sorted(reports)) or 'none does'}): bring its machine back; to begin"
                f" without its users: --accept-loss {name}"
            )
        if not directory:
            make_now.add(index)
        machines.append(machine)
        directories.append(directory or new_name())
    return Settled(tuple(machines), tuple(directories), frozenset(make_now))


def _places(
    name: str, known: str, reports: Mapping[str, Sequence[FoundShard]]
) -> list[tuple[str, str]]:
    """(machine, directory's name) of the shard's directories that count: the roster's, with state
    or not; without a roster those with state.
    """
    return [
        (machine, one.identity.directory)
        for machine, found in reports.items()
        for one in found
        if one.identity.shard == name
        and (one.identity.directory == known if known else one.has_state)
    ]


def _refuse_other_count(
    roster: Sequence[str] | None, held: Sequence[ShardIdentity], ranges: Sequence[Range]
) -> None:
    by_name = {one.shard: one for one in held}
    count = len(roster) if roster is not None else count_of(by_name) if by_name else len(ranges)
    if count != len(ranges):
        raise UsageError(
            f"the directories are of {count} shards, not {len(ranges)}: start with --shards {count}"
        )


def plain(found: Sequence[FoundShard]) -> list[Any]:
    """A report as plain values, for the way between machines."""
    return [(one.identity.encode(), one.cluster, one.has_state) for one in found]


def from_plain(values: Sequence[Any]) -> list[FoundShard]:
    """A report from what `plain` gave."""
    return [
        FoundShard(ShardIdentity.decode(identity), cluster, held)
        for identity, cluster, held in values
    ]
