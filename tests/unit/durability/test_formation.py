import shutil
from pathlib import Path

import pytest

from augenblick.durability.cluster_file import Cluster
from augenblick.durability.formation import form, holds_state
from augenblick.durability.identity import load_identity
from augenblick.errors import CorruptionFound, DirectoryForeign, UsageError

CLUSTER = Cluster("c1", bytes(range(16)))
HALVES = [(0, 2047), (2048, 4095)]


def start(path: Path) -> None:
    """What a shard with a journal leaves."""
    (path / "journal").mkdir()
    (path / "epoch").write_text("1\n")


def test_all_directories_are_made_together_and_stay(tmp_path: Path) -> None:
    form(tmp_path, CLUSTER, HALVES)
    assert not holds_state(tmp_path)
    for index, pair in enumerate(HALVES):
        path = tmp_path / f"shard-{index}"
        identity = load_identity(path)
        assert identity is not None
        assert (identity.shard, identity.key_groups) == (f"shard-{index}", (pair,))
        start(path)
    assert holds_state(tmp_path)
    form(tmp_path, CLUSTER, HALVES)


def test_another_number_of_shards_is_refused(tmp_path: Path) -> None:
    form(tmp_path, CLUSTER, HALVES)
    for ranges in ([(0, 4095)], [(0, 1364), (1365, 2729), (2730, 4095)]):
        with pytest.raises(UsageError, match=r"holds 2 shards.*savepoint --stop.*--from"):
            form(tmp_path, CLUSTER, ranges)


def test_a_missing_directory_is_refused_unless_its_loss_is_accepted(tmp_path: Path) -> None:
    form(tmp_path, CLUSTER, HALVES)
    shutil.rmtree(tmp_path / "shard-1")
    with pytest.raises(UsageError, match="holds 2 shards"):
        form(tmp_path, CLUSTER, [(0, 4095)])
    with pytest.raises(DirectoryForeign, match="--accept-loss shard-1"):
        form(tmp_path, CLUSTER, HALVES)
    form(tmp_path, CLUSTER, HALVES, ["shard-1"])
    assert load_identity(tmp_path / "shard-1") is not None


def test_a_shard_without_a_journal_left_nothing_to_keep(tmp_path: Path) -> None:
    (tmp_path / "shard-0").mkdir()
    (tmp_path / "shard-0" / "epoch").write_text("3\n")
    form(tmp_path, CLUSTER, HALVES)
    (tmp_path / "shard-0" / "shard.json").unlink()
    (tmp_path / "shard-0" / "journal").mkdir()
    with pytest.raises(CorruptionFound, match="gone"):
        form(tmp_path, CLUSTER, HALVES)
