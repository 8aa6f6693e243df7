"""Dead letters on disk: appended, rotated, bounded, listed."""

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from augenblick import limits
from augenblick.durability.formats.dead_letters import (
    SETTLED_LINE,
    decode_line,
    encode_letter,
    holds,
    parse_segment_number,
    segment_name,
)
from augenblick.errors import StorageError


class DeadLetterStore:
    """The folder DIR/dead-letters. `append` belongs to one thread; `read` may run on another.

    What is beyond the bound of segments leaves with the oldest segment and is counted in `dropped`.
    A write that fails (a full disk) leaves whole lines only, raises StorageError, and is tried
    afresh with the next letters.
    """

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes_max: int = limits.dead_letter_segment_bytes_max,
        segments_max: int = limits.dead_letter_segments_max,
    ) -> None:
        self.directory = directory
        self.dropped = 0
        self._segment_bytes_max = segment_bytes_max
        self._segments_max = segments_max
        self._descriptor = -1
        self._number = 0
        self._bytes = 0

    def append(self, letters: Iterable[dict[str, Any]]) -> None:
        """Make letters and marks durable, all or none; raises StorageError."""
        lines = b"".join(map(encode_letter, letters))
        try:
            if self._descriptor < 0:
                self._open_last()
            elif self._bytes and self._bytes + len(lines) > self._segment_bytes_max:
                self._open_next()
            self._write(lines)
        except OSError as error:
            raise StorageError(f"{self.directory}: {error.strerror or error}") from error

    def read(
        self,
        *,
        reason: str | None = None,
        ids: Collection[str] | None = None,
        letters_max: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Letters that are not settled, the newest first, each id once; raises StorageError."""
        passed: set[str] = set()
        found = 0
        for line in self._lines_backwards():
            if line.startswith(SETTLED_LINE):
                mark = decode_line(line)
                if mark is not None:
                    passed.add(mark["id"])
                continue
            if reason is not None and not holds(line, "reason", reason):
                continue
            letter = decode_line(line)
            if letter is None or letter["id"] in passed:
                continue
            if reason is not None and letter.get("reason") != reason:
                continue
            if ids is not None and letter["id"] not in ids:
                continue
            if letters_max is not None and found >= letters_max:
                return
            found += 1
            passed.add(letter["id"])
            yield letter

    def close(self) -> None:
        """Close the open segment; the next `append` opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _segments(self) -> list[int]:
        try:
            numbers = map(parse_segment_number, os.listdir(self.directory))
            return sorted(number for number in numbers if number is not None)
        except FileNotFoundError:
            return []

    def _path(self, number: int) -> Path:
        return self.directory / segment_name(number)

    def _open_last(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        segments = self._segments()
        self._number = segments[-1] if segments else 0
        if not segments:
            self._open_next()
            return
        descriptor = os.open(self._path(self._number), os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        self._descriptor = descriptor
        self._bytes = os.fstat(descriptor).st_size
        if self._bytes and os.pread(descriptor, 1, self._bytes - 1) != b"\n":
            self._write(b"\n")  # a crash left half a line
        if self._bytes >= self._segment_bytes_max:
            self._open_next()

    def _open_next(self) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(self._path(self._number + 1), flags, 0o600)
        self.close()
        self._descriptor = descriptor
        self._number += 1
        self._bytes = 0
        folder = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)  # else a crash could take the new file's name
        finally:
            os.close(folder)
        for number in self._segments()[: -self._segments_max]:
            self.dropped += _count_letters(self._path(number))
            self._path(number).unlink()

    def _write(self, lines: bytes) -> None:
        try:
            view = memoryview(lines)
            while view:
                view = view[os.write(self._descriptor, view) :]
            os.fdatasync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._bytes)
            self.close()
            raise
        self._bytes += len(lines)

    def _lines_backwards(self) -> Iterator[bytes]:
        for number in reversed(self._segments()):
            try:
                lines = self._path(number).read_bytes().split(b"\n")
            except FileNotFoundError:  # it was dropped meanwhile
                continue
            except OSError as error:
                raise StorageError(f"{self.directory}: {error.strerror or error}") from error
            yield from reversed(lines)


def _count_letters(path: Path) -> int:
    lines = path.read_bytes().split(b"\n")
    return sum(1 for line in lines if line and not line.startswith(SETTLED_LINE))
