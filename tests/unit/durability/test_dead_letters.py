"""Dead letters on disk: whole, bounded, readable, and nobody's downfall."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.unit.durability.key_rings import ring

from augenblick import limits
from augenblick.binding.user_marks import UserMarks
from augenblick.core.erasure import LEFT_OUT, Eraser
from augenblick.durability.dead_letters import DeadLetterStore
from augenblick.durability.formats.dead_letters import (
    decode_line,
    encode_letter,
    parse_segment_number,
    sealed_key,
    segment_name,
)
from augenblick.durability.formats.sealing import KeyRing
from augenblick.errors import KeyMissing, StorageError


def letter(number: int, reason: str = "late", **more: Any) -> dict[str, Any]:
    return {"kind": "dead_letter", "id": f"l{number}", "reason": reason, **more}


def mark(number: int) -> dict[str, Any]:
    return {"kind": "settled", "id": f"l{number}", "time": 0}


def ids(store: DeadLetterStore, **wanted: Any) -> list[str]:
    return [found["id"] for found in store.read(**wanted)]


def test_letters_are_read_back_newest_first_also_by_another_process(tmp_path: Path) -> None:
    store = DeadLetterStore(tmp_path / "dead-letters")
    store.append([letter(1, event={"user": "grün\n", "raw": None})])
    store.append([letter(2), letter(3, reason="no_user")])
    assert ids(store) == ["l3", "l2", "l1"]
    other = DeadLetterStore(tmp_path / "dead-letters")
    assert list(other.read())[2] == letter(1, event={"user": "grün\n", "raw": None})
    assert (tmp_path / "dead-letters").stat().st_mode & 0o777 == 0o700


def test_reading_selects_by_reason_id_and_number(tmp_path: Path) -> None:
    store = DeadLetterStore(tmp_path)
    store.append([letter(n, reason="late" if n % 2 else "no_user") for n in range(10)])
    store.append([letter(10, reason="other", detail='"reason":"late"')])
    assert ids(store, reason="late") == ["l9", "l7", "l5", "l3", "l1"]
    assert ids(store, ids={"l2", "l7", "l99"}) == ["l7", "l2"]
    assert ids(store, letters_max=2) == ["l10", "l9"]
    assert ids(DeadLetterStore(tmp_path / "none")) == []


def test_settled_letters_are_off_the_list_and_repeated_ones_are_listed_once(
    tmp_path: Path,
) -> None:
    store = DeadLetterStore(tmp_path)
    store.append([letter(1), letter(2), letter(3)])
    store.append([letter(3), mark(2)])
    assert ids(store) == ["l3", "l1"]


def test_segments_rotate_and_the_oldest_are_dropped_and_counted(tmp_path: Path) -> None:
    store = DeadLetterStore(tmp_path, segment_bytes_max=200, segments_max=3)
    for number in range(40):
        store.append([letter(number)])
    files = sorted(os.listdir(tmp_path))
    assert len(files) == 3
    assert all(parse_segment_number(name) for name in files)
    kept = ids(store)
    assert kept[0] == "l39"
    assert store.dropped == 40 - len(kept)
    assert all((tmp_path / name).stat().st_size <= 200 for name in files)
    again = DeadLetterStore(tmp_path, segment_bytes_max=200, segments_max=3)
    again.append([letter(40)])
    assert ids(again)[:2] == ["l40", "l39"]


def test_half_a_line_of_a_crash_spoils_no_other(tmp_path: Path) -> None:
    (tmp_path / segment_name(7)).write_bytes(encode_letter(letter(1)) + b'{"kind":"dead_le')
    store = DeadLetterStore(tmp_path)
    assert ids(store) == ["l1"]
    store.append([letter(2)])
    assert ids(store) == ["l2", "l1"]


def test_foreign_files_and_lines_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / segment_name(1)).write_bytes(b'[1]\n{"id":3}\n\xff\n' + encode_letter(letter(1)))
    store = DeadLetterStore(tmp_path, segments_max=1, segment_bytes_max=1)
    store.append([letter(2)])
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert ids(store) == ["l2"]


def test_a_letter_that_is_too_long_or_no_json_is_kept_without_its_content() -> None:
    for content in ("x" * limits.dead_letter_bytes_max, object()):
        line = encode_letter(letter(1, time=5, detail="y" * 5000, event=content))
        assert decode_line(line) == letter(1, time=5, detail="y" * 1024, cut=True)


@pytest.mark.parametrize(
    "name", ["1.ndjson", "0000000000001.ndjson", "a.ndjson", segment_name(1)[:-1]]
)
def test_other_names_are_no_segments(name: str) -> None:
    assert parse_segment_number(name) is None


def test_a_full_disk_loses_whole_calls_only_and_heals(tmp_path: Path) -> None:
    """RLIMIT_FSIZE cuts a write in the middle, as a full disk does; in a process of its own."""
    script = """
import json, resource, sys
from pathlib import Path
from augenblick.durability.dead_letters import DeadLetterStore
from augenblick.errors import StorageError
store = DeadLetterStore(Path(sys.argv[1]))
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (900, hard))
outcomes = []
def append(number):
    try:
        store.append([{"kind": "dead_letter", "id": f"l{number}", "detail": "x" * 200}])
        outcomes.append("stored")
    except StorageError as error:
        outcomes.append(str(error))
