"""What a shard is applying, noted in its directory so that it outlives the process, and what died.

`applying` is a file of NOTE_bytes that the process maps: writing to it is writing to memory, which
the system keeps when the process ends, however it ends. `poison.json` holds what starts died of.

Behind the note stand an excuse (one byte: who killed the process while it stood still says so) and
how often this system had run out of memory when the owner began. Where one of them says that the
death had another cause, or may have had, it is not counted: an event that kills will kill again.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from augenblick.durability.files import write_durably
from augenblick.errors import CorruptionFound, StorageError

NOTE_bytes: Final = 128
POISON_FILE: Final = "poison.json"
_NOTE_FILE: Final = "applying"
_HEAD: Final = struct.Struct("<Bi")  # bytes of the key, index
_EXCUSE_AT: Final = 112
_KILLS: Final = struct.Struct("<q")
_KILLS_AT: Final = 120
_VMSTAT: Final = Path("/proc/vmstat")


class Applying:
    """One owner's note; made with the directory's lock held.

    `died_at`: key and index that the owner before was applying when it ended; None: nothing, or it
    ended of something else, which `excuse` names. `memory_kills`: how often the system has ended
    processes for memory (None: it does not say).
    """

    def __init__(
        self, directory: Path, memory_kills: Callable[[], int | None] | None = None
    ) -> None:
        self._path = directory / POISON_FILE
        path = directory / _NOTE_FILE
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(descriptor, NOTE_bytes)
                self._map = mmap.mmap(descriptor, NOTE_bytes)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StorageError(f"cannot use {path}: {os.strerror(error.errno or 0)}") from error
        size, index = _HEAD.unpack_from(self._map)
        key = self._map[_HEAD.size : _HEAD.size + size]
        self.died_at: tuple[bytes, int] | None = (key, index) if size else None
        kills = (memory_kills or count_memory_kills)()
        self.excuse = self._find_excuse(kills) if size else ""
        if self.excuse:
            self.died_at = None
            self.clear()
        self._map[_EXCUSE_AT] = 0
        _KILLS.pack_into(self._map, _KILLS_AT, -1 if kills is None else kills)

    def set(self, key: bytes, index: int) -> None:
        """This stream is being applied, or this event of it alone; the length comes last."""
        self._map[_HEAD.size : _HEAD.size + len(key)] = key
        _HEAD.pack_into(self._map, 0, len(key), index)

    def _find_excuse(self, kills: int | None) -> str:
        (before,) = _KILLS.unpack_from(self._map, _KILLS_AT)
        if self._map[_EXCUSE_AT]:
            return "it stood still and was ended for that"
        if kills is not None and 0 <= before < kills:
            return "the system ran out of memory meanwhile"
        return ""

    def clear(self) -> None:
        """Nothing is being applied."""
        self._map[0] = 0

    def load(self) -> dict[str, Any]:
        """What `save` wrote; raises CorruptionFound."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageError(f"cannot read {self._path}: {error}") from error
        try:
            plain = json.loads(text)
        except ValueError:
            plain = None
        if not isinstance(plain, dict):
            raise CorruptionFound(f"{self._path} is damaged: remove it to start without it")
        return plain

    def save(self, plain: dict[str, Any]) -> None:
        """Keep what is known of deaths, durably; then this death is counted."""
        write_durably(self._path, json.dumps(plain).encode() + b"\n", mode=0o600)
        self.clear()


def excuse(directory: Path) -> None:
    """Whoever is about to end the owner of this directory knows that no event is to blame."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory / _NOTE_FILE, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, b"\x01", _EXCUSE_AT)
        finally:
            os.close(descriptor)


def count_memory_kills() -> int | None:
    """How many processes this system has ended because memory ran out; None: it does not say."""
    with contextlib.suppress(OSError, ValueError):
        for line in _VMSTAT.read_text(encoding="ascii").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return None
