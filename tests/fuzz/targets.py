"""What is fuzzed: everything that reads bytes of others, held against a second reading of them."""

import struct
from collections.abc import Callable, Hashable
from unittest.mock import patch

import google_crc32c
import msgpack
import numpy as np
from tests.fuzz.event_rules import is_event
from tests.fuzz.fuzzing import Target
from tests.unit.native.kernels import Run, event, group_of, mark
from tests.unit.native.routing import KEY as ROUTER_KEY
from tests.unit.native.routing import NOW, PROGRAM, events_of, pack, take_items
from tests.unit.native.routing import event as record

from augenblick.binding import scanning
from augenblick.binding.scanning import RECORDS, Router, ScanError, Source
from augenblick.errors import LimitExceeded, ProtocolError
from augenblick.ingest.dialects.forward import ForwardReader
from augenblick.link.codec import Decoder, encode
from augenblick.link.messages import Kind
from augenblick.plan.conditions.resolution import resolve_condition
from augenblick.plan.conditions.tokens import ConditionError
from augenblick.plan.names import Names
from augenblick.plan.resolved import EventRef, Ref, Resolved, Type
from augenblick.plan.tables import Tables

Runner = Callable[[bytes], Hashable]
RESERVED = {"session", "context", "session.start", "session.end", "vip", "vip.enters", "vip.leaves"}

# msgpack scanner


def scanner() -> Runner:
    """Records are taken as the slow rules say, refused with a reason and a place."""
    router = Router(PROGRAM, ROUTER_KEY)
    router.set_table((np.arange(4096) % 2).astype(np.uint16))

    def run(data: bytes) -> Hashable:
        routed = router.route(data, 0, len(data), RECORDS, Source(), NOW)
        found = [one for shard in range(2) for one in events_of(take_items(router, shard))]
        assert len(found) == routed.events
        assert routed.consumed == len(data)
        end = 0
        for _, start, stop, status in routed.refused:
            assert end <= start < stop <= len(data)
            assert 0 < status < len(scanning.STATUS_NAMES)
            end = stop
        for one in found:
            assert is_event(one.body, RESERVED, NOW + 300_000)
        if len(routed.refused) == 1 and not found and walked(data) == len(data):
            assert not is_event(data, RESERVED, NOW + 300_000)
        statuses = tuple(sorted({status for *_, status in routed.refused}))[:2]
        return min(len(found), 3), min(len(routed.refused), 3), statuses

    return run


def walked(data: bytes) -> int | None:
    """Where the first value ends, if it is msgpack and not very deep."""
    try:
        end = scanning.skip(data, 0, len(data))
    except ScanError:
        return None
    return end if end >= 0 else None


# Forward frames and link frames


def forward() -> Runner:
    """A Forward client's bytes: the quick reading of the usual frame and the full one agree."""

    def read(data: bytes) -> Hashable:
        reader = ForwardReader()
        try:
            end, chunk = reader.read(data, 0, len(data))
        except (ProtocolError, LimitExceeded) as error:
            return type(error).__name__, str(error)[:12]
        assert 0 <= end <= len(data)
        return end, repr(chunk)

    def run(data: bytes) -> Hashable:
        quick = read(data)
        with patch("augenblick.binding.scanning.packed_frame", lambda *_: None):
            assert quick == read(data)
        is_refused = isinstance(quick, tuple) and isinstance(quick[0], str)
        usual = scanning.packed_frame(data, 0, len(data))
        return quick if is_refused else (quick[0] > 0, usual is not None)  # type: ignore[index]

    return run


def link() -> Runner:
    """The link's bytes: whole messages or a clear error, the same in one piece or in many."""

    def read(pieces: list[bytes]) -> tuple[list[tuple[int, str, bytes]], str, int]:
        decoder, messages, error = Decoder(), [], ""
        for piece in pieces:
            try:
                for message in decoder.feed(piece):
                    payload = bytes(message.payload)
                    messages.append((message.kind, repr(message.header), payload))
            except (ProtocolError, LimitExceeded) as refused:
                error = type(refused).__name__ + str(refused)[:24]
                break
        return messages, error, 0 if error else decoder.waiting_bytes

    def run(data: bytes) -> Hashable:
        messages, error, waiting = read([data])
        in_pieces, again, left = read([data[at : at + 3] for at in range(0, len(data), 3)])
        assert (error, waiting) == (again, left)
        assert error or messages == in_pieces
        return tuple(kind for kind, *_ in messages)[:3], error, min(waiting, 12)

    return run


