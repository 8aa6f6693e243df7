"""`pseudonym.json`: which key a directory's pseudonyms were made with, without the key.

Under another key every known user would be a stranger, without a word.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path
from typing import Final

from augenblick.durability.files import write_once
from augenblick.errors import CorruptionFound, StorageError, UsageError

FILE_NAME: Final = "pseudonym.json"


def mark_text(data: Path) -> str:
    """The file as a text, "" if there are no pseudonyms; raises StorageError."""
    try:
        return (data / FILE_NAME).read_text(encoding="ascii")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"cannot read {data / FILE_NAME}: {error}") from error


def bring_mark(data: Path, text: str) -> None:
    """The mark of another directory, whose users are now this one's."""
    if text:
        write_once(data / FILE_NAME, text.encode())


def settle_mark(data: Path, key: bytes, source: str) -> None:
    """Note the key's mark at the first start, hold it against that of before at each later one.

    Raises UsageError for another key than before, CorruptionFound or StorageError.
    """
    path = data / FILE_NAME
    mark = blake2b(key, digest_size=8, person=b"augenblick-mark").hexdigest()
    try:
        if not path.exists():
            write_once(path, json.dumps({"key": mark}).encode() + b"\n")
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise CorruptionFound("no mark of a key", file=str(path)) from error
    if found != {"key": mark}:
        raise UsageError(
            f"{source} is not the key that {data} was begun with: its users would be strangers;"
            " bring that key back, or begin with another --data"
        )
