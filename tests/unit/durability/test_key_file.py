"""Key files: made, added to, refused when something is wrong, and what still needs which key."""

from pathlib import Path

import pytest
from tests.unit.durability.journals import OWNER, opened
from tests.unit.durability.key_rings import ring

from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.dead_letters import DeadLetterStore
from augenblick.durability.disk import DiskFiles
from augenblick.durability.formats.sealing import show_key_id
from augenblick.durability.key_file import add_key, check_keys, keys_in_use, load_keys
from augenblick.errors import KeyMissing, UsageError


def test_the_last_key_is_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "keys"
    added = [add_key(path) for _ in range(3)]
    assert len(set(added)) == 3
    assert path.stat().st_mode & 0o777 == 0o600
    keys = load_keys(path)
    assert (keys.ids, keys.newest, keys.file) == (added, added[-1], str(path))
    path.write_text(f"# one\n\n{path.read_text()}   \n")
    assert load_keys(path).ids == added


def test_what_is_wrong_is_said_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    with pytest.raises(UsageError, match=f"make one: augenblick key new {path}"):
        load_keys(path)
    add_key(path)
    good = path.read_text()
    path.chmod(0o640)
    with pytest.raises(UsageError, match=r"readable by others \(mode 640\)"):
        load_keys(path)
    path.chmod(0o600)
    line = good.splitlines()[-1]
    other = "1" if line[-1] != "1" else "2"
    for bad in (line[:-1] + other, line[:-1], line + "0", f"{line} {line}", "key", line[9:]):
        path.write_text(f"# keys\n{bad}\n")
        with pytest.raises(UsageError, match=f"{path}:2: no key, or one that was damaged"):
            load_keys(path)
    for text in ("", "# nothing\n"):
        path.write_text(text)
        with pytest.raises(UsageError, match="holds no key"):
            load_keys(path)
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(UsageError, match="is no key file"):
        load_keys(path)


def test_a_key_is_never_added_to_a_file_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("mine\n")
    path.chmod(0o600)
    with pytest.raises(UsageError):
        add_key(path)
    assert path.read_text() == "mine\n"


def test_who_needs_which_key(tmp_path: Path) -> None:
    assert keys_in_use(tmp_path) == {}
    check_keys(tmp_path, None)
    one, two = ring(1), ring(1, 2)
    for name, keys in (("shard-0", None), ("shard-1", one), ("shard-2", two)):
        journal = opened(tmp_path / name, keys=keys)
        journal.close()
        checkpoint = Checkpoint(DiskFiles(tmp_path / name), OWNER, keys=keys)
        checkpoint.open(1)
        checkpoint.add(1, 8, b"x")
        checkpoint.commit()
    DeadLetterStore(tmp_path / "dead-letters", keys=one).append([])
    (tmp_path / "dead-letters" / "note.txt").write_text("mine")
    (tmp_path / "shard-0" / "journal" / ".new-000000000001-000000000009").write_bytes(b"half")
    (tmp_path / "shard-0" / "journal" / "000000000001-000000000009").write_bytes(b"half")
    assert keys_in_use(tmp_path) == {0: 3, one.newest: 4, two.newest: 3}
    check_keys(tmp_path, two)
    first, second = map(show_key_id, two.ids)
    with pytest.raises(KeyMissing, match=f"shard-1/.* is encrypted with key {first}: name its"):
        check_keys(tmp_path, None)
    text = f"shard-2/.* is encrypted with key {second}, which keys.txt does not hold"
    with pytest.raises(KeyMissing, match=text):
        check_keys(tmp_path, one)
