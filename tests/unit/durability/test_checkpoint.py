import os
from pathlib import Path

import pytest
from tests.simulation.disk import SimulatedFiles

from augenblick import limits
from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.disk import DiskFiles
from augenblick.durability.formats.head import Owner
from augenblick.durability.formats.packs import SHARD_UNIT
from augenblick.errors import (
    CheckpointCorrupt,
    DirectoryForeign,
    JournalFenced,
    OurError,
    StorageError,
    StorageFull,
)

OWNER = Owner("c1", "shard-0")
MANIFEST = "checkpoint/manifest"


def opened(disk: SimulatedFiles, epoch: int = 1, **settings: int) -> Checkpoint:
    checkpoint = Checkpoint(disk, OWNER, **{"pack_bytes_max": 1000, **settings})
    checkpoint.open(epoch)
    return checkpoint


def packs(disk: SimulatedFiles) -> list[str]:
    return [name for name in disk.list("checkpoint") if name != "manifest"]


def test_snapshots_are_read_back_one_at_a_time(tmp_path: Path) -> None:
    checkpoint = Checkpoint(DiskFiles(tmp_path), OWNER)
    checkpoint.open(1)
    assert (dict(checkpoint.positions), checkpoint.reach) == ({}, 0)
    checkpoint.add(0, 80, b"zero")
    checkpoint.add(4095, 160, b"")
    checkpoint.add(SHARD_UNIT, 120, b"own" * 99)
    assert checkpoint.waiting_bytes == 4 + 297
    assert dict(checkpoint.positions) == {}
    checkpoint.commit()
    assert checkpoint.waiting_bytes == 0
    again = Checkpoint(DiskFiles(tmp_path), OWNER)
    again.open(2)
    assert dict(again.positions) == {0: 80, 4095: 160, SHARD_UNIT: 120}
    assert again.reach == 160
    assert again.read(0) == (80, b"zero")
    assert again.read(4095) == (160, b"")
    assert again.read(SHARD_UNIT) == (120, b"own" * 99)
    with pytest.raises(KeyError):
        again.read(7)
    assert sorted(os.listdir(tmp_path / "checkpoint"))[1:] == ["manifest"]


def test_the_one_that_holds_the_tail_is_known() -> None:
    checkpoint = opened(SimulatedFiles(1))
    assert checkpoint.tail(range(3)) == (0, 0)
    for unit, position in ((0, 80), (1, 40), (2, 120)):
        checkpoint.add(unit, position, b"x")
    checkpoint.commit()
    assert checkpoint.tail(range(3)) == (1, 40)
    assert checkpoint.tail(range(4)) == (3, 0)
    assert checkpoint.tail([0, 2]) == (0, 80)


def test_an_unchanged_unit_is_not_written_again() -> None:
    disk = SimulatedFiles(1)
    checkpoint = opened(disk)
    checkpoint.add(0, 80, b"same")
    checkpoint.commit()
    before = packs(disk)
    checkpoint.confirm(0, 800)
    checkpoint.confirm(1, 800)
    checkpoint.commit()
    assert packs(disk) == before
    assert dict(opened(disk, 2).positions) == {0: 800}
    assert opened(disk, 3).read(0) == (800, b"same")


def test_packs_are_bounded_and_leave_when_nothing_of_them_is_the_newest() -> None:
    disk = SimulatedFiles(1)
    checkpoint = opened(disk)
    for unit in range(10):
        checkpoint.add(unit, 8, bytes([unit]) * 300)
    checkpoint.commit()
    assert len(packs(disk)) == 4
    first = packs(disk)[0]
    for unit in range(3):
        checkpoint.add(unit, 16, b"new")
    checkpoint.add(9, 16, b"x" * 5000)
    checkpoint.commit()
    assert first not in packs(disk)
    assert checkpoint.read(9) == (16, b"x" * 5000)