for number in range(6):
    append(number)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
append(6)
print(json.dumps(outcomes))
"""
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    outcomes = json.loads(run.stdout)
    assert outcomes[:3] == ["stored"] * 3
    assert all("File too large" in outcome for outcome in outcomes[3:6])
    assert outcomes[6] == "stored"
    content = (tmp_path / segment_name(1)).read_bytes()
    assert [json.loads(line)["id"] for line in content.splitlines()] == ["l0", "l1", "l2", "l6"]


def test_a_folder_that_cannot_be_made_is_an_error_of_the_world(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        DeadLetterStore(tmp_path / "file/dead-letters").append([letter(1)])


def everything(folder: Path) -> bytes:
    return b"".join((folder / name).read_bytes() for name in sorted(os.listdir(folder)))


def test_encrypted_letters_are_read_with_their_key_only(tmp_path: Path) -> None:
    store = DeadLetterStore(tmp_path, keys=ring(1))
    store.append([letter(1, event={"user": "grace"}), letter(2)])
    store.append([letter(3, reason="no_user"), mark(2)])
    store.close()
    store = DeadLetterStore(tmp_path, keys=ring(1, seed=1))
    store.append([letter(4)])
    assert len(os.listdir(tmp_path)) == 1
    assert ids(store) == ["l4", "l3", "l1"]
    assert ids(store, reason="no_user") == ["l3"]
    assert list(store.read(ids={"l1"})) == [letter(1, event={"user": "grace"})]
    assert b"grace" not in everything(tmp_path)
    assert b"dead_letter" not in everything(tmp_path)
    with pytest.raises(KeyMissing, match=r"000000000001.ndjson is encrypted with key .*--key-file"):
        ids(DeadLetterStore(tmp_path))
    with pytest.raises(KeyMissing, match=r"keys.txt does not hold"):
        ids(DeadLetterStore(tmp_path, keys=ring(2)))


def test_encrypted_segments_rotate_and_count_what_they_drop(tmp_path: Path) -> None:
    store = DeadLetterStore(tmp_path, keys=ring(1), segment_bytes_max=400, segments_max=3)
    for number in range(40):
        store.append([letter(number)])
    assert len(os.listdir(tmp_path)) == 3
    kept = ids(store)
    assert kept[0] == "l39"
    assert store.dropped == 40 - len(kept) > 20
    assert all((tmp_path / name).stat().st_size <= 400 for name in os.listdir(tmp_path))


def test_another_key_or_the_first_one_takes_over_what_is_there(tmp_path: Path) -> None:
    plain = DeadLetterStore(tmp_path, segment_bytes_max=300)
    for number in range(9):
        plain.append([letter(number, event="grace")])
    plain.close()
    for keys in (ring(1), ring(1, 2), ring(2)):
        store = DeadLetterStore(tmp_path, keys=keys)
        store.reseal()
        assert {sealed_key(one.read_bytes().split(b"\n")[0]) for one in tmp_path.iterdir()} == {
            keys.newest
        }
        assert ids(store) == [f"l{number}" for number in range(8, -1, -1)]
    assert b"grace" not in everything(tmp_path)


def test_without_a_reseal_new_letters_go_to_a_segment_of_their_own(tmp_path: Path) -> None:
    DeadLetterStore(tmp_path).append([letter(1)])
    store = DeadLetterStore(tmp_path, keys=ring(1))
    store.append([letter(2)])
    assert len(os.listdir(tmp_path)) == 2
    assert ids(store) == ["l2", "l1"]


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_encrypted_segment_gives_the_other_lines(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    store = DeadLetterStore(tmp_path, keys=ring(1))
    for number in range(20):
        store.append([letter(number)])
    store.close()
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    at = chance.randrange(data.index(b"\n") + 1, len(data))
    data[at] ^= 1 << chance.randrange(8)
    path.write_bytes(data[: chance.choice([len(data), len(data) - 5])])
    again = DeadLetterStore(tmp_path, keys=ring(1))
    found = ids(again)
    assert len(found) >= 17
    again.append([letter(99)])
    assert ids(again) == ["l99", *found]


@pytest.mark.parametrize("keys", [None, ring(1)])
def test_letters_are_rewritten_in_all_files_settled_ones_too(
    tmp_path: Path, keys: KeyRing | None
) -> None:
    store = DeadLetterStore(tmp_path, keys=keys, segment_bytes_max=300)
    for number in range(8):
        store.append([letter(number, event={"user": "ann" if number % 3 else "bob"})])
    store.append([letter(8, event={"raw": "YW5u"}), mark(1)])
    (tmp_path / ".000000000001.ndjson.1").write_text("ann")  # a crash cut a rewriting short
    eraser = Eraser(UserMarks(), UserMarks().of("ann"))
    assert store.rewrite(eraser.letter) == 6
    assert ids(store) == ["l8", "l6", "l3", "l0"]
    assert next(store.read())["event"] == {"left_out": LEFT_OUT}
    assert store.rewrite(eraser.letter) == 0
    store.append([letter(9)])
    again = DeadLetterStore(tmp_path, keys=keys)
    assert ids(again) == ["l9", "l8", "l6", "l3", "l0"]
    assert not any(b"ann" in path.read_bytes() for path in tmp_path.iterdir())
