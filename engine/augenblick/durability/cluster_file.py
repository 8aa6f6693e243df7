"""`cluster.json`: what is fixed for a cluster's whole life, made at its first start, never changed.

It names the cluster, the versions of the formats on disk, and the hash that turns user ids into
keys. Every directory of a cluster holds the same file; a directory of another cluster is refused.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from augenblick.durability.files import write_once
from augenblick.errors import CorruptionFound, StorageError

FILE_NAME: Final = "cluster.json"
FORMAT_VERSION: Final = 1
KEY_GROUPS: Final = 4096
HASH_NAME: Final = "siphash-1-3"
HASH_KEY_bytes: Final = 16


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster's identity; `hash_key` is the key of the user hash (16 bytes)."""

    cluster_id: str
    hash_key: bytes

    def encode(self) -> bytes:
        """The file's bytes."""
        content = {
            "cluster": self.cluster_id,
            "format": FORMAT_VERSION,
            "key_groups": KEY_GROUPS,
            "hash": HASH_NAME,
            "hash_key": self.hash_key.hex(),
        }
        return json.dumps(content, indent=1).encode() + b"\n"

    @staticmethod
    def decode(data: bytes) -> Cluster:
        """The identity in a file's bytes; raises CorruptionFound or StorageError."""
        try:
            content: dict[str, Any] = json.loads(data)
            found = (content["format"], content["key_groups"], content["hash"])
            cluster = Cluster(content["cluster"], bytes.fromhex(content["hash_key"]))
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptionFound(f"{FILE_NAME} cannot be read: {error}") from error
        if found != (FORMAT_VERSION, KEY_GROUPS, HASH_NAME):
            raise StorageError(f"{FILE_NAME} has a format this version cannot read: {found}")
        if len(cluster.hash_key) != HASH_KEY_bytes or not cluster.cluster_id:
            raise CorruptionFound(f"{FILE_NAME} has a wrong key or no name")
        return cluster


def load_or_create(directory: Path) -> Cluster:
    """The cluster that owns this data directory; a directory without one becomes a new cluster."""
    path = directory / FILE_NAME
    if not path.exists():
        made = Cluster(secrets.token_hex(8), secrets.token_bytes(HASH_KEY_bytes))
        write_once(path, made.encode(), mode=0o600)
    return load(path)


def load_if_any(directory: Path) -> Cluster | None:
    """The cluster that owns this data directory; None: nobody yet."""
    return load(directory / FILE_NAME) if (directory / FILE_NAME).exists() else None


def join(directory: Path, cluster: Cluster) -> None:
    """Make this directory one of the cluster's; raises StorageError if it is another cluster's."""
    path = directory / FILE_NAME
    if not path.exists():
        write_once(path, cluster.encode(), mode=0o600)
    found = load(path)
    if found != cluster:
        raise StorageError(f"{directory} belongs to another cluster ({found.cluster_id})")


def load(path: Path) -> Cluster:
    """The identity in a file; raises CorruptionFound or StorageError."""
    try:
        return Cluster.decode(path.read_bytes())
    except OSError as error:
        raise StorageError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from error
