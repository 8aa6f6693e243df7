"""What a shard is applying, noted in its directory so that it outlives the process, and what died.

`applying` is a file of NOTE_bytes that the process maps: writing to it is writing to memory, which
the system keeps when the process ends, however it ends. `poison.json` holds what starts died of.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from pathlib import Path
from typing import Any, Final

from augenblick.durability.files import write_durably
from augenblick.errors import CorruptionFound, StorageError

NOTE_bytes: Final = 128
POISON_FILE: Final = "poison.json"
_NOTE_FILE: Final = "applying"
_HEAD: Final = struct.Struct("<Bi")  # bytes of the key, index


class Applying:
    """One owner's note; made with the directory's lock held.

    `died_at`: key and index that the owner before was applying when it ended; None: nothing.
    """

    def __init__(self, directory: Path) -> None:
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

    def set(self, key: bytes, index: int) -> None:
        """This stream is being applied, or this event of it alone; the length comes last."""
        self._map[_HEAD.size : _HEAD.size + len(key)] = key
        _HEAD.pack_into(self._map, 0, len(key), index)

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
