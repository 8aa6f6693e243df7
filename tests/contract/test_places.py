"""What every place for savepoints promises, run over everything that is registered."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.s3_server import BUCKET, serving_s3
from tests.unit.durability.saved import NAME, begun, facts, finished, snapshot_of

from augenblick.durability.places import PLACES, Place, is_below, parse_place
from augenblick.durability.savepoints import begin_savepoint, finish_savepoint, open_savepoint
from augenblick.errors import CheckpointCorrupt, StorageError, UsageError

NAMES = PLACES.names()


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    with serving_s3() as variables:
        yield variables


@pytest.fixture
def make(
    s3: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """The URL of a new place of each kind; a new kind adds what it needs here."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    urls = {"file": f"file://{tmp_path}/backups", "s3": f"s3://{BUCKET}/{tmp_path.name}"}
    return urls.__getitem__


@pytest.mark.parametrize("name", NAMES)
def test_a_savepoint_comes_back_whole(
    make: Callable[[str], str], name: str, tmp_path: Path
) -> None:
    to = make(name)
    url = finished(tmp_path, to=to, allowed=(to,))
    assert url == f"{to}/{NAME}"
    saved = open_savepoint(url)
    assert saved.facts == facts()
    units = list(saved.units())
    assert len(units) == 4098
    assert all(data == snapshot_of(unit) for _, unit, data in units)
    with pytest.raises(StorageError, match="is there already"):
        begin_savepoint(to, NAME, tmp_path, [to])


@pytest.mark.parametrize("name", NAMES)
def test_half_a_savepoint_is_none(make: Callable[[str], str], name: str, tmp_path: Path) -> None:
    to = make(name)
    url = begun(tmp_path, to=to, allowed=(to,))
    with pytest.raises(UsageError, match="never finished"):
        open_savepoint(url)
    files = parse_place(to).files()
    part = f"{NAME}/shard-1/checkpoint"
    (pack,) = [one for one in files.list(part) if one != "manifest"]
    files.remove(f"{part}/manifest")
    with pytest.raises(StorageError, match="shard-1"):
        finish_savepoint(url, facts())
    url = begun(tmp_path, to=to, name="20260102T000000000Z", allowed=(to,))
    finish_savepoint(url, facts("20260102T000000000Z"))
    parse_place(to).files().remove(f"20260102T000000000Z/shard-1/checkpoint/{pack}")
    with pytest.raises(CheckpointCorrupt, match="gone"):
        open_savepoint(url)


@pytest.mark.parametrize("name", NAMES)
def test_files_are_whole_or_not_there(
    make: Callable[[str], str], name: str, tmp_path: Path
) -> None:
    files = parse_place(make(name)).files()
    assert files.list("a") == []
    files.make_folder("a")
    file = files.create("a/.new-one")
    file.write([b"wh", b"ole"], 0)
    file.sync()
    assert "one" not in files.list("a")
    files.rename("a/.new-one", "a/one")
    file.close()
    files.sync_folder("a")
    assert files.list("a") == ["one"]
    opened = files.open("a/one")
    assert (opened.size(), opened.read(3, 1), opened.read(9, 3)) == (5, b"hol", b"le")
    opened.close()
    files.remove("a/one")
    assert files.list("a") == []
    with pytest.raises(FileNotFoundError):
        parse_place(make(name)).files().open("a/one")


@pytest.mark.parametrize("name", NAMES)
def test_a_place_has_one_spelling(make: Callable[[str], str], name: str) -> None:
    place = parse_place(make(name))
    assert isinstance(place, Place)
    assert parse_place(f"{place.url}/").url == place.url
    below = parse_place(f"{place.url}/x")
    assert is_below(below, place)
    assert is_below(place, place)
    assert not is_below(place, below)
    assert not is_below(parse_place(f"{place.url}-x"), place)


def test_a_bucket_that_is_not_there_or_not_ours_is_one_line(
    make: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("s3")
    with pytest.raises(StorageError, match="s3://nobody-has-it/x: .*NoSuchBucket") as caught:
        begin_savepoint("s3://nobody-has-it/x", NAME, tmp_path, ["s3://nobody-has-it"])
    assert "\n" not in str(caught.value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(StorageError, match="no credentials in the environment"):
        begin_savepoint(f"s3://{BUCKET}/x", NAME, tmp_path, [f"s3://{BUCKET}"])


@pytest.mark.parametrize(
    "url",
    ["s3://", "s3://Big/x", "s3://key:secret@bucket/x", "s3://bucket/../other", "s3://bucket/a//b"],
)
def test_what_is_no_place_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="s3://bucket/folder"):
        parse_place(url)
