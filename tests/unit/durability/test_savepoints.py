"""Savepoints in a folder: whole or nothing, and nothing else is taken for one."""

import json
import shutil
from pathlib import Path

import pytest
from tests.unit.durability.saved import CLUSTER, NAME, begun, facts, finished, snapshot_of

from augenblick.durability.formats.checksum import Damage
from augenblick.durability.formats.head import UnknownFormat
from augenblick.durability.formats.packs import SHARD_UNIT
from augenblick.durability.formats.savepoint import _crc, decode_savepoint, encode_savepoint
from augenblick.durability.savepoints import (
    begin_savepoint,
    finish_savepoint,
    open_savepoint,
    remove_savepoint,
)
from augenblick.errors import CheckpointCorrupt, CorruptionFound, StorageError, UsageError


def folder(url: str) -> Path:
    return Path(url.removeprefix("file://"))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    url = finished(tmp_path)
    assert url == f"file://{tmp_path}/savepoints/{NAME}"
    for named in (url, str(folder(url)), f"{url}/"):
        saved = open_savepoint(named)
        assert (saved.cluster, saved.epoch, saved.facts) == (CLUSTER, 5, facts())
        units = list(saved.units())
        assert len(units) == 4096 + 2
        for part, unit, data in units:
            assert data == snapshot_of(unit)
            assert unit == SHARD_UNIT or part == (unit >= 2048)


def test_without_its_last_file_it_is_none(tmp_path: Path) -> None:
    url = begun(tmp_path)
    with pytest.raises(UsageError, match=r"never finished: there is no savepoint\.json"):
        open_savepoint(url)
    with pytest.raises(UsageError, match="never finished"):
        open_savepoint(f"{tmp_path}/nowhere/at-all")


def test_it_is_not_finished_while_a_part_is_missing(tmp_path: Path) -> None:
    url = begun(tmp_path)
    shutil.rmtree(folder(url) / "shard-1")
    with pytest.raises(StorageError, match="shard-1 has written its part where"):
        finish_savepoint(url, facts())
    assert not (folder(url) / "savepoint.json").exists()


@pytest.mark.parametrize("victim", ["pack", "manifest", "savepoint.json"])
def test_damage_is_found(tmp_path: Path, victim: str) -> None:
    url = finished(tmp_path)
    path = folder(url) / "savepoint.json"
    if victim != "savepoint.json":
        files = sorted((folder(url) / "shard-1" / "checkpoint").iterdir())
        path = next(one for one in files if (one.name == "manifest") == (victim == "manifest"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptionFound, match=path.name):
        list(open_savepoint(url).units())


def test_a_pack_that_is_gone_is_found(tmp_path: Path) -> None:
    url = finished(tmp_path)
    for path in (folder(url) / "shard-0" / "checkpoint").iterdir():
        if path.name != "manifest":
            path.unlink()
    with pytest.raises(CheckpointCorrupt, match="gone"):
        open_savepoint(url)


def test_a_part_of_another_savepoint_does_not_fit(tmp_path: Path) -> None:
    url, other = finished(tmp_path), finished(tmp_path, name="20260101T000001000Z")
    shutil.rmtree(folder(url) / "shard-0")
    shutil.copytree(folder(other) / "shard-0", folder(url) / "shard-0")
    with pytest.raises(StorageError, match="shard-0@20260101T000001000Z"):
        open_savepoint(url)


def test_a_renamed_folder_is_refused(tmp_path: Path) -> None:
    url = finished(tmp_path)
    folder(url).rename(tmp_path / "mine")
    with pytest.raises(UsageError, match=f"is that of {NAME}"):
        open_savepoint(str(tmp_path / "mine"))


def test_another_format_is_refused(tmp_path: Path) -> None:
    content = json.loads(encode_savepoint(facts()))["savepoint"]
    content["format"] = 2
    data = json.dumps({"crc32c": _crc(content), "savepoint": content}).encode()
    with pytest.raises(UnknownFormat, match="format 2; this version reads 1"):
        decode_savepoint(data)
    url = finished(tmp_path)
    (folder(url) / "savepoint.json").write_bytes(data)
    with pytest.raises(StorageError, match=r"savepoint\.json: format 2; this version reads 1"):
        open_savepoint(url)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"crc32c": 1, "savepoint": []}', b"\xff"])
def test_what_is_no_savepoint_is_damage(data: bytes) -> None:
    with pytest.raises(Damage):
        decode_savepoint(data)


def test_places_are_bounded(tmp_path: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    data.mkdir()
    other.mkdir()
    (data / "savepoints").mkdir()
    (data / "savepoints" / "out").symlink_to(other)
    for to in (
        str(other),
        f"file://{other}",
        str(data),
        str(data / "savepoints" / ".." / "x"),
        str(data / "savepoints" / "out"),
        f"{data}/savepoints-more",
    ):
        with pytest.raises(UsageError, match="--savepoint-allow"):
            begin_savepoint(to, NAME, data, ())
    assert list(other.iterdir()) == []
    begin_savepoint(str(data / "savepoints" / "weekly"), NAME, data, ())
    begin_savepoint(str(other / "weekly"), NAME, data, [str(other)])
    for to in ("relative", "nothing://x", "file://relative"):
        with pytest.raises(UsageError):
            begin_savepoint(to, NAME, data, ["/"])


def test_no_folder_is_used_twice(tmp_path: Path) -> None:
    url = finished(tmp_path)
    with pytest.raises(StorageError, match="is there already"):
        begin_savepoint("", folder(url).name, tmp_path, ())


def test_one_that_failed_is_removed_and_a_whole_one_is_not(tmp_path: Path) -> None:
    url = begun(tmp_path)
    remove_savepoint(url, ("shard-0", "shard-1"))
    assert not folder(url).exists()
    remove_savepoint(url, ("shard-0", "shard-1"))  # nothing was written yet
    whole = finished(tmp_path / "other")
    remove_savepoint(whole, ("shard-0", "shard-1"))
    assert open_savepoint(whole).epoch == 5
