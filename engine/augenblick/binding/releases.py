"""What is to leave: a record with what is done with it, packed once where it is made."""

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple, Self

import msgspec

from augenblick_native.json_text import to_json

__all__ = [
    "Arrival",
    "Record",
    "Release",
    "arrivals",
    "pack",
    "packed_list",
    "record_key",
    "to_json",
    "unpack",
]

Record = dict[str, Any]

# Which fields identify a record that has no id of its own; equal ones are one record.
IDENTITY = {
    "session": ("user", "start", "end"),
    "window": ("feature", "user", "by", "start", "end"),
    "metric": ("metric", "by", "start", "end"),
}

CONTROL: Final = "control"
"""The variant of users for whom a trigger does nothing."""

pack = msgspec.msgpack.Encoder().encode
"""Plain values (and `msgspec.Raw`) as msgpack."""
unpack = msgspec.msgpack.Decoder().decode
"""One msgpack value; maps may have keys of any scalar."""


def record_key(record: Mapping[str, Any]) -> str:
    """The idempotency key: a firing's id, else 128 bits of BLAKE2b over what identifies it, hex."""
    own = record.get("id")
    if isinstance(own, str) and own:
        return own
    kind = str(record.get("kind", ""))
    fields = IDENTITY.get(kind, tuple(sorted(record)))
    identity = json.dumps(
        [kind, [record.get(name) for name in fields]], sort_keys=True, default=str
    )
    return blake2b(identity.encode(), digest_size=16).hexdigest()


class Release(NamedTuple):
    """One record on its way out.

    `key`: its idempotency key. `trigger`: of a firing, else empty. `packed`: the msgpack map
    {"record", "actions", "shadow"}, as it rides the link and lies in the outbox.
    """

    key: str
    kind: str
    trigger: str
    is_shadow: bool
    packed: bytes

    @classmethod
    def of(cls, record: Record, actions: Iterable[str] = (), *, is_shadow: bool = False) -> Self:
        """With the actions that are to be carried out for the record."""
        plain = {"record": record, "actions": list(actions), "shadow": is_shadow}
        return cls.from_plain(plain)

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Self:
        """Of the map itself."""
        record = plain["record"]
        trigger = record.get("trigger") or ""
        return cls(record_key(record), record["kind"], trigger, bool(plain["shadow"]), pack(plain))

    @property
    def plain(self) -> dict[str, Any]:
        """The map, unpacked anew at each call."""
        found: dict[str, Any] = unpack(self.packed)
        return found

    @property
    def record(self) -> Record:
        """The record, likewise."""
        found: Record = self.plain["record"]
        return found


def packed_list(packed: Iterable[bytes]) -> bytes:
    """Packed values as one packed list of them."""
    return pack([msgspec.Raw(one) for one in packed])


class Arrival(NamedTuple):
    """A release as delivery sees it: `packed` is the record alone, still packed."""

    key: str
    kind: str
    trigger: str
    is_shadow: bool
    actions: tuple[str, ...]
    packed: bytes

    @classmethod
    def of(cls, record: Record, actions: Iterable[str] = (), *, is_shadow: bool = False) -> Self:
        """As `Release.of`."""
        trigger = record.get("trigger") or ""
        key = record_key(record)
        return cls(key, record["kind"], trigger, is_shadow, tuple(actions), pack(record))


class _Plain(msgspec.Struct):
    """A release, with its record left as it is."""

    record: msgspec.Raw
    actions: tuple[str, ...]
    shadow: bool


class _Head(msgspec.Struct):
    """What has to be known of a record."""

    kind: str
    id: str | None = None
    trigger: str | None = None


_unpack_plains = msgspec.msgpack.Decoder(list[_Plain]).decode
_unpack_head = msgspec.msgpack.Decoder(_Head).decode


def arrivals(payload: bytes | memoryview) -> list[Arrival]:
    """The releases of a packed list of them."""
    found = []
    for one in _unpack_plains(payload):
        packed = bytes(one.record)
        head = _unpack_head(packed)
        key = head.id or record_key(unpack(packed))
        trigger = head.trigger or ""
        found.append(Arrival(key, head.kind, trigger, one.shadow, one.actions, packed))
    return found