# Conditions

TYPES = {
    "b": Type.BOOL, "n": Type.NUMBER, "t": Type.TEXT, "w": Type.TIME, "l": Type.LIST,
    "x": Type.ANY,
}  # fmt: skip


class _AnyScope:
    """A name's first letter is its type; names of other letters are unknown."""

    def resolve(self, parts: tuple[str, ...], at: int) -> Resolved:
        kind = TYPES.get(parts[0][0])
        if kind is None:
            raise ConditionError(f"{'.'.join(parts)!r} is unknown", at)
        return Resolved("field", kind, target=EventRef(Ref("props", ".".join(parts)), None))


def conditions() -> Runner:
    """Any text is code or a sentence with its place."""
    scope, names = _AnyScope(), Names({}, False, [], [], [])

    def run(data: bytes) -> Hashable:
        text = data.decode("utf-8", "replace")
        refused = None
        try:
            resolved = resolve_condition(text, scope)
            assert Tables(names, [], [], []).code(resolved) == 0
        except ConditionError as error:
            refused = error
        if refused:
            assert refused.message
            assert 0 <= refused.at <= len(text)
            return "".join(one for one in refused.message.partition("'")[0] if one.isalpha())[:16]
        return resolved.operation, tuple(sorted({one.operation for one in resolved.arguments}))

    return run


# Snapshots

SNAPSHOT_PLAN = """plan: p
sessions: {gap: 10ms, max: 60ms}
time: {lateness: 0ms, dedup: 50ms, ttl: 1d}
features:
  total: {sum: a.v, over: lifetime}
  kept: {list: a.v, max: 3, over: {since: c}}
  by_g: {count: "*", by: g, over: session}
  hop: {avg: a.v, over: {hopping: 20ms, every: 5ms}}
  slide: {count: "*", over: {sliding: 30ms}}
  values_h: {distinct: a.v, over: {hopping: 20ms, every: 5ms}}
  often: {top: a.v, max: 2, over: {since: c}}
segments:
  busy: slide >= 3
metrics:
  each: {count: "*", by: g, over: {tumbling: 25ms}}
triggers:
  look: {event: [a, busy.enters], values: [total, kept, by_g, hop, slide, values_h, often]}
  pair: {sequence: [a, b], within: 30ms, match: g}
  absent: {sequence: [a, {not: b}], within: 12ms, timer: each}
"""
HEAD_BYTES = 12  # magic, format, checksum


def sealed(body: bytes) -> bytes:
    """A snapshot of this body under a checksum that is right."""
    return SNAPSHOT_HEAD + struct.pack("<I", google_crc32c.value(body)) + body


def written_snapshots() -> tuple[bytes, ...]:
    """Bodies of key groups with little and with much in them."""
    run, found = Run(SNAPSHOT_PLAN), []
    for step in range(24):
        time_ms = step * 3
        run.apply(
            mark(time_ms - 2, time_ms),
            event(time_ms, "ann", "aabac"[step % 5], number=step + 1, fingerprint=step + 1,
                  v=step % 4, g="xy"[step % 2]),
        )  # fmt: skip
        if step in (0, 3, 23):
            found.append(run.kernel.snapshot(group_of("ann")))
    return tuple(found)


