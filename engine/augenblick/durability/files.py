"""Writing small files so that a crash leaves either the old or the new content."""

from __future__ import annotations

import os
from pathlib import Path

from augenblick.errors import StorageError


def write_durably(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace a file's content: temporary file, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(temporary, data, mode)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {os.strerror(error.errno or 0)}") from error


def write_once(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Like `write_durably`, but content that is there stays; two writers at once agree on one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(temporary, data, mode)
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(temporary)
        _sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {os.strerror(error.errno or 0)}") from error


def _write(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
