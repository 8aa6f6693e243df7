"""Secrets on disk and in the environment: the cluster secret, the control token, the pseudonyms'
key.

Never an argument of a process, never in a log or status.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from augenblick.errors import StorageError, UsageError

SECRET_FILE: Final = "cluster.secret"
SECRET_VARIABLE: Final = "AUGENBLICK_CLUSTER_SECRET"
TOKEN_FILE: Final = "control.token"
PSEUDONYM_FILE: Final = "pseudonym.key"
_PSEUDONYM_KEY_bytes: Final = 32
_SECRET_bytes_min: Final = 16


def load_or_create(path: Path) -> str:
    """The secret in a file that only its owner may read; a new one if there is no file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return load(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {os.strerror(error.errno or 0)}") from error
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(f"{secrets.token_hex(32)}\n")
    return load(path)


def load(path: Path) -> str:
    """The secret in a file; refused if others may read the file."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"cannot read {path}: {error}") from error
    if mode & 0o077:
        raise UsageError(f"{path} is readable by others (mode {mode:o}); set it to 600")
    if not text:
        raise UsageError(f"{path} is empty")
    return text


def cluster_secret(data: Path) -> bytes:
    """The cluster secret: of the environment, else of the data directory's file."""
    text = os.environ.get(SECRET_VARIABLE) or load(data / SECRET_FILE)
    if len(text) < _SECRET_bytes_min:
        raise UsageError(f"the cluster secret is shorter than {_SECRET_bytes_min} characters")
    return text.encode()


def pseudonym_key(path: Path) -> bytes:
    """The key of the pseudonyms in a file of 64 hexadecimal digits; raises as `load`."""
    text = load(path)
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _PSEUDONYM_KEY_bytes:
        raise UsageError(f"{path} is no key of pseudonyms: 64 hexadecimal digits")
    return key
