"""The audit log: whole lines in a chain, whoever appends; what was done to it shows."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from augenblick import limits
from augenblick.durability.audit import AuditLog
from augenblick.errors import CorruptionFound, StorageError


def filled(path: Path, count: int = 6) -> AuditLog:
    log = AuditLog(path)
    for number in range(1, count + 1):
        assert log.append("apply", "grace@host", {"plan": "shop", "é": number}) == number
    return log


def lines_of(log: AuditLog) -> list[bytes]:
    return log.path.read_bytes().splitlines(keepends=True)


def test_entries_say_who_asked_for_what_and_when(tmp_path: Path) -> None:
    log = filled(tmp_path, 2)
    first, second = map(json.loads, lines_of(log))
    assert list(first) == ["number", "time", "who", "what", "details", "before", "hash"]
    assert (first["who"], first["what"]) == ("grace@host", "apply")
    assert first["details"] == {"plan": "shop", "é": 1}
    assert first["time"].endswith("+00:00")
    assert (first["before"], second["before"]) == ("0" * 64, first["hash"])
    found = log.verify()
    assert (found.lines, found.last) == (2, second["hash"])
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_many_processes_make_one_chain(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from augenblick.durability.audit import AuditLog\n"
        "for _ in range(20): AuditLog(Path(sys.argv[1])).append('x', sys.argv[2], None)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), f"p{n}"]) for n in range(4)
    ]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert AuditLog(tmp_path).verify().lines == 80


def test_the_first_broken_line_is_named(tmp_path: Path) -> None:
    log = filled(tmp_path)
    lines = lines_of(log)
    blank = lines[2].replace(b'"number":3', b'"number": 3')
    other = lines[2].replace(b"grace", b"mallo")
    for changed, number, text in (
        ([*lines[:2], other, *lines[3:]], 3, "was changed"),
        ([*lines[:2], blank, *lines[3:]], 3, "was changed"),
        ([*lines[:2], *lines[3:]], 3, "does not follow"),
        ([*lines[:3], lines[2], *lines[3:]], 4, "does not follow"),
        ([*lines[:2], lines[3], lines[2], *lines[4:]], 3, "does not follow"),
        (lines[1:], 1, "does not follow"),
        ([*lines[:5], b"[]\n", lines[5]], 6, "is no entry"),
        ([*lines[:5], lines[5][:-9]], 6, "is half a line"),
        ([*lines, b"\n"], 7, "is no entry"),
    ):
        log.path.write_bytes(b"".join(changed))
        with pytest.raises(CorruptionFound, match=f"audit.ndjson: line {number} {text}"):
            log.verify()


@pytest.mark.parametrize("seed", range(20))
def test_any_changed_byte_is_found(tmp_path: Path, seed: int) -> None:
    log = filled(tmp_path)
    chance = random.Random(seed)
    data = bytearray(log.path.read_bytes())
    for _ in range(20):
        changed = bytearray(data)
        at = chance.randrange(len(changed))
        changed[at] ^= 1 << chance.randrange(8)
        log.path.write_bytes(changed)
        line = changed[:at].count(b"\n") + 1
        with pytest.raises(CorruptionFound, match=f"line {line} "):
            log.verify()


def test_a_missing_end_shows_by_a_noted_hash(tmp_path: Path) -> None:
    log = filled(tmp_path)
    noted = log.verify().last
    log.append("more", "grace@host", None)
    assert log.verify(noted).lines == 7
    log.path.write_bytes(b"".join(lines_of(log)[:5]))
    assert log.verify().lines == 5
    with pytest.raises(CorruptionFound, match=f"no line has the hash {noted}"):
        log.verify(noted)


@pytest.mark.parametrize("whole", [0, 4])
def test_half_a_line_of_a_crash_is_cut_and_said(tmp_path: Path, whole: int) -> None:
    log = filled(tmp_path)
    lines = lines_of(log)
    log.path.write_bytes(b"".join(lines[:whole]) + lines[whole][:50])
    assert log.append("apply", "grace@host", None) == whole + 2
    assert log.verify().lines == whole + 2
    cut = json.loads(lines_of(log)[whole])
    assert (cut["what"], cut["details"]) == ("cut", {"bytes": 50})


def test_a_log_that_was_written_to_goes_on_and_stays_broken(tmp_path: Path) -> None:
    log = filled(tmp_path)
    with log.path.open("ab") as file:
        file.write(b"mine\n")
    log.append("apply", "grace@host", None)
    with pytest.raises(CorruptionFound, match="line 7 is no entry"):
        log.verify()


def test_long_details_are_kept_as_their_hash(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    log.append("retry", "x" * 10_000, {"ids": ["a" * 32] * 10_000})
    log.append("retry", "grace", None)
    (first, _) = map(json.loads, lines_of(log))
    assert set(first["details"]) == {"bytes", "sha256"}
    assert len(lines_of(log)[0]) < limits.audit_line_bytes_max
    assert log.verify().lines == 2


def test_no_log_and_no_folder_are_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot read .*audit.ndjson"):
        AuditLog(tmp_path).verify()
    with pytest.raises(StorageError, match="No such file"):
        AuditLog(tmp_path / "none").append("x", "y", None)
