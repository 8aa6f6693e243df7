"""A small savepoint: two shards, a few bytes for each key group."""

from pathlib import Path

from augenblick.durability.cluster_file import Cluster
from augenblick.durability.formats.packs import SHARD_UNIT
from augenblick.durability.formats.savepoint import SavedShard, SavepointFacts
from augenblick.durability.formats.sealing import KeyRing
from augenblick.durability.savepoints import begin_savepoint, finish_savepoint, open_part

CLUSTER = Cluster("c1", bytes(range(16)))
NAME = "20260101T000000000Z"
PLAN_HASH = bytes(16)
SHARDS = (SavedShard("shard-0", 3, ((0, 2047),)), SavedShard("shard-1", 5, ((2048, 4095),)))


def facts(name: str = NAME, pseudonyms: str = "") -> SavepointFacts:
    text, plan = CLUSTER.encode().decode(), ("shop", PLAN_HASH, "plan: shop")
    return SavepointFacts(name, text, 1_767_225_600_000, *plan, pseudonyms, SHARDS)


def snapshot_of(unit: int) -> bytes:
    return b"%d" % unit * (unit % 7)


def begun(
    data: Path,
    *,
    to: str = "",
    name: str = NAME,
    allowed: tuple[str, ...] = (),
    keys: KeyRing | None = None,
) -> str:
    """All parts are written, nothing is finished; the URL."""
    url = begin_savepoint(to, name, data, allowed)
    for one in SHARDS:
        part = open_part(url, one.shard, CLUSTER.cluster_id, PLAN_HASH, keys)
        part.open(one.epoch)
        ((low, high),) = one.key_groups
        for unit in [*range(low, high + 1), SHARD_UNIT]:
            part.add(unit, 0, snapshot_of(unit))
        part.commit()
    return url


def finished(data: Path, *, to: str = "", name: str = NAME, allowed: tuple[str, ...] = ()) -> str:
    """A whole savepoint; its URL."""
    url = begun(data, to=to, name=name, allowed=allowed)
    finish_savepoint(url, facts(name))
    return url
