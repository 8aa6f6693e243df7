"""A router to try things on, and its streams read back by plain Python."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import msgpack
import numpy as np
from tests.unit.core.programs import EMPTY

from augenblick.binding.scanning import RECORDS, STATUS_NAMES, Routed, Router, Source
from augenblick.plan.program import Program, Schema, SchemaProperty, Segment

KEY = bytes(range(16))
NOW = 1_700_000_000_000
MARK = 0xFFFFFFFF
PROGRAM = replace(
    EMPTY,
    event_names=("view", "buy", "session.start", "vip.enters", "vip.leaves"),
    event_derived=(False, False, True, True, True),
    segments=(Segment("vip", 0, (), (), 3, 4, "0" * 16),),
)


@dataclass(frozen=True)
class Mark:
    watermark_ms: int
    ingest_ms: int


@dataclass(frozen=True)
class Event:
    flags: int
    event_ms: int
    user_key: int
    number: int
    fingerprint: int
    body: bytes

    @property
    def record(self) -> Any:
        return msgpack.unpackb(self.body)


def new_router(program: Program = PROGRAM, *, shards: int = 1, clock_event: bool = False) -> Router:
    router = Router(program, KEY)
    router.set_table((np.arange(4096) % shards).astype(np.uint16))
    router.clock_event = clock_event
    return router


def with_schema(**properties: str) -> Program:
    """PROGRAM in which `view` has these properties; `TYPE|null` is a nullable one."""
    wanted = tuple(
        SchemaProperty(name, text.removesuffix("|null"), text.endswith("|null"))  # type: ignore[arg-type]
        for name, text in properties.items()
    )
    return replace(PROGRAM, schemas=(Schema(0, wanted),))


def event(**fields: Any) -> dict[str, Any]:
    """A good event, but for `fields`; a field that is ... is left out."""
    record = {"user": "u1", "event": "view", "time": NOW, **fields}
    return {key: value for key, value in record.items() if value is not ...}


def pack(*records: Any) -> bytes:
    return b"".join(msgpack.packb(record) for record in records)


def route(
    router: Router,
    data: bytes,
    format: int = RECORDS,  # noqa: A002
    **options: Any,
) -> Routed:
    """Route all of `data` at NOW, from a new source unless one is given."""
    source = options.pop("source", None) or Source()
    ingest_ms = options.pop("ingest_ms", NOW)
    return router.route(data, 0, len(data), format, source, ingest_ms, **options)


def reasons(routed: Routed) -> list[str]:
    return [STATUS_NAMES[status] for _, _, _, status in routed.refused]


def refusal(record: Any, program: Program = PROGRAM, **options: Any) -> str | None:
    """Why the one record is refused; None if it is not."""
    data = record if isinstance(record, bytes) else pack(record)
    router = new_router(program)
    routed = route(router, data, **options)
    assert routed.events + len(routed.refused) == 1
    assert (router.pending(0) > 0) == (routed.events == 1)
    return None if routed.events else reasons(routed)[0]


def items(stream: bytes) -> list[Mark | Event]:
    found: list[Mark | Event] = []
    at = 0
    while at < len(stream):
        size, flags = struct.unpack_from("<II", stream, at)
        if size == MARK:
            found.append(Mark(*struct.unpack_from("<qq", stream, at + 8)))
            at += 24
            continue
        header = struct.unpack_from("<qQQQ", stream, at + 8)
        found.append(Event(flags, *header, stream[at + 40 : at + 40 + size]))
        at += 40 + size
    assert at == len(stream)
    return found


def take_items(router: Router, shard: int = 0) -> list[Mark | Event]:
    """What waits for the shard; checks that it begins with a mark and counts its events."""
    stream, count = router.take(shard)
    found = items(stream)
    assert not found or isinstance(found[0], Mark)
    assert count == len(events_of(found))
    return found


def events_of(found: Iterable[Mark | Event]) -> list[Event]:
    return [item for item in found if isinstance(item, Event)]


def body_of(record: Any, **options: Any) -> Any:
    """The body in which the one record leaves the router."""
    router = new_router()
    routed = route(router, record if isinstance(record, bytes) else pack(record), **options)
    assert not routed.refused
    [only] = events_of(take_items(router))
    return only.record
