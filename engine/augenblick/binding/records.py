"""Rows of the kernel's results as the records of DESIGN section 4.

A firing's id is 128 bits of BLAKE2b, hex, over its parts, each after its byte length as 4-byte big
endian: trigger name, trigger version, user, group or match value (its JSON text; empty if none),
time, the identities of the events that made it, k.
"""

import base64
import json
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgpack
import msgspec

from augenblick.binding.blocks import APPROXIMATE, SHADOW, NO_TIME_ms, Row
from augenblick.plan.program import Program, Trigger

Record = dict[str, Any]
_TO_TEXT = json.JSONEncoder(separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def firing_id(parts: Iterable[str]) -> str:
    """The deterministic id of a firing over its parts, in order."""
    raws = [part.encode() for part in parts]
    joined = b"".join([len(raw).to_bytes(4, "big") + raw for raw in raws])
    return blake2b(joined, digest_size=16).hexdigest()


def group_text(value: Any) -> str:
    """The identity of a group or match value: its compact JSON text."""
    return _TO_TEXT.encode(value)


def key_text(value: Any) -> str:
    """The key of a group in a record's map: a string itself, else its JSON text."""
    return value if isinstance(value, str) else group_text(value)


unpack = msgspec.msgpack.Decoder().decode
"""One msgpack value the kernel wrote; maps may have keys of any scalar."""


class RecordMaker:
    """Makes records of the rows of one program's kernel. Holds no state of its own."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def firing(self, row: Row, body: bytes | memoryview) -> Record:
        """A firing of a trigger."""
        trigger = self._program.triggers[row.rule]
        user, group, match, cause, identities, values = unpack(body)
        time_ms = row.time_ms
        start_ms = row.start_ms
        of_id = match if trigger.match != -1 else group
        parts = [
            trigger.name,
            trigger.version,
            user,
            "" if of_id is None else group_text(of_id),
            str(time_ms),
            *(str(identity) for identity in identities),
            str(row.k),
        ]
        cause["id"] = None if cause["id"] is None else str(cause["id"])
        record: Record = {
            "kind": "firing",
            "id": firing_id(parts),
            "trigger": trigger.name,
            "user": user,
            "by": _by(trigger, group, match),
            "time": time_ms,
            "fired_at": row.fired_ms,
            "cause": cause,
            "session": None if start_ms == NO_TIME_ms else start_ms,
            "values": {name: _plain(value) for name, value in values.items()},
            "variant": None,
        }
        if row.flags & APPROXIMATE:
            record["approximate"] = True
        if row.flags & SHADOW:
            record["mode"] = "shadow"
        return record

    def session(self, row: Row, body: bytes | memoryview) -> Record:
        """A closed session; `end` is its last event's time."""
        return {
            "kind": "session",
            "user": unpack(body)[0],
            "start": row.start_ms,
            "end": row.end_ms,
            "events": row.events,
        }

    def window(self, row: Row, body: bytes | memoryview) -> Record:
        """A closed tumbling or hopping window of one user and group."""
        feature = self._program.features[row.rule]
        user, group, value = unpack(body)
        return {
            "kind": "window",
            "feature": feature.name,
            "user": user,
            "by": None if group is None else {feature.by_name: group},
            "start": row.start_ms,
            "end": row.end_ms,
            "value": value,
        }


def _by(trigger: Trigger, group: Any, match: Any) -> Record | None:
    by = {}
    if group is not None:
        by[trigger.group_name] = group
    if match is not None:
        by[trigger.match_name] = match
    return by or None


def _plain(value: Any) -> Any:
    """A map over groups gets text keys."""
    if isinstance(value, dict):
        return {key_text(key): item for key, item in value.items()}
    return value


def dead_letter(
    reason: str, raw: bytes, *, detail: str, source: str, time_ms: int | None, number: int
) -> Record:
    """A refused event: as values where it can be read, else its bytes in base64.

    The id is a hash of source, running number and bytes: the same refusal of the same run.
    """
    event: Any = {"raw": base64.b64encode(raw).decode()}
    for read in (_from_msgpack, _from_json):
        found = read(raw)
        if isinstance(found, dict):
            event = found
            break
    if time_ms is None and isinstance(event.get("time"), int):
        time_ms = event["time"]
    name = b"%s\0%d\0%s" % (source.encode(), number, raw)
    return {
        "kind": "dead_letter",
        "id": blake2b(name, digest_size=16).hexdigest(),
        "reason": reason,
        "detail": detail,
        "source": source,
        "time": time_ms,
        "event": event,
    }


def _from_msgpack(raw: bytes) -> Any:
    try:
        return msgpack.unpackb(raw)
    except (ValueError, msgpack.UnpackException):
        return None


def _from_json(raw: bytes) -> Any:
    try:
        return json.loads(raw, parse_constant=str)
    except (ValueError, RecursionError):
        return None
