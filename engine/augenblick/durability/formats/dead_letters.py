"""The format of dead letters on disk: one line of JSON each, in numbered segments. Pure.

A segment is `NNNNNNNNNNNN.ndjson`, numbers rising. A line is a dead letter (`kind` `dead_letter`)
or a mark (`kind` `settled`) that takes the letter of that `id` off the list.
"""

import json
import re
from typing import Any

from augenblick import limits

SEGMENT = re.compile(r"(\d{12})\.ndjson")
KEPT_OF_LONG = ("kind", "id", "reason", "detail", "source", "time", "action", "attempts")
SETTLED_LINE = b'{"kind":"settled"'


def segment_name(number: int) -> str:
    """The file name of a segment."""
    return f"{number:012d}.ndjson"


def parse_segment_number(name: str) -> int | None:
    """The number of a segment's file name; None for any other file."""
    found = SEGMENT.fullmatch(name)
    return int(found[1]) if found else None


def encode_letter(letter: dict[str, Any]) -> bytes:
    """One line. A letter that is too long, or that JSON cannot hold, keeps all but its content."""
    try:
        line = _encode(letter)
    except (TypeError, ValueError):
        line = b""
    if 0 < len(line) <= limits.dead_letter_bytes_max:
        return line
    short = {name: letter[name] for name in KEPT_OF_LONG if isinstance(letter.get(name), int)}
    short |= {
        name: letter[name][:1024] for name in KEPT_OF_LONG if isinstance(letter.get(name), str)
    }
    return _encode({**short, "cut": True})


def decode_line(line: bytes) -> dict[str, Any] | None:
    """A line as it was written; None for a torn or foreign one."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("id"), str) else None


def holds(line: bytes, name: str, value: str) -> bool:
    """Whether a line can have this value under this key; cheap, before it is decoded."""
    return _encode({name: value})[1:-2] in line


def _encode(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"