def test_little_that_is_left_of_a_pack_moves() -> None:
    disk = SimulatedFiles(1)
    checkpoint = opened(disk)
    for unit in range(3):
        checkpoint.add(unit, 8, bytes([unit]) * 300)
    checkpoint.add(3, 8, b"little")
    checkpoint.commit()
    first = packs(disk)[0]
    for unit in range(3):
        checkpoint.add(unit, 16, b"new")
    checkpoint.commit()
    assert first not in packs(disk)
    again = opened(disk, 2)
    assert again.read(3) == (8, b"little")
    assert again.read(0) == (16, b"new")


def test_a_unit_given_away_is_forgotten() -> None:
    disk = SimulatedFiles(1)
    checkpoint = opened(disk)
    checkpoint.add(0, 8, b"x")
    checkpoint.commit()
    checkpoint.forget(0)
    checkpoint.commit()
    assert packs(disk) == []
    assert dict(opened(disk, 2).positions) == {}


def test_a_failed_sync_is_made_good_by_another_file() -> None:
    disk = SimulatedFiles(1)
    checkpoint = opened(disk)
    checkpoint.add(0, 8, b"x")
    disk.failing_syncs = 1
    with pytest.raises(StorageError, match="Input/output error"):
        checkpoint.commit()
    checkpoint.commit()
    disk.crash_machine()
    assert opened(disk, 2).read(0) == (8, b"x")


def test_a_full_disk_keeps_what_was_added() -> None:
    disk = SimulatedFiles(1)
    checkpoint = opened(disk)
    disk.room_bytes = 1000
    checkpoint.add(0, 8, b"x" * 900)
    with pytest.raises(StorageFull):
        checkpoint.commit()
    assert [name for name in disk.list("checkpoint") if name.startswith(".")] == []
    disk.room_bytes = None
    checkpoint.commit()
    assert checkpoint.read(0) == (8, b"x" * 900)


def test_what_is_missing_or_foreign_is_said() -> None:
    disk = SimulatedFiles(1)
    checkpoint = opened(disk)
    checkpoint.add(0, 8, b"x")
    checkpoint.commit()
    with pytest.raises(JournalFenced):
        opened(disk, 1)
    with pytest.raises(DirectoryForeign, match="belongs to shard-0 of cluster c1"):
        Checkpoint(disk, Owner("c1", "shard-1")).open(2)
    manifest = disk.content(MANIFEST)
    disk.delete(MANIFEST)
    with pytest.raises(CheckpointCorrupt, match="manifest: it is gone"):
        opened(disk, 2)
    disk.overwrite(MANIFEST, manifest)
    name = f"checkpoint/{packs(disk)[0]}"
    data = disk.content(name)
    disk.delete(name)
    with pytest.raises(CheckpointCorrupt, match="it is gone"):
        opened(disk, 2)
    disk.overwrite(name, data[:-8])
    with pytest.raises(CheckpointCorrupt, match="does not end with an index"):
        opened(disk, 2)


def test_a_damaged_snapshot_is_named() -> None:
    disk = SimulatedFiles(1)
    checkpoint = opened(disk)
    checkpoint.add(5, 8, b"x" * 64)
    checkpoint.commit()
    name = f"checkpoint/{packs(disk)[0]}"
    disk.flip(name, 300 * 8)
    again = opened(disk, 2)
    with pytest.raises(CheckpointCorrupt, match="at byte 256: the snapshot of key group 5") as one:
        again.read(5)
    assert one.value.file == f"disk:{name}"


def test_files_that_no_manifest_names_are_removed() -> None:
    disk = SimulatedFiles(1)
    checkpoint = opened(disk)
    checkpoint.add(0, 8, b"x")
    checkpoint.commit()
    data = disk.content(f"checkpoint/{packs(disk)[0]}")
    disk.overwrite("checkpoint/000000000001-000000000099", data)
    disk.overwrite("checkpoint/.new-000000000001-000000000100", data)
    again = opened(disk, 2)
    assert len(packs(disk)) == 1
    assert again.read(0) == (8, b"x")


def test_a_snapshot_beyond_the_bound_is_our_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "checkpoint_snapshot_bytes_max", 10)
    with pytest.raises(OurError):
        opened(SimulatedFiles(1)).add(0, 8, b"x" * 11)
