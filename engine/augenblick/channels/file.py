"""The channel `file`: records as newline-delimited JSON, appended to a file."""

import fcntl
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from augenblick import limits
from augenblick.channels._channel import Attempt, Channel, ChannelSettings
from augenblick.channels._line_writer import LineWriter, encode_line
from augenblick.errors import DeliveryFailed, PlanError, UsageError


class FileChannel(Channel):
    """`{file: PATH}`: a relative path lies below DATA/out, an absolute one below a `--file-allow`.

    A record is accepted when its whole line is on disk (fdatasync once for the lines that came
    together). A line that could not be written whole is taken back, so that the file holds whole
    lines only. A file that was moved or deleted from outside is made anew.
    """

    PARAMETERS = frozenset({"file"})
    concurrency_max = 1
    records_max = limits.delivery_together_max
    apart_ms = limits.delivery_apart_ms

    def __init__(self, action: str, parameters: dict[str, Any], settings: ChannelSettings) -> None:
        unknown = sorted(set(parameters) - self.PARAMETERS)
        path = parameters.get("file")
        if unknown:
            raise PlanError(f"action {action!r}: file has no parameter {unknown[0]!r}")
        if not isinstance(path, str) or not path or "\0" in path:
            raise PlanError(f"action {action!r}: file needs a path")
        self._action = action
        self._path = _checked(Path(path), action, settings)
        self._writer: LineWriter | None = None
        self._descriptor = -1
        self._identity = (0, 0)  # of the open file: device and inode
        self._whole_bytes = -1  # its size after our last whole line; -1: not known

    async def open(self) -> None:
        """Start the thread that writes; the file is made with the first line."""
        self._writer = LineWriter(self._append, self._action)

    async def deliver(self, attempt: Attempt) -> None:
        """Append the record as one line."""
        assert self._writer is not None
        await self._writer.add(encode_line(attempt.packed))

    async def deliver_all(self, attempts: Sequence[Attempt]) -> list[DeliveryFailed | None]:
        """Append the records, each as one line."""
        assert self._writer is not None
        return await self._writer.add_all(attempt.packed for attempt in attempts)

    async def close(self) -> None:
        """Write what waits and close the file."""
        if self._writer is not None:
            await self._writer.close()
        self._close()

    def _append(self, lines: bytes) -> None:
        """Runs on the writer's thread."""
        if not self._is_current():
            self._close()
            self._open()
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)  # two actions may name one file
        try:
            self._write(lines, os.fstat(self._descriptor).st_size)
        except OSError:
            self._close()  # also unlocks
            raise
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _write(self, lines: bytes, size: int) -> None:
        """Write behind the `size` bytes there are: whole lines, or nothing that stays."""
        whole, self._whole_bytes = self._whole_bytes, -1
        if size not in (0, whole) and os.pread(self._descriptor, 1, size - 1) != b"\n":
            lines = b"\n" + lines  # someone's crash left half a line
        try:
            view = memoryview(lines)
            while view:
                view = view[os.write(self._descriptor, view) :]
            os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, size)
            raise
        self._whole_bytes = size + len(lines)

    def _is_current(self) -> bool:
        if self._descriptor < 0:
            return False
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(self._path, flags, 0o600)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise OSError(f"{self._path} is no regular file")
        self._descriptor = descriptor
        self._identity = (status.st_dev, status.st_ino)
        self._whole_bytes = -1

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _checked(path: Path, action: str, settings: ChannelSettings) -> Path:
    """The path with links followed, which has to lie below a directory that is allowed."""
    out = (settings.data_dir / "out").resolve()
    resolved = (out / path).resolve()
    roots = [out, *(directory.resolve() for directory in settings.file_allow)]
    if not any(root in resolved.parents for root in roots):
        raise UsageError(
            f"action {action!r}: {path} does not lie below {out}; --file-allow permits directories"
        )
    return resolved


CHANNEL = FileChannel
