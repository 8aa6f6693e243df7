"""`audit.ndjson`: who asked the engine for what, and when; each line has the hash of the last.

A line is JSON: `number` (from 1), `time` (UTC), `who`, `what`, `details`, `before` (hash of the
line before; zeros in the first) and `hash` (SHA-256 of the line as it would be without it). A line
that was changed, put in, left out or moved shows; to see that the end is missing, or that all was
written anew, one has to have noted a hash elsewhere.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from augenblick import limits
from augenblick.errors import CorruptionFound, StorageError

FILE_NAME: Final = "audit.ndjson"
_NOTHING: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Verified:
    """A whole log: its number of lines and the hash of the last."""

    lines: int
    last: str


class AuditLog:
    """The log of one data directory. Any process of its machine may append: a lock on the file
    parts them.
    """

    def __init__(self, data: Path) -> None:
        self.path = data / FILE_NAME

    def append(self, what: str, who: str, details: Any) -> int:
        """Make an entry durable; returns its number. Raises StorageError.

        Half a line at the end, of a crash, is cut off, and an entry says so. Details that are too
        long are kept as their length and hash.
        """
        try:
            with self._locked() as descriptor:
                number, before, torn_bytes = _end(descriptor)
                if torn_bytes:
                    os.ftruncate(descriptor, os.fstat(descriptor).st_size - torn_bytes)
                    number, before = (
                        number + 1,
                        _write(
                            descriptor, number + 1, before, "cut", "engine", {"bytes": torn_bytes}
                        ),
                    )
                _write(descriptor, number + 1, before, what, who, _bounded(details))
                os.fdatasync(descriptor)
                return number + 1
        except OSError as error:
            raise StorageError(f"{self.path}: {error.strerror or error}") from error

    def verify(self, noted: str = "") -> Verified:
        """Check every line; raises CorruptionFound, which names the first that is broken, or
        StorageError.

        `noted`: the hash of some line, as `verify` or a line gave it: it has to be there still.
        """
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise StorageError(f"cannot read {self.path}: {error.strerror or error}") from error
        before, found, count = _NOTHING, not noted, 0
        for count, line in enumerate(data.splitlines(keepends=True), 1):
            reason = _fault(line, count, before)
            if reason:
                raise CorruptionFound(f"line {count} {reason}", file=str(self.path))
            before = json.loads(line)["hash"]
            found = found or before == noted
        if not found:
            text = f"no line has the hash {noted}: lines were taken away, or all were written anew"
            raise CorruptionFound(text, file=str(self.path))
        return Verified(count, before)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        is_new = not self.path.exists()
        descriptor = os.open(self.path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
            if is_new:
                folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
        finally:
            os.close(descriptor)


def whoever() -> str:
    """The person who runs this process, as far as the system knows: user@host."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def _write(descriptor: int, number: int, before: str, what: str, who: str, details: Any) -> str:
    """Append a line; returns its hash."""
    entry = {
        "number": number,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "who": who[: limits.audit_who_chars_max],
        "what": what,
        "details": details,
        "before": before,
    }
    hashed = _hash(entry)
    line = _encode({**entry, "hash": hashed}) + b"\n"
    while line:
        line = line[os.write(descriptor, line) :]
    return hashed


def _end(descriptor: int) -> tuple[int, str, int]:
    """Number and hash of the last whole line, and the bytes of half a line behind it."""
    size = os.fstat(descriptor).st_size
    begin = max(size - limits.audit_line_bytes_max * 2, 0)
    tail = os.pread(descriptor, size - begin, begin)
    if b"\n" not in tail:
        tail = os.pread(descriptor, size, 0)
    whole, newline, torn = tail.rpartition(b"\n")
    if not newline:
        return 0, _NOTHING, len(torn)
    last = whole.rpartition(b"\n")[2]
    try:
        entry = json.loads(last)
        return int(entry["number"]), str(entry["hash"]), len(torn)
    except (ValueError, KeyError, TypeError):  # somebody has written to it: `verify` names the line
        count = os.pread(descriptor, size, 0).count(b"\n")
        return count, hashlib.sha256(last).hexdigest(), len(torn)


def _fault(line: bytes, number: int, before: str) -> str:
    """What is wrong with a line; "" if nothing is."""
    if not line.endswith(b"\n"):
        return "is half a line"
    try:
        entry = json.loads(line)
        hashed = entry.pop("hash")
        if _hash(entry) != hashed or _encode({**entry, "hash": hashed}) + b"\n" != line:
            return "was changed: its hash does not fit it"
    except (ValueError, KeyError, TypeError, AttributeError):
        return "is no entry"
    if entry.get("before") != before or entry.get("number") != number:
        return "does not follow the one before it: a line was taken away, put in or moved"
    return ""


def _bounded(details: Any) -> Any:
    data = _encode(details)
    if len(data) <= limits.audit_details_bytes_max:
        return details
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _hash(entry: dict[str, Any]) -> str:
    return hashlib.sha256(_encode(entry)).hexdigest()


def _encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), default=str).encode()
