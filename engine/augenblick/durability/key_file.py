"""The file of keys for what lies on disk: one key a line, oldest first, and who still needs which.

    ID KEY

KEY is 64 hexadecimal digits, ID the key's id; empty lines and lines that begin with # are passed
over. The last key encrypts, all decrypt. The file is its owner's alone (0600).
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from augenblick import limits
from augenblick.durability.files import write_durably
from augenblick.durability.formats.checksum import Damage
from augenblick.durability.formats.dead_letters import parse_segment_number, sealed_key
from augenblick.durability.formats.head import (
    JOURNAL_MAGIC,
    MANIFEST_MAGIC,
    PACK_MAGIC,
    HEAD_bytes,
    UnknownFormat,
    decode_head,
)
from augenblick.durability.formats.names import CHECKPOINT_FOLDER, JOURNAL_FOLDER, parse_file_name
from augenblick.durability.formats.sealing import KEY_bytes, KeyRing, key_id, show_key_id
from augenblick.errors import KeyMissing, StorageError, UsageError

DEAD_LETTER_FOLDER: Final = "dead-letters"
MANIFEST_NAME: Final = "manifest"
_LINE: Final = re.compile(r"([0-9a-f]{8}) ([0-9a-f]{64})")
_BEGIN: Final = "# Keys of an Augenblick engine: the last one encrypts, all decrypt. Keep a copy.\n"


def load_keys(path: Path, draw: Callable[[int], bytes] = secrets.token_bytes) -> KeyRing:
    """The keys of a file; raises UsageError, which names file and line, or StorageError."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        text = f"there is no key file {path}; make one: augenblick key new {path}"
        raise UsageError(text) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no key file; see augenblick key --help") from None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from error
    if mode & 0o077:
        raise UsageError(f"{path} is readable by others (mode {mode:o}); set it to 600")
    keys: dict[int, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        key = bytes.fromhex(found[2]) if found else b""
        if not found or key_id(key) != int(found[1], 16):
            raise UsageError(f"{path}:{number}: no key, or one that was damaged")
        keys[key_id(key)] = key
    if not keys:
        raise UsageError(f"{path} holds no key; add one: augenblick key new {path}")
    if len(keys) > limits.keys_max:
        raise UsageError(f"{path} holds {len(keys)} keys, more than {limits.keys_max}")
    return KeyRing(keys, str(path), draw)


def load_keys_if_any(path: Path | None) -> KeyRing | None:
    """The keys of a file; none if there is no file to be read."""
    return None if path is None else load_keys(path)


def add_key(path: Path) -> int:
    """Add a new key to a file, or make the file; returns the key's id. Raises as `load_keys`."""
    text = _BEGIN
    taken: list[int] = [0]
    if path.exists():
        taken += load_keys(path).ids
        text = path.read_text(encoding="ascii")
    key = secrets.token_bytes(KEY_bytes)
    while key_id(key) in taken:
        key = secrets.token_bytes(KEY_bytes)
    number = key_id(key)
    if not text.endswith("\n"):
        text += "\n"
    text += f"{show_key_id(number)} {key.hex()}\n"
    write_durably(path, text.encode(), mode=0o600)
    return number


def keys_in_use(data: Path) -> Counter[int]:
    """How many files of an engine's directory are under each key, by its id; 0: not encrypted.

    A file that goes meanwhile is not counted, nor is one whose head is damaged. Raises
    StorageError.
    """
    return Counter(key for _, key in _files(data))


def check_keys(data: Path, keys: KeyRing | None) -> None:
    """Raise KeyMissing if a file of the directory is under a key that is not here."""
    for path, key in _files(data):
        if not key or (keys is not None and key in keys.ids):
            continue
        if keys is not None:
            keys.cipher(key, b"", str(path))
        name = show_key_id(key)
        raise KeyMissing(f"{path} is encrypted with key {name}: name its file with --key-file")


def _files(data: Path) -> Iterator[tuple[Path, int]]:
    """Every file that may be encrypted, with its key's id."""
    try:
        for shard in sorted(data.glob("shard-*")):
            for folder in (JOURNAL_FOLDER, CHECKPOINT_FOLDER):
                for path in sorted((shard / folder).glob("[!.]*")):
                    if parse_file_name(path.name) or path.name == MANIFEST_NAME:
                        yield from _key_of_head(path)
        for path in sorted((data / DEAD_LETTER_FOLDER).glob("*")):
            if parse_segment_number(path.name) is not None:
                yield from _key_of_letters(path)
    except OSError as error:
        raise StorageError(f"cannot read {data}: {os.strerror(error.errno or 0)}") from error


def _key_of_head(path: Path) -> Iterator[tuple[Path, int]]:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_bytes)
        magic = next(
            one for one in (JOURNAL_MAGIC, PACK_MAGIC, MANIFEST_MAGIC) if head.startswith(one)
        )
        yield path, decode_head(magic, head).key
    except (FileNotFoundError, StopIteration, Damage, UnknownFormat):
        return


def _key_of_letters(path: Path) -> Iterator[tuple[Path, int]]:
    try:
        with path.open("rb") as file:
            yield path, sealed_key(file.readline(limits.dead_letter_bytes_max))
    except FileNotFoundError:
        return
