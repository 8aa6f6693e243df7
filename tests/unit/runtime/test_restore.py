"""A data directory made of a savepoint: whole, or known for half."""

from pathlib import Path

import pytest
from tests.unit.core.shard_story import ShardStory
from tests.unit.core.test_shard_replay import story_program
from tests.unit.durability.saved import CLUSTER, SHARDS, begun, facts, snapshot_of

from augenblick.core.routing import even_ranges
from augenblick.core.shard_state import decode_state
from augenblick.durability import cluster_file
from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.directory import raise_epoch
from augenblick.durability.disk import DiskFiles
from augenblick.durability.formation import form, refuse_half_restored
from augenblick.durability.formats.head import Owner
from augenblick.durability.formats.packs import SHARD_UNIT
from augenblick.durability.formats.sealing import KeyRing
from augenblick.durability.key_file import add_key, load_keys
from augenblick.durability.pseudonym_mark import mark_text, settle_mark
from augenblick.durability.savepoints import finish_savepoint, open_part
from augenblick.errors import KeyMissing, StorageError, UsageError
from augenblick.runtime import restore as module
from augenblick.runtime.restore import restore


def shard_unit() -> bytes:
    story = ShardStory(story_program(), 1)
    story.live(30)
    return story.save()[SHARD_UNIT]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A savepoint whose shards have units of their own."""
    return saved(tmp_path / "old")


def saved(data: Path, keys: KeyRing | None = None, pseudonyms: str = "") -> str:
    data.mkdir()
    url = begun(data, keys=keys)
    unit = shard_unit()
    for one in SHARDS:
        part = open_part(url, one.shard, CLUSTER.cluster_id, bytes(16), keys)
        part.open(one.epoch + 1)
        part.add(SHARD_UNIT, 0, unit)
        part.commit()
    finish_savepoint(url, facts(pseudonyms=pseudonyms))
    return url


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_every_key_group_is_where_it_now_belongs(url: str, tmp_path: Path, shards: int) -> None:
    data = tmp_path / "new"
    data.mkdir()
    refuse_half_restored(data, is_restored=True)
    lines: list[str] = []
    restore(url, data, shards, None, lines.append)
    assert len(lines) == 3
    assert cluster_file.load_or_create(data) == CLUSTER
    form(data, CLUSTER, even_ranges(shards))
    for index, (low, high) in enumerate(even_ranges(shards)):
        directory = data / f"shard-{index}"
        epoch = raise_epoch(directory)
        assert epoch == 6
        checkpoint = Checkpoint(DiskFiles(directory), Owner("c1", f"shard-{index}"))
        checkpoint.open(epoch)
        assert set(checkpoint.positions) == {*range(low, high + 1), SHARD_UNIT}
        assert set(checkpoint.positions.values()) == {0}
        for unit in (low, high):
            assert checkpoint.read(unit) == (0, snapshot_of(unit))
        decode_state(checkpoint.read(SHARD_UNIT)[1])
    with pytest.raises(UsageError, match=r"begins a new directory, and .*new holds cluster\.json"):
        refuse_half_restored(data, is_restored=True)
    refuse_half_restored(data, is_restored=False)


def test_a_restore_that_broke_off_is_known_and_begins_again(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "new"
    data.mkdir()

    def broken(*_: object) -> None:
        raise StorageError("the machine is gone")

    with monkeypatch.context() as patch:
        patch.setattr(module, "split_units", broken)
        with pytest.raises(StorageError, match="gone"):
            restore(url, data, 3, None, len)
    assert (data / "shard-2").exists()
    with pytest.raises(UsageError, match="broken off: start with --from again"):
        refuse_half_restored(data, is_restored=False)
    refuse_half_restored(data, is_restored=True)
    assert not list(data.glob("shard-*"))
    restore(url, data, 2, None, len)
    refuse_half_restored(data, is_restored=False)
    form(data, CLUSTER, even_ranges(2))


def test_a_unit_of_another_format_is_refused(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("augenblick.core.savepoint_units.FORMAT", 2)
    (tmp_path / "new").mkdir()
    with pytest.raises(StorageError, match="format 1; this version reads 2"):
        restore(url, tmp_path / "new", 2, None, len)


def test_an_encrypted_savepoint_needs_its_key(tmp_path: Path) -> None:
    key_file = tmp_path / "keys"
    add_key(key_file)
    keys = load_keys(key_file)
    url = saved(tmp_path / "old", keys)
    for name in ("plain", "new"):
        (tmp_path / name).mkdir()
    with pytest.raises(KeyMissing):
        restore(url, tmp_path / "plain", 2, None, len)
    restore(url, tmp_path / "new", 2, keys, len)
    checkpoint = Checkpoint(DiskFiles(tmp_path / "new" / "shard-0"), Owner("c1", "shard-0"))
    with pytest.raises(KeyMissing):
        checkpoint.open(9)


def test_pseudonyms_need_their_key(tmp_path: Path) -> None:
    key, mark = bytes(16), tmp_path / "mark"
    mark.mkdir()
    settle_mark(mark, key, "key")
    url = saved(tmp_path / "old", pseudonyms=mark_text(mark))
    data = tmp_path / "new"
    data.mkdir()
    path = data / "pseudonym.key"
    with pytest.raises(UsageError, match="are pseudonyms: bring the key"):
        restore(url, data, 2, None, len, pseudonym_file=path)
    path.write_text("k")
    refuse_half_restored(data, is_restored=True)
    restore(url, data, 2, None, len, pseudonym_file=path)
    settle_mark(data, key, "key")
    with pytest.raises(UsageError, match="strangers"):
        settle_mark(data, bytes(15) + b"x", "key")
