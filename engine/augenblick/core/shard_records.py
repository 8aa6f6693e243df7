"""What a shard's journal records hold. Pure.

    u16 header bytes | msgpack header | payload

Little endian. The header has `kind`, and with it:

- `batch`: what a gateway sent. `seq gateway incarnation watermark_ms is_running` of its header,
  `cap_ms` and `now_ms` of the kernel's call, `clock_ms`: the kernel's clock before it, which marks
  may have moved that had no other effect and no record; `is_full`: new users were refused. The
  payload is the stream.
- `advance`: the clock moved to `watermark_ms`, at `now_ms`.
- `outcomes`: final outcomes; the payload has `records` (keys) and `letters` (ids).
- `left`: records that had to leave the outbox as dead letters at `now_ms`; the payload has keys.
- `answer`: a custom trigger's answer to the batch of `trigger` that begins with the match `first`;
  the payload has `releases`, and `fired`, what its cooldown remembers.
- `quiet`: quiet hours were over for what was held, at `clock_ms` (the kernel's) and `now_ms`; at
  most `count` firings were looked at.
- `start`: the whole engine started, and the clock stood until its timers were due.
- `plan`: the records that follow were made under the plan of these `facts`.
- `panes`: metric windows from `open_from` on are open; the payload is what the coordinator
  remembers of those before.
- `erase`: the user with the key `key` and the mark `user` was erased, as asked at `asked_ms`.
- `erased`: the receipt of that erasure is written.

Replaying them in order gives the same state and the same records that leave, with the same ids.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import msgpack
import msgspec

from augenblick.binding.releases import Release, pack

BATCH: Final = "batch"
ADVANCE: Final = "advance"
OUTCOMES: Final = "outcomes"
LEFT: Final = "left"
ANSWER: Final = "answer"
PANES: Final = "panes"
PLAN: Final = "plan"
START: Final = "start"
QUIET: Final = "quiet"
ERASE: Final = "erase"
ERASED: Final = "erased"
_HEADER: Final = struct.Struct("<H")


def record_parts(
    header: dict[str, Any], payload: bytes | memoryview = b""
) -> tuple[bytes | memoryview, ...]:
    """A record as the parts of an Append; the payload is not copied."""
    packed = msgpack.packb(header)
    return (_HEADER.pack(len(packed)) + packed, payload)


def split_record(body: bytes) -> tuple[dict[str, Any], memoryview]:
    """Header and payload of a record."""
    (size,) = _HEADER.unpack_from(body)
    begin = _HEADER.size + size
    header = msgpack.unpackb(body[_HEADER.size : begin], strict_map_key=False)
    return header, memoryview(body)[begin:]


def batch_parts(
    header: dict[str, Any],
    payload: bytes | memoryview,
    *,
    cap_ms: int,
    clock_ms: int,
    now_ms: int,
    is_full: bool = False,
) -> tuple[bytes | memoryview, ...]:
    """The record of a gateway's batch."""
    kept = {
        "kind": BATCH,
        "seq": header["seq"],
        "gateway": header["gateway"],
        "incarnation": header["incarnation"],
        "watermark_ms": header["watermark_ms"],
        "is_running": header["is_running"],
        "cap_ms": cap_ms,
        "clock_ms": clock_ms,
        "now_ms": now_ms,
    }
    if is_full:
        kept["is_full"] = True
    return record_parts(kept, payload)


def advance_parts(watermark_ms: int, now_ms: int) -> tuple[bytes | memoryview, ...]:
    """The record of a clock that moved by itself."""
    return record_parts({"kind": ADVANCE, "watermark_ms": watermark_ms, "now_ms": now_ms})


def outcome_parts(
    records: list[str] | None = None, letters: list[str] | None = None
) -> tuple[bytes | memoryview, ...]:
    """The record of final outcomes: these are done with."""
    payload = msgpack.packb({"records": records or [], "letters": letters or []})
    return record_parts({"kind": OUTCOMES}, payload)


def left_parts(keys: list[str], now_ms: int) -> tuple[bytes | memoryview, ...]:
    """The record of records that became dead letters because too many waited."""
    return record_parts({"kind": LEFT, "now_ms": now_ms}, msgpack.packb(keys))


def answer_parts(
    trigger: str, first: str, releases: list[Release], fired: list[list[Any]]
) -> tuple[bytes | memoryview, ...]:
    """The record of a custom trigger's answer, or of a batch that was dropped without one."""
    packed = [msgspec.Raw(release.packed) for release in releases]
    payload = pack({"releases": packed, "fired": fired})
    return record_parts({"kind": ANSWER, "trigger": trigger, "first": first}, payload)


def plan_parts(facts: dict[str, Any]) -> tuple[bytes | memoryview, ...]:
    """The record of the plan that runs; the first of each owner."""
    return record_parts({"kind": PLAN}, msgpack.packb(facts))


def start_parts() -> tuple[bytes | memoryview, ...]:
    """The record of a start of the whole engine."""
    return record_parts({"kind": START})


def quiet_parts(clock_ms: int, now_ms: int, count: int) -> tuple[bytes | memoryview, ...]:
    """The record of the instant at which held firings were let go, at most so many."""
    header = {"kind": QUIET, "clock_ms": clock_ms, "now_ms": now_ms, "count": count}
    return record_parts(header)


def pane_parts(open_from: dict[int, int], closed: bytes) -> tuple[bytes | memoryview, ...]:
    """The record of the coordinator's word that metric windows are closed and delivered."""
    return record_parts({"kind": PANES, "open_from": open_from}, closed)


def erase_parts(user: str, key: int, asked_ms: int) -> tuple[bytes | memoryview, ...]:
    """The record of an erasure; `user` is the mark, the id is not written."""
    return record_parts({"kind": ERASE, "user": user, "key": key, "asked_ms": asked_ms})


def erased_parts(user: str, asked_ms: int) -> tuple[bytes | memoryview, ...]:
    """The record of an erasure's end."""
    return record_parts({"kind": ERASED, "user": user, "asked_ms": asked_ms})
