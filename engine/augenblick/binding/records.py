"""Rows of the kernel's results as the records of DESIGN section 4; firings the native ReleaseMaker
makes.
"""

import base64
import json
from hashlib import blake2b
from typing import Any

import msgpack

from augenblick.binding.blocks import Row
from augenblick.binding.releases import Record, pack, unpack
from augenblick.plan.program import Program
from augenblick_native.json_text import to_json
from augenblick_native.releases import firing_id

__all__ = ["RecordMaker", "dead_letter", "firing_id", "group_text"]


def group_text(value: Any) -> str:
    """The identity of a group or match value: its compact JSON text."""
    return to_json(pack(value)).decode()


class RecordMaker:
    """Makes records of the rows of one program's kernel. Holds no state of its own."""

    def __init__(self, program: Program) -> None:
        self._program = program

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
