from pathlib import Path

import pytest

from augenblick.durability import identity
from augenblick.durability.identity import (
    ShardIdentity,
    enter,
    file_system,
    load_identity,
    refuse_network,
    save_identity,
)
from augenblick.errors import CorruptionFound, DirectoryForeign, StorageError

SHARD = ShardIdentity("c1", "shard-0", ((0, 2047),), "127.0.0.1:7000")
MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:40 / /data rw,relatime - nfs4 server:/x rw
41 40 254:1 / /data/fast\\040disk rw - xfs /dev/vdb rw
42 22 0:41 / /late rw - tmpfs tmpfs rw
43 42 0:42 / /late rw - cifs //server/late rw
"""


def test_a_new_directory_becomes_the_shards_and_stays_it(tmp_path: Path) -> None:
    assert load_identity(tmp_path) is None
    assert enter(tmp_path, SHARD, may_be_new=True) == SHARD
    moved = ShardIdentity("c1", "shard-0", ((0, 99), (101, 2047)), SHARD.address)
    save_identity(tmp_path, moved)
    assert enter(tmp_path, SHARD, may_be_new=False) == moved


def test_an_empty_directory_is_refused_where_state_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DirectoryForeign, match="--accept-loss shard-0"):
        enter(tmp_path, SHARD, may_be_new=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "other", [ShardIdentity("c2", "shard-0", ()), ShardIdentity("c1", "shard-1", ())]
)
def test_a_foreign_directory_is_refused(tmp_path: Path, other: ShardIdentity) -> None:
    save_identity(tmp_path, other)
    with pytest.raises(DirectoryForeign, match="belongs to"):
        enter(tmp_path, SHARD, may_be_new=True)
    assert load_identity(tmp_path) == other


def test_state_without_its_identity_is_no_empty_directory(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    with pytest.raises(CorruptionFound, match="journal"):
        enter(tmp_path, SHARD, may_be_new=True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"format": 1}',
        SHARD.encode().replace(b"2047", b"4096"),
        SHARD.encode().replace(b"2047", b"-5"),
        SHARD.encode().replace(b'"shard-0"', b"7"),
        ShardIdentity("c1", "s", ((0, 5), (5, 9))).encode(),
    ],
)
def test_a_damaged_identity_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / identity.FILE_NAME).write_bytes(data)
    with pytest.raises(CorruptionFound, match=r"shard\.json"):
        load_identity(tmp_path)


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    data = SHARD.encode().replace(b'"format": 1', b'"format": 9')
    (tmp_path / identity.FILE_NAME).write_bytes(data)
    with pytest.raises(StorageError, match="format 9"):
        load_identity(tmp_path)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/database", "ext4"),
        ("/data", "nfs4"),
        ("/data/x", "nfs4"),
        ("/data/fast disk/x", "xfs"),
        ("/late/x", "cifs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    assert file_system(path, MOUNTS) == kind
    assert file_system(path, "nonsense\n") == ""


def test_network_file_systems_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_network(tmp_path)
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"40 22 0:40 / {tmp_path} rw - nfs4 server:/x rw\n")
    monkeypatch.setattr(identity, "_MOUNTS", mounts)
    with pytest.raises(StorageError, match="nfs4"):
        enter(tmp_path / "shard-0", SHARD, may_be_new=True)
    monkeypatch.setattr(identity, "_MOUNTS", tmp_path / "none")
    refuse_network(tmp_path)
