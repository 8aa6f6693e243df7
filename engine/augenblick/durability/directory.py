"""Owning a directory: a lock that dies with its process, and the epoch that fences old owners off.

A shard is its directory. To own it: take the lock (`flock`: the kernel frees it when the process
ends, however it ends), write the epoch + 1 durably, only then serve.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path
from typing import Final

from augenblick import limits
from augenblick.durability.applying import excuse
from augenblick.durability.files import write_durably
from augenblick.errors import CorruptionFound, DirectoryLocked, StorageError

_LOCK: Final = "lock"
_EPOCH: Final = "epoch"


class DirectoryLock:
    """A directory's lock, held until `release` or the end of the process."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / _LOCK
        self._descriptor = -1

    def take(self) -> None:
        """Take it now or raise DirectoryLocked, which names the process that holds it."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(
                f"cannot use {self._path.parent}: {os.strerror(error.errno or 0)}"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            text = f"{self._path.parent} is in use by another process"
            raise DirectoryLocked(f"{text} (pid {owner})" if owner else text) from None
        self._hold(descriptor)

    def wait(self) -> None:
        """Take it as soon as its owner has ended, however long that takes; blocks its thread."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            text = os.strerror(error.errno or 0)
            raise StorageError(f"cannot wait for {self._path}: {text}") from error
        self._hold(descriptor)

    def take_over(self) -> None:
        """Take it from an owner that has gone or is going; one that gives no sign of life is
        killed.

        Called when the coordinator has given the owner up, which it may have done too early: an
        owner that goes on to say `touch` keeps the directory, and DirectoryLocked is raised.
        """
        start = time.monotonic()
        while True:
            try:
                self.take()
            except DirectoryLocked:
                if time.monotonic() - start > limits.lock_wait_seconds_max:
                    raise
                silent_seconds = time.time() - self._path.stat().st_mtime
                if silent_seconds > limits.lock_patience_seconds:
                    self.kill_owner()
                time.sleep(limits.lock_poll_seconds)
            else:
                return

    def last_sign(self) -> int | None:
        """A number that changes with each sign of life of the owner; None: no such file."""
        with contextlib.suppress(OSError):
            return self._path.stat().st_mtime_ns
        return None

    def touch(self) -> None:
        """A sign of life; the owner gives one at least every second."""
        os.utime(self._path)

    def release(self) -> None:
        """Give it back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def kill_owner(self) -> None:
        """End the process that holds the lock, if it is still held.

        The pid in the file is the holder's: it is written under the lock. What is signalled is the
        process that had this pid while the lock was still held, never a later one of that number.
        """
        with contextlib.suppress(OSError):
            text = self._path.read_text(encoding="ascii", errors="replace").strip()
            if not text.isdigit() or int(text) == os.getpid():
                return
            process = os.pidfd_open(int(text))
            try:
                if self._is_held_by(text):
                    if not _is_running(int(text)):
                        excuse(self._path.parent)
                    signal.pidfd_send_signal(process, signal.SIGKILL)
            finally:
                os.close(process)

    def _is_held_by(self, pid: str) -> bool:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return os.read(descriptor, 32).decode("ascii", "replace").strip() == pid
        finally:
            os.close(descriptor)
        return False

    def _hold(self, descriptor: int) -> None:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor


def _is_running(pid: int) -> bool:
    """Does the process compute? Else it was stopped, or waits for a disk."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "R"
    return True


def begin_epoch(directory: Path, epoch: int) -> None:
    """A new directory whose first owner has a later epoch than this."""
    write_durably(directory / _EPOCH, f"{epoch}\n".encode())


def raise_epoch(directory: Path) -> int:
    """Write the directory's epoch + 1 durably and return it; the caller holds the lock."""
    path = directory / _EPOCH
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        text = "0"
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"cannot read {path}: {error}") from error
    if not text.strip().isdigit():
        raise CorruptionFound(f"{path} holds no epoch")
    epoch = int(text) + 1
    begin_epoch(directory, epoch)
    return epoch
