"""What an event must be, in plain Python over decoded values: the slow twin of the native scanner.

It says whether a record is taken, not why it is refused.
"""

import math
from typing import Any

import msgpack

from augenblick import limits

OWN_NAMES = {"user", "event", "time", "id", "session", "props", "context", "consent"}
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1


class Refused(Exception):
    """The record is no event."""


def need(holds: bool) -> None:
    if not holds:
        raise Refused


class Pairs(list[tuple[Any, Any]]):
    """A map as its pairs, so that a key that stands twice is seen."""


def decode(data: bytes) -> Any:
    """The one record in `data`, maps as Pairs; raises Refused for what only msgpack can say."""
    unpacker = msgpack.Unpacker(
        raw=False,
        strict_map_key=False,
        object_pairs_hook=Pairs,
        ext_hook=lambda *_: b"",
        timestamp=0,
        max_buffer_size=0,
    )
    unpacker.feed(data)
    try:
        value = unpacker.unpack()
    except (ValueError, msgpack.UnpackException, msgpack.StackError, TypeError) as error:
        raise Refused from error
    need(unpacker.tell() == len(data))
    return value


def check_value(value: Any, depth: int) -> None:
    if isinstance(value, Pairs | list):
        need(depth <= limits.nesting_depth_max)
    if isinstance(value, Pairs):
        for key, inner in value:
            need(isinstance(key, str))
            check_value(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            check_value(inner, depth + 1)
    elif isinstance(value, float):
        need(math.isfinite(value))
    else:
        need(value is None or isinstance(value, bool | int | str))


def is_name(value: Any, bytes_max: int, *, integers: bool = True) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return integers and INTEGER_MIN <= value <= INTEGER_MAX
    return isinstance(value, str) and 0 < len(value.encode()) <= bytes_max


def is_time(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return value == math.floor(value) and limits.time_ms_min <= value < limits.time_ms_max


def is_map(value: Any, keys_max: int) -> bool:
    return isinstance(value, Pairs) and len(value) <= keys_max


def is_event(data: bytes, reserved: set[str], latest_ms: int) -> bool:
    """Is the msgpack in `data` an event that the router takes? Without schemas."""
    try:
        check_event(data, reserved, latest_ms)
    except Refused:
        return False
    return True


def check_event(data: bytes, reserved: set[str], latest_ms: int) -> None:
    need(len(data) <= limits.event_bytes_max)
    record = decode(data)
    need(isinstance(record, Pairs))
    check_value(record, 1)
    names = [name for name, _ in record if name in OWN_NAMES]
    need(len(names) == len(set(names)))
    own = {name: value for name, value in record if name in OWN_NAMES and value is not None}
    need(is_name(own.get("user"), limits.user_bytes_max))
    need(is_name(own.get("event"), limits.event_name_bytes_max, integers=False))
    need(own["event"] not in reserved)
    if "time" in own:
        need(is_time(own["time"]) and own["time"] <= latest_ms)
    need("id" not in own or is_name(own["id"], limits.id_bytes_max))
    need("session" not in own or is_name(own["session"], limits.session_bytes_max))
    need("props" not in own or is_map(own["props"], limits.props_keys_max))
    if "context" in own:
        need(is_map(own["context"], limits.context_keys_max))
        need(sum(name == "stream" for name, _ in own["context"]) <= 1)
    consent = own.get("consent", [])
    need(not isinstance(consent, Pairs) and isinstance(consent, list))
    need(all(isinstance(purpose, str) for purpose in consent))
