"""`savepoint.json`: the last file of a savepoint, which makes its parts one. Pure.

    {"crc32c": N, "savepoint": {"format": 1, "name", "cluster", "began", "plan", "plan_hash",
     "plan_text", "pseudonyms", "shards": [{"shard", "epoch", "key_groups": [[first, last], ...]}]}}

`cluster` and `pseudonyms` are the texts of `cluster.json` and of `pseudonym.json` ("": there is
none), `began` epoch ms; the checksum covers `savepoint` as JSON with sorted keys and no blanks.
Beside it lies a folder for each shard, with a checkpoint in it: packs and a manifest, whose owner
is named `SHARD@NAME`, so that nothing of another savepoint fits.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from augenblick.durability.formats.checksum import Damage, checksum
from augenblick.durability.formats.head import UnknownFormat

FORMAT_VERSION: Final = 1
FILE_NAME: Final = "savepoint.json"


@dataclass(frozen=True, slots=True)
class SavedShard:
    """A shard's part; `key_groups`: ranges (first, last), both inclusive."""

    shard: str
    epoch: int
    key_groups: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class SavepointFacts:
    """What the file says; `cluster`, `pseudonyms`: the texts of the directory's own files."""

    name: str
    cluster: str
    began_ms: int
    plan: str
    plan_hash: bytes
    plan_text: str
    pseudonyms: str
    shards: tuple[SavedShard, ...]


def encode_savepoint(facts: SavepointFacts) -> bytes:
    """The file's bytes."""
    content = {
        "format": FORMAT_VERSION,
        "name": facts.name,
        "cluster": facts.cluster,
        "began": facts.began_ms,
        "plan": facts.plan,
        "plan_hash": facts.plan_hash.hex(),
        "plan_text": facts.plan_text,
        "pseudonyms": facts.pseudonyms,
        "shards": [
            {"shard": one.shard, "epoch": one.epoch, "key_groups": one.key_groups}
            for one in facts.shards
        ],
    }
    return json.dumps({"crc32c": _crc(content), "savepoint": content}, indent=1).encode() + b"\n"


def decode_savepoint(data: bytes) -> SavepointFacts:
    """What a file's bytes say; raises Damage or UnknownFormat."""
    try:
        whole = json.loads(data)
        content: dict[str, Any] = whole["savepoint"]
        if whole["crc32c"] != _crc(content):
            raise Damage("it fails its checksum")
        if content["format"] != FORMAT_VERSION:
            raise UnknownFormat(f"format {content['format']}; this version reads {FORMAT_VERSION}")
        shards = tuple(
            SavedShard(
                str(one["shard"]),
                int(one["epoch"]),
                tuple((int(first), int(last)) for first, last in one["key_groups"]),
            )
            for one in content["shards"]
        )
        return SavepointFacts(
            content["name"],
            content["cluster"],
            int(content["began"]),
            content["plan"],
            bytes.fromhex(content["plan_hash"]),
            content["plan_text"],
            content["pseudonyms"],
            shards,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damage(f"it holds no savepoint: {error}") from error


def owner_name(shard: str, name: str) -> str:
    """The owner of the files of a shard's part."""
    return f"{shard}@{name}"


def _crc(content: Any) -> int:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return checksum(text.encode())
