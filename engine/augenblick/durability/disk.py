"""The few things journals and checkpoints ask of a disk, and the real disk.

`Files` is one directory tree; names are relative to it, folders parted by `/`. What another
implementation promises (the simulated disk of the tests) is what POSIX does: bytes survive a lost
machine after `sync`, names after `sync_folder`, everything else may or may not, in any order.
All raise OSError.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

_IOV_MAX: Final = 1024  # buffers of one pwritev; Linux takes no more
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_full(error: OSError) -> bool:
    """Does the error say that there is no room, and nothing worse?"""
    return error.errno in _FULL


class File(Protocol):
    """An open file."""

    def read(self, count: int, offset: int) -> bytes:
        """Up to `count` bytes from an offset; fewer only at the end of the file."""

    def write(self, buffers: Sequence[bytes], offset: int) -> None:
        """Write all of the buffers, one behind the other; on an error some of it may be written."""

    def allocate(self, size: int) -> None:
        """Make room for `size` bytes; what is not written reads as zeros."""

    def truncate(self, size: int) -> None:
        """Cut off what is behind `size` bytes."""

    def size(self) -> int:
        """Bytes."""

    def sync(self) -> None:
        """Make bytes and size durable (fdatasync). A failure is never to be tried again."""

    def close(self) -> None:
        """Give it back; writes nothing."""


class Files(Protocol):
    """A directory tree."""

    def list(self, folder: str) -> list[str]:
        """Names in a folder, sorted; none if there is no such folder."""

    def make_folder(self, folder: str) -> None:
        """Make a folder durably, if it is not there."""

    def create(self, name: str) -> File:
        """A new file to read and write; FileExistsError if the name is taken."""

    def open(self, name: str, *, is_writable: bool = False) -> File:
        """A file that is there."""

    def rename(self, name: str, new_name: str) -> None:
        """Give another name, taking it from a file that has it."""

    def remove(self, name: str) -> None:
        """Remove a file."""

    def sync_folder(self, folder: str) -> None:
        """Make the names in a folder durable."""

    def locate(self, name: str) -> str:
        """Where a person finds the file; for messages."""


class DiskFile:
    """A file of the real disk; closed by its opener."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, count: int, offset: int) -> bytes:
        data = os.pread(self._descriptor, count, offset)
        if 0 < len(data) < count:
            parts = [data]
            while data:
                offset += len(data)
                count -= len(data)
                data = os.pread(self._descriptor, count, offset)
                parts.append(data)
            return b"".join(parts)
        return data

    def write(self, buffers: Sequence[bytes], offset: int) -> None:
        for start in range(0, len(buffers), _IOV_MAX):
            some = buffers[start : start + _IOV_MAX]
            count = sum(map(len, some))
            written = os.pwritev(self._descriptor, some, offset)
            offset += written
            if written < count:
                offset = self._write_rest(b"".join(some)[written:], offset)

    def allocate(self, size: int) -> None:
        os.posix_fallocate(self._descriptor, 0, size)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)

    def _write_rest(self, data: bytes, offset: int) -> int:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            view = view[written:]
            offset += written
        return offset


class DiskFiles:
    """A directory of the real disk; it is made when it is not there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def list(self, folder: str) -> list[str]:
        try:
            return sorted(os.listdir(self._directory / folder))
        except FileNotFoundError:
            return []

    def make_folder(self, folder: str) -> None:
        path = self._directory / folder
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        for changed in (self._directory, path.parent):
            _sync_directory(changed)

    def create(self, name: str) -> DiskFile:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return DiskFile(os.open(self._directory / name, flags, 0o600))

    def open(self, name: str, *, is_writable: bool = False) -> DiskFile:
        flags = (os.O_RDWR if is_writable else os.O_RDONLY) | os.O_CLOEXEC
        return DiskFile(os.open(self._directory / name, flags))

    def rename(self, name: str, new_name: str) -> None:
        os.replace(self._directory / name, self._directory / new_name)

    def remove(self, name: str) -> None:
        os.unlink(self._directory / name)

    def sync_folder(self, folder: str) -> None:
        _sync_directory(self._directory / folder)

    def locate(self, name: str) -> str:
        return str(self._directory / name)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
