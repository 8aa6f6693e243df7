"""Whose directory it is: `shard.json`, and where a shard may live at all.

A shard is its directory. It never starts on an empty or foreign one by mistake: what it holds would
be lost without a word.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from augenblick.durability.cluster_file import KEY_GROUPS
from augenblick.durability.files import write_durably
from augenblick.durability.formats.names import CHECKPOINT_FOLDER, JOURNAL_FOLDER
from augenblick.errors import CorruptionFound, DirectoryForeign, StorageError

FILE_NAME: Final = "shard.json"
FORMAT_VERSION: Final = 1
_STATE: Final = ("epoch", JOURNAL_FOLDER, CHECKPOINT_FOLDER)
_MOUNTS: Final = Path("/proc/self/mountinfo")
_OCTAL: Final = re.compile(r"\\(\d{3})")  # blanks in a mount point
_NETWORK: Final = frozenset(
    "9p afs beegfs ceph cifs coda fuse.gcsfuse fuse.glusterfs fuse.s3fs fuse.sshfs gfs2 gpfs lustre"
    " ncpfs nfs nfs4 ocfs2 orangefs smb2 smb3 smbfs".split()
)


@dataclass(frozen=True, slots=True)
class ShardIdentity:
    """Who lives in a directory. `key_groups`: ranges (first, last), both inclusive, rising.

    `address`: "host:port" where it listens, always the same; "" if that is not fixed. `directory`:
    which of the shard's directories this is, where it may lie on one of several machines; "" for
    one made on a single machine.
    """

    cluster_id: str
    shard: str
    key_groups: tuple[tuple[int, int], ...]
    address: str = ""
    directory: str = ""

    def encode(self) -> bytes:
        """The file's bytes."""
        content = {
            "format": FORMAT_VERSION,
            "cluster": self.cluster_id,
            "shard": self.shard,
            "key_groups": self.key_groups,
            "address": self.address,
            "directory": self.directory,
        }
        return json.dumps(content, indent=1).encode() + b"\n"

    @staticmethod
    def decode(data: bytes, file: str = FILE_NAME) -> ShardIdentity:
        """The identity in a file's bytes; raises CorruptionFound or StorageError."""
        try:
            content: dict[str, Any] = json.loads(data)
            version = content["format"]
            ranges = tuple((int(first), int(last)) for first, last in content["key_groups"])
            texts = (content["cluster"], content["shard"], content["address"])
            directory = content.get("directory", "")  # not in files of before
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptionFound(f"no identity: {error}", file=file) from error
        if version != FORMAT_VERSION:
            raise StorageError(f"{file} has format {version}; this version reads {FORMAT_VERSION}")
        borders = [-1, *(one for pair in ranges for one in pair), KEY_GROUPS]
        is_rising = all(
            before < after if index % 2 == 0 else before <= after
            for index, (before, after) in enumerate(pairwise(borders))
        )
        if not is_rising or not all(isinstance(text, str) for text in (*texts, directory)):
            raise CorruptionFound("the key groups or names cannot be meant", file=file)
        cluster_id, shard, address = texts
        return ShardIdentity(cluster_id, shard, ranges, address, directory)


def load_identity(directory: Path) -> ShardIdentity | None:
    """Who lives in a directory; None: nobody has. Raises CorruptionFound or StorageError."""
    path = directory / FILE_NAME
    try:
        return ShardIdentity.decode(path.read_bytes(), str(path))
    except FileNotFoundError:
        left = [name for name in _STATE if (directory / name).exists()]
        if left:
            raise CorruptionFound(
                f"gone, but {', '.join(left)} are there", file=str(path)
            ) from None
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from error


def save_identity(directory: Path, identity: ShardIdentity) -> None:
    """Write it durably: at the first start, and when key groups have come or gone."""
    write_durably(directory / FILE_NAME, identity.encode(), mode=0o600)


def enter(directory: Path, wanted: ShardIdentity, *, may_be_new: bool) -> ShardIdentity:
    """Who lives there, if it is who is wanted; called with the lock held, before `raise_epoch`.

    `may_be_new`: all shards of a new cluster are empty, `scale` adds this one, or its loss is
    accepted; then an empty directory becomes the wanted shard's. The key groups are those that it
    owned last, not the wanted ones. Raises DirectoryForeign, CorruptionFound or StorageError.
    """
    refuse_network(directory)
    found = load_identity(directory)
    if found is None:
        if not may_be_new:
            text = f"{directory} is empty, and {wanted.shard} has state"
            raise DirectoryForeign(f"{text}; start without it: --accept-loss {wanted.shard}")
        save_identity(directory, wanted)
        return wanted
    if (found.cluster_id, found.shard) != (wanted.cluster_id, wanted.shard):
        text = f"belongs to {found.shard} of cluster {found.cluster_id}"
        raise DirectoryForeign(f"{directory} {text}, not to {wanted.shard} of {wanted.cluster_id}")
    if wanted.directory not in ("", found.directory):
        text = f"was given up: {wanted.shard} has another directory, on another machine"
        raise DirectoryForeign(f"{directory} {text}")
    return found


def refuse_network(directory: Path) -> None:
    """Raise StorageError on a network file system: its locks and syncs do not hold what we need."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return  # no Linux: nothing is known
    kind = file_system(os.path.realpath(directory), mounts)
    if kind in _NETWORK:
        raise StorageError(f"{directory} is on a network file system ({kind}); use a local disk")


def file_system(path: str, mounts: str) -> str:
    """The kind of file system a real path is on, by the text of mountinfo; "" if it is not told."""
    best, kind = "", ""
    for line in mounts.splitlines():
        mounted, _, source = line.partition(" - ")
        fields = mounted.split(" ")
        if len(fields) < 5 or not source:
            continue
        point = _OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # the later one lies on top
            best, kind = point, source.split(" ")[0]
    return kind
