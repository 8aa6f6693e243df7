"""The format of dead letters on disk: one line of JSON each, in numbered segments. Pure.

A segment is `NNNNNNNNNNNN.ndjson`, numbers rising. A line is a dead letter (`kind` `dead_letter`)
or a mark (`kind` `settled`) that takes the letter of that `id` off the list.

The first line of an encrypted segment is `{"kind":"sealed","key":ID,"salt":HEX}`, which stands for
the head of other files; each further one is a JSON text: base64 of 12 random bytes (the number)
and the sealed line.
"""

import base64
import json
import re
from typing import Any

from augenblick import limits
from augenblick.durability.formats.sealing import Cipher, KeyRing, SALT_bytes, show_key_id

SEGMENT = re.compile(r"(\d{12})\.ndjson")
KEPT_OF_LONG = ("kind", "id", "reason", "detail", "source", "time", "action", "attempts")
SETTLED_LINE = b'{"kind":"settled"'
NUMBER_bytes = 12
_SEALED_LINE = re.compile(rb'\{"kind":"sealed","key":"([0-9a-f]{8})","salt":"[0-9a-f]{32}"\}')


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


def sealed_head(keys: KeyRing) -> bytes:
    """The first line of a segment that is encrypted with the newest key."""
    salt = keys.draw(SALT_bytes).hex()
    name = show_key_id(keys.newest)
    return b'{"kind":"sealed","key":"%s","salt":"%s"}\n' % (name.encode(), salt.encode())


def sealed_key(line: bytes) -> int:
    """The id of the key that a segment's first line names; 0: it is not encrypted."""
    found = _SEALED_LINE.fullmatch(line.rstrip(b"\n"))
    return int(found[1], 16) if found else 0


def seal_line(cipher: Cipher, number: bytes, line: bytes) -> bytes:
    """A line as an encrypted segment holds it; `number`: NUMBER_bytes, random."""
    sealed = number + cipher.seal(int.from_bytes(number, "little"), line)
    return b'"%s"\n' % base64.b64encode(sealed)


def open_line(cipher: Cipher, line: bytes) -> bytes | None:
    """What was sealed, without the end of the line; None for a torn or foreign one."""
    try:
        sealed = base64.b64decode(line.strip(b'"\n'), validate=True)
    except ValueError:
        return None
    number = int.from_bytes(sealed[:NUMBER_bytes], "little")
    opened = cipher.open(number, sealed[NUMBER_bytes:])
    return None if opened is None else opened.rstrip(b"\n")


def holds(line: bytes, name: str, value: str) -> bool:
    """Whether a line can have this value under this key; cheap, before it is decoded."""
    return _encode({name: value})[1:-2] in line


def _encode(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"
