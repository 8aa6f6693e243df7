import io
from pathlib import Path

from augenblick.runtime.follow import FollowedFile, FollowedProcesses


def test_whole_lines_are_passed_on_once_without_rays_marks(tmp_path: Path) -> None:
    path = tmp_path / "worker-1.out"
    output, errors = io.BytesIO(), io.BytesIO()
    followed = FollowedProcesses(tmp_path, output, errors)
    followed.copy()
    path.write_bytes(b":job_id:01000000\none\ntw")
    followed.copy()
    assert output.getvalue() == b"one\n"
    with path.open("ab") as file:
        file.write(b"o\n:actor_name:X\n")
    (tmp_path / "worker-2.err").write_bytes(b"trouble\n")
    followed.copy()
    followed.copy()
    assert output.getvalue() == b"one\ntwo\n"
    assert errors.getvalue() == b"trouble\n"


def test_a_rotated_file_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "file"
    output = io.BytesIO()
    followed = FollowedFile(path, output)
    path.write_bytes(b"a long first line\n")
    followed.copy()
    path.write_bytes(b"short\n")
    followed.copy()
    assert output.getvalue() == b"a long first line\nshort\n"
