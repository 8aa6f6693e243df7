"""Dead letters on disk: appended, rotated, bounded, listed, encrypted if there are keys."""

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from augenblick import limits
from augenblick.durability.files import write_durably
from augenblick.durability.formats.dead_letters import (
    SETTLED_LINE,
    NUMBER_bytes,
    decode_line,
    encode_letter,
    holds,
    open_line,
    parse_segment_number,
    seal_line,
    sealed_head,
    sealed_key,
    segment_name,
)
from augenblick.durability.formats.sealing import Cipher, KeyRing, show_key_id
from augenblick.errors import KeyMissing, StorageError


class DeadLetterStore:
    """The folder DIR/dead-letters. `append` belongs to one thread; `read` may run on another.

    What is beyond the bound of segments leaves with the oldest segment and is counted in `dropped`.
    A write that fails (a full disk) leaves whole lines only, raises StorageError, and is tried
    afresh with the next letters. With `keys` every segment is encrypted with the newest of them.
    """

    def __init__(
        self,
        directory: Path,
        *,
        keys: KeyRing | None = None,
        segment_bytes_max: int = limits.dead_letter_segment_bytes_max,
        segments_max: int = limits.dead_letter_segments_max,
    ) -> None:
        self.directory = directory
        self.dropped = 0
        self._keys = keys
        self._cipher: Cipher | None = None  # of the open segment
        self._segment_bytes_max = segment_bytes_max
        self._segments_max = segments_max
        self._descriptor = -1
        self._number = 0
        self._bytes = 0

    def append(self, letters: Iterable[dict[str, Any]]) -> None:
        """Make letters and marks durable, all or none; raises StorageError."""
        plain = [encode_letter(letter) for letter in letters]
        try:
            is_new = self._descriptor < 0
            if is_new:
                self._open_last()
            lines = self._sealed(plain)
            if not is_new and self._bytes and self._bytes + len(lines) > self._segment_bytes_max:
                self._open_next()
                lines = self._sealed(plain)
            self._write(lines)
        except OSError as error:
            raise self._failed(error) from error

    def reseal(self) -> None:
        """Write what is not under the newest key anew, before the first `append`; raises
        StorageError.
        """
        if self._keys is None:
            return
        try:
            for number in self._segments():
                if self._key_of(number) != self._keys.newest:
                    self._reseal(number)
        except OSError as error:
            raise self._failed(error) from error

    def rewrite(self, rewrite: Callable[[dict[str, Any]], dict[str, Any] | None]) -> int:
        """Put what this makes of a letter in its place, in all files, settled ones too; None: its
        bytes go. Returns how many changed; on the thread of `append`; raises StorageError.

        Files that change are written anew, as a whole, without what cannot be read in them.
        """
        changed = 0
        try:
            self.close()
            for half in self.directory.glob(".*"):  # of a rewriting that a crash cut short
                half.unlink(missing_ok=True)
            for number in self._segments():
                changed += self._rewrite(number, rewrite)
        except OSError as error:
            raise self._failed(error) from error
        return changed

    def read(
        self,
        *,
        reason: str | None = None,
        ids: Collection[str] | None = None,
        letters_max: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Letters that are not settled, the newest first, each id once; raises KeyMissing or
        StorageError.
        """
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

    # ---- inside ------------------------------------------------------------------------------

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
        newest = self._keys.newest if self._keys is not None else 0
        if not segments or self._key_of(self._number) != newest:
            self._open_next()
            return
        descriptor = os.open(self._path(self._number), os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        self._descriptor = descriptor
        with self._path(self._number).open("rb") as file:
            self._cipher = self._cipher_of(self._number, file.readline())
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
        self._cipher = None
        if self._keys is not None:
            head = sealed_head(self._keys)
            self._write(head)
            self._cipher = self._cipher_of(self._number, head)
        _sync_folder(self.directory)  # else a crash could take the new file's name
        for number in self._segments()[: -self._segments_max]:
            self.dropped += self._count_letters(number)
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

    def _sealed(self, lines: Iterable[bytes]) -> bytes:
        """The lines as the open segment holds them."""
        if self._cipher is None or self._keys is None:
            return b"".join(lines)
        return _sealed(self._cipher, self._keys, lines)

    def _cipher_of(self, number: int, head: bytes) -> Cipher | None:
        """The cipher of a segment by its first line; None: it is not encrypted."""
        key = sealed_key(head)
        if not key:
            return None
        place = str(self._path(number))
        if self._keys is None:
            name = show_key_id(key)
            raise KeyMissing(f"{place} is encrypted with key {name}: name its file with --key-file")
        return self._keys.cipher(key, head.rstrip(b"\n"), place)

    def _key_of(self, number: int) -> int:
        with self._path(number).open("rb") as file:
            return sealed_key(file.readline(limits.dead_letter_bytes_max))

    def _read(self, number: int) -> list[bytes]:
        """A segment's lines in clear, without their ends; torn ones are left out."""
        lines = self._path(number).read_bytes().split(b"\n")
        cipher = self._cipher_of(number, lines[0])
        if cipher is None:
            return [line for line in lines if line]
        opened = [open_line(cipher, line) for line in lines[1:]]
        return [line for line in opened if line is not None]

    def _reseal(self, number: int) -> None:
        assert self._keys is not None
        lines = [line + b"\n" for line in self._read(number)]
        head = sealed_head(self._keys)
        cipher = self._cipher_of(number, head)
        assert cipher is not None
        sealed = _sealed(cipher, self._keys, lines)
        write_durably(self._path(number), head + sealed, mode=0o600)

    def _rewrite(
        self, number: int, rewrite: Callable[[dict[str, Any]], dict[str, Any] | None]
    ) -> int:
        head = self._path(number).read_bytes().partition(b"\n")[0] + b"\n"
        cipher = self._cipher_of(number, head)
        kept: list[bytes] = []
        changed = torn = 0
        for line in self._read(number):
            letter = decode_line(line)
            made = letter
            if letter is not None and not line.startswith(SETTLED_LINE):
                made = rewrite(letter)
            torn += letter is None
            changed += made is not letter
            if made is not None:
                kept.append(line + b"\n" if made is letter else encode_letter(made))
        if not changed and not torn:
            return 0
        if cipher is None or self._keys is None:
            write_durably(self._path(number), b"".join(kept), mode=0o600)
        else:
            sealed = _sealed(cipher, self._keys, kept)
            write_durably(self._path(number), head + sealed, mode=0o600)
        return changed

    def _lines_backwards(self) -> Iterator[bytes]:
        for number in reversed(self._segments()):
            try:
                lines = self._read(number)
            except FileNotFoundError:  # it was dropped meanwhile
                continue
            except OSError as error:
                raise self._failed(error) from error
            yield from reversed(lines)

    def _count_letters(self, number: int) -> int:
        return sum(not line.startswith(SETTLED_LINE) for line in self._read(number))

    def _failed(self, error: OSError) -> StorageError:
        return StorageError(f"{self.directory}: {error.strerror or error}")


def _sealed(cipher: Cipher, keys: KeyRing, lines: Iterable[bytes]) -> bytes:
    return b"".join(seal_line(cipher, keys.draw(NUMBER_bytes), line) for line in lines)


def _sync_folder(directory: Path) -> None:
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
