"""Scanning in native code: the router of a gateway, and what client protocols need of msgpack.

Bytes in, bytes out; nothing here makes a Python object of an event. Called by the gateway core
(`Router`, `Source`) and by the dialects (`packed_frame`, `skip`, `to_msgpack`).
"""

from enum import IntEnum
from typing import Final

from augenblick.errors import ScanError
from augenblick_native import json, scan
from augenblick_native.frames import IS_END, IS_WARM, packed_frame
from augenblick_native.scan import NO_TIME, STATUS_NAMES, Routed, Router, Source

__all__ = [
    "ENTRIES",
    "IS_END",
    "IS_WARM",
    "NDJSON",
    "NO_TIME",
    "RECORDS",
    "STATUS_NAMES",
    "Format",
    "Routed",
    "Router",
    "ScanError",
    "Source",
    "packed_frame",
    "skip",
    "to_msgpack",
]


class Format(IntEnum):
    """How events lie in a chunk: msgpack [time, event], msgpack events, or lines of JSON."""

    ENTRIES = 0
    RECORDS = 1
    NDJSON = 2


ENTRIES: Final = Format.ENTRIES
RECORDS: Final = Format.RECORDS
NDJSON: Final = Format.NDJSON


def skip(data: bytes | bytearray | memoryview, offset: int, end: int) -> int:
    """Where the msgpack value at `offset` ends; -1 while data[offset:end] lacks some of it.

    Up to 40 levels deep: an event's 32 and a client's message around it. Texts are not looked
    into. Raises ScanError for bytes that are no msgpack, or too deep.
    """
    try:
        return scan.skip(data, offset, end)
    except scan.ScanError as error:
        raise ScanError(error.status, STATUS_NAMES[error.status], error.offset) from None


def to_msgpack(text: bytes | bytearray | memoryview) -> bytes:
    """One JSON text (RFC 8259, strictly) as msgpack in its shortest form. Raises ScanError."""
    try:
        return json.to_msgpack(text)
    except scan.ScanError as error:
        raise ScanError(error.status, STATUS_NAMES[error.status], error.offset) from None