def snapshots() -> Runner:
    """Whatever the bytes under a right checksum: restored or refused, written again and forgotten.

    What the cells hold is the kernel's own and trusted once the checksum is right: it is not used.
    """
    kernel = Run(SNAPSHOT_PLAN).kernel

    def one(data: bytes) -> Hashable:
        try:
            key_group = kernel.restore(sealed(data))
        except ValueError as error:
            return "".join(letter for letter in str(error) if letter.isalpha())[:24]
        users = kernel.users
        written = kernel.snapshot(key_group)
        kernel.drop(key_group)
        assert kernel.users == 0
        return min(users, 3), min(len(written) // 64, 20)

    return one


def damaged_snapshots() -> Runner:
    """Bytes whose checksum nobody has put right are refused."""
    kernel = Run(SNAPSHOT_PLAN).kernel
    whole = set(SNAPSHOTS)

    def one(data: bytes) -> Hashable:
        try:
            kernel.restore(data)
        except ValueError as error:
            return str(error)[:24]
        assert data in whole
        return "whole"

    return one


SNAPSHOTS = written_snapshots()
SNAPSHOT_HEAD = SNAPSHOTS[0][: HEAD_BYTES - 4]
_LINK = (
    (Kind.BATCH, {"seq": 1, "gateway": 0}, b"\x00" * 40),
    (Kind.BATCH_ACK, {"seq": 1}, b""),
    (Kind.PING, {}, b""),
    (Kind.RECORDS, {"seq": 7, "b": b"\xff", "text": "ä"}, b"x"),
)
_ENTRIES = pack([NOW // 1000, record()], [NOW // 1000, record(user=5)])
TARGETS = {
    target.name: target
    for target in (
        Target(
            "scanner",
            scanner,
            (
                pack(record()),
                pack(record(user=5, time=float(NOW), id=7, session="s", props={"a": [1, {}]})),
                pack(record(context={"stream": "x"}, consent=["ads"], more={"deep": [[[]]]})),
                pack(record(user="é", id=None, props=None, z=2**64 - 1), record()),
            ),
            tuple(
                msgpack.packb(word)
                for word in (
                    "user",
                    "event",
                    "time",
                    "id",
                    "props",
                    "context",
                    "consent",
                    "session",
                    "stream",
                    NOW,
                    NOW + 10**6,
                    1.5,
                    float(NOW),
                    -1,
                    2**64 - 1,
                    True,
                    None,
                    [],
                    {},
                    "",
                    "vip",
                    "session.start",
                )
            ),
        ),
        Target(
            "forward",
            forward,
            (
                msgpack.packb(["t", _ENTRIES, {"chunk": "c" * 22}]),
                msgpack.packb(["t", [[NOW // 1000, record()]], {"size": 1}]),
                msgpack.packb(["t", NOW // 1000, record(), {"end": True}]),
                msgpack.packb(["t", _ENTRIES, {"compressed": "gzip"}]),
            ),
            tuple(
                msgpack.packb(word)
                for word in ("chunk", "size", "end", "warm", "compressed", "gzip", True, 3, None)
            ),
        ),
        Target(
            "link",
            link,
            tuple(encode(kind, header, data) + data for kind, header, data in _LINK),
            tuple(encode(kind, header, data) for kind, header, data in _LINK),
        ),
        Target(
            "conditions",
            conditions,
            (
                b"n1 >= 3 and not b1",
                b"n1 + 2 * n2 - 1 > n3 / 3",
                b"t1 in ['A', 'B'] or exists(x1.y)",
                b"w1 - 30d < w2",
                b"startswith(lower(t1), 'a') and max(n1, n2) > abs(n3)",
                b"'A' in l1",
            ),
            (
                b" and ",
                b" or ",
                b"not ",
                b"(",
                b")",
                b"[",
                b"]",
                b", ",
                b" in ",
                b"30m",
                b"'x'",
                b"1e5",
                b"==",
                b"!=",
                b"<=",
                b"max(",
                b"exists(",
                b"n1",
                b"t1",
                b"x.y",
                b"true",
                b"round(",
                b"contains(",
                b"lower(",
                b"min(",
                b"999999999999999999999",
            ),
        ),
        Target("snapshots", snapshots, tuple(one[HEAD_BYTES:] for one in SNAPSHOTS)),
        Target("damaged_snapshots", damaged_snapshots, SNAPSHOTS),
    )
}
