import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from augenblick import limits
from augenblick.durability import cluster_file
from augenblick.durability.directory import DirectoryLock, raise_epoch
from augenblick.errors import CorruptionFound, DirectoryLocked, StorageError


def _hold(folder: str, ready: object) -> None:
    DirectoryLock(Path(folder)).take()
    ready.set()  # type: ignore[attr-defined]
    time.sleep(60)


def _holder(folder: Path) -> multiprocessing.process.BaseProcess:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_hold, args=(str(folder), ready), daemon=True)
    process.start()
    assert ready.wait(30)
    return process


def test_a_directory_has_one_owner_who_is_named(tmp_path: Path) -> None:
    process = _holder(tmp_path / "d")
    with pytest.raises(DirectoryLocked, match=f"pid {process.pid}"):
        DirectoryLock(tmp_path / "d").take()
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    lock = DirectoryLock(tmp_path / "d")
    lock.take()
    lock.release()
    again = DirectoryLock(tmp_path / "d")
    again.take()
    again.release()


def test_a_silent_owner_is_killed_when_it_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "lock_patience_seconds", 0.1)
    process = _holder(tmp_path)
    os.kill(process.pid or 0, signal.SIGSTOP)
    time.sleep(0.2)
    lock = DirectoryLock(tmp_path)
    lock.take_over()
    process.join(5)
    assert process.exitcode == -signal.SIGKILL
    lock.release()


def test_an_owner_that_gives_signs_of_life_keeps_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "lock_wait_seconds_max", 0.3)
    process = _holder(tmp_path)
    with pytest.raises(DirectoryLocked):
        DirectoryLock(tmp_path).take_over()
    assert process.is_alive()
    process.kill()
    process.join()


def test_who_waits_for_a_directory_has_it_when_its_owner_ends(tmp_path: Path) -> None:
    process = _holder(tmp_path)
    lock = DirectoryLock(tmp_path)
    waiting = threading.Thread(target=lock.wait, daemon=True)
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    os.kill(process.pid or 0, signal.SIGSTOP)  # a stopped owner keeps it
    waiting.join(0.2)
    assert waiting.is_alive()
    began = time.monotonic()
    DirectoryLock(tmp_path).kill_owner()
    waiting.join(5)
    assert not waiting.is_alive()
    assert time.monotonic() - began < 1.0
    process.join(5)
    assert process.exitcode == -signal.SIGKILL
    with pytest.raises(DirectoryLocked, match=f"pid {os.getpid()}"):
        DirectoryLock(tmp_path).take()
    lock.release()


def test_nobody_is_ended_whose_lock_is_free(tmp_path: Path) -> None:
    process = _holder(tmp_path / "held")
    (tmp_path / "free").mkdir()
    (tmp_path / "free" / "lock").write_text(f"{process.pid}\n")  # it had this one before
    DirectoryLock(tmp_path / "free").kill_owner()
    time.sleep(0.1)
    assert process.is_alive()
    process.kill()
    process.join()


def test_signs_of_life_differ(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path)
    assert lock.last_sign() is None
    lock.take()
    first = lock.last_sign()
    time.sleep(0.02)
    lock.touch()
    assert lock.last_sign() != first
    lock.release()
    with pytest.raises(StorageError, match="cannot wait"):
        DirectoryLock(tmp_path / "nowhere").wait()


def test_the_epoch_only_rises(tmp_path: Path) -> None:
    assert [raise_epoch(tmp_path) for _ in range(3)] == [1, 2, 3]
    (tmp_path / "epoch").write_text("x")
    with pytest.raises(CorruptionFound):
        raise_epoch(tmp_path)


def test_the_cluster_file_is_made_once_and_guards_directories(tmp_path: Path) -> None:
    cluster = cluster_file.load_or_create(tmp_path / "a")
    assert cluster_file.load_or_create(tmp_path / "a") == cluster
    assert len(cluster.hash_key) == 16
    cluster_file.join(tmp_path / "b", cluster)
    cluster_file.join(tmp_path / "b", cluster)
    other = cluster_file.load_or_create(tmp_path / "c")
    with pytest.raises(StorageError, match="another cluster"):
        cluster_file.join(tmp_path / "b", other)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", CorruptionFound),
        (b"{}", CorruptionFound),
        (
            b'{"cluster":"c","format":9,"key_groups":4096,"hash":"siphash-1-3","hash_key":"00"}',
            StorageError,
        ),
        (
            b'{"cluster":"c","format":1,"key_groups":4096,"hash":"siphash-1-3","hash_key":"00"}',
            CorruptionFound,
        ),
    ],
)
def test_a_damaged_or_foreign_cluster_file_is_refused(data: bytes, error: type) -> None:
    with pytest.raises(error):
        cluster_file.Cluster.decode(data)


def test_a_disk_that_fails_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot"):
        cluster_file.load_or_create(tmp_path / "file" / "below")
    with pytest.raises(StorageError, match="cannot use"):
        DirectoryLock(tmp_path / "file" / "below").take()
