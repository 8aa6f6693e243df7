"""What shards know beside their key groups, dealt out anew to shards with other key groups. Pure.

Each part goes with the user or key group it is about, to the shard that now owns that; what is
about nobody (a refused event) stays with the first key group of the shard it comes from. The clock
is the latest of all, as every shard of an engine hears it from the same gateways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import msgpack

from augenblick.binding.kernel import Outputs
from augenblick.core.erasure import from_plain
from augenblick.core.metrics import NO_CLOCK
from augenblick.core.outbox import unpack_open
from augenblick.core.shard_state import FORMAT, decode_state, plain_pane
from augenblick.errors import StorageError

KNOWN: Final = frozenset(
    (
        *("format", "plan", "clock_ms", "gateways", "clocks", "late", "panes", "actors", "quiet"),
        *("records", "letters", "letters_made", "held", "erasures"),
    )
)
Range = tuple[int, int]


class OldUnit(NamedTuple):
    """A shard's unit; `first`: its smallest key group."""

    first: int
    data: bytes


def split_units(
    units: Sequence[OldUnit], ranges: Sequence[Range], group_of: Callable[[str], int]
) -> list[bytes]:
    """The units of shards that own these ranges (first, last; inclusive; all key groups together).

    `group_of`: the key group of a user id. Raises StorageError for a unit of another format.
    """
    contents = [_decoded(unit.data) for unit in units]
    owners = [index for index, (low, high) in enumerate(ranges) for _ in range(low, high + 1)]
    parts = [_Part() for _ in ranges]

    def of_user(user: Any, first: int) -> _Part:
        return parts[owners[group_of(user) if isinstance(user, str) else first]]

    for unit, content in zip(units, contents, strict=True):
        records, letters, rows, batches = _open_parts(content)
        for item in records:
            of_user(item["record"].get("user"), unit.first).records.append(item)
        for end_ms, item in content["quiet"]:
            of_user(item["record"].get("user"), unit.first).quiet.append([end_ms, item])
        parts[owners[unit.first]].letters += letters
        for row in rows:
            parts[owners[row[0]]].rows.append(row)
        for name, matches in batches:
            shares: dict[int, list[Any]] = {}
            for match in matches:
                shares.setdefault(id(of_user(match["user"], unit.first)), []).append(match)
            for part in parts:
                if id(part) in shares:
                    part.batches.setdefault(name, []).append(shares[id(part)])
        for name, _, fired in content["actors"]:
            for one in fired:
                of_user(one[0], unit.first).fired.setdefault(name, []).append(one)
        for plain in content["erasures"]:
            erasure = replace(from_plain(plain), position=0)  # nothing is older in a new directory
            parts[owners[erasure.key_group]].erasures.append(erasure.plain())
    shared = _shared(contents)
    return [part.encode(shared) for part in parts]


class _Part:
    """What one new shard gets of its own."""

    def __init__(self) -> None:
        self.records: list[Any] = []
        self.quiet: list[Any] = []
        self.letters: list[Any] = []
        self.rows: list[Any] = []
        self.batches: dict[str, list[list[Any]]] = {}
        self.fired: dict[str, list[Any]] = {}
        self.erasures: list[Any] = []

    def encode(self, shared: dict[str, Any]) -> bytes:
        names = sorted({*self.batches, *self.fired})
        content = {
            **shared,
            "panes": [*shared["panes"], self.rows],
            "actors": [
                [name, self.batches.get(name, []), self.fired.get(name, [])] for name in names
            ],
            "quiet": self.quiet,
            "records": _open(self.records),
            "letters": _open(self.letters),
            "held": [],
            "erasures": self.erasures,
        }
        packed: bytes = msgpack.packb(content)
        return packed


def _open_parts(
    content: dict[str, Any],
) -> tuple[list[Any], list[Any], list[Any], list[tuple[str, list[Any]]]]:
    """Records, dead letters, pane rows and batches of custom triggers (name, matches): those that
    had left, then those that were still to leave.
    """
    held: list[Outputs] = content["held"]
    records = unpack_open(content["records"])
    letters = unpack_open(content["letters"])
    rows = list(content["panes"][2])
    batches = [(name, one) for name, waiting, _ in content["actors"] for one in waiting]
    for outputs in held:
        records += [release.plain for release in outputs.releases]
        letters += outputs.dead_letters
        rows += map(plain_pane, outputs.panes)
        batches += outputs.matches.items()
    return records, letters, rows, batches


def _open(items: list[Any]) -> list[Any]:
    """As `Outbox.open_items` gives them."""
    return [[msgpack.packb(items), list(range(len(items)))]] if items else []


def _shared(contents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What every new shard gets: clocks, what is known of gateways and of closed metric windows."""
    gateways: dict[str, list[Any]] = {}
    clocks: dict[str, list[Any]] = {}
    for content in contents:
        for name, incarnation, seq in content["gateways"]:
            gateways[name] = max(gateways.get(name, [name, 0, 0]), [name, incarnation, seq])
        for name, watermark_ms, holds in content["clocks"]:
            before = clocks.get(name, [name, watermark_ms, False])
            clocks[name] = [name, min(before[1], watermark_ms), before[2] or holds]
    origins = [ms for one in contents if (ms := one["panes"][0]) is not None]
    closed = [data for one in contents if (data := one["panes"][1]) is not None]
    return {
        "format": FORMAT,
        "plan": contents[0]["plan"],
        "clock_ms": max(one["clock_ms"] for one in contents),
        "gateways": list(gateways.values()),
        "clocks": list(clocks.values()),
        "late": max((one["late"] for one in contents), key=lambda late: late[1]),
        "panes": [min(origins, default=None), max(closed, key=_closed_at, default=None)],
        "letters_made": max(one["letters_made"] for one in contents),
    }


def _closed_at(closed: bytes) -> int:
    """The clock of what the coordinator remembered."""
    at_ms = msgpack.unpackb(closed, strict_map_key=False).get("clock_ms", NO_CLOCK)
    return int(at_ms)


def _decoded(data: bytes) -> dict[str, Any]:
    content = decode_state(data)
    if content["format"] != FORMAT or content.keys() != KNOWN:
        raise StorageError(
            f"a shard's unit of format {content['format']}; this version reads {FORMAT}"
        )
    return content
