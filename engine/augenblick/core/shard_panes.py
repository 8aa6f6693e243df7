"""A shard's metric panes on their way to the coordinator.

Panes are reported cumulatively and kept until the coordinator says that their windows are closed
and delivered, so that a new coordinator gets everything that is still open. With that the
coordinator sends what it has to remember of closed windows; a new one gets it back.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgpack

from augenblick.core.effects import Send
from augenblick.core.metrics import NO_CLOCK, PaneRow
from augenblick.core.shard_late import LateTimers
from augenblick.link.messages import Kind

_ROWS_max = 50_000  # per message: some 2 MB
_MARK_WATERMARK: Final = struct.Struct("<8xq")


class ShardPanes:
    """Changed and unconfirmed panes. `late`: what the shard knows of the time the engine was away,
    for the firings that come of them.
    """

    def __init__(self, epoch: int, late: LateTimers) -> None:
        self._epoch = epoch
        self._late = late
        self._origin_ms: int | None = None
        self._reported_ms = NO_CLOCK
        self._closed: bytes | None = None
        self._open: dict[tuple[int, int, int, Any], tuple[int, int]] = {}
        self._changed: set[tuple[int, int, int, Any]] = set()

    def on_stream(self, stream: bytes | memoryview) -> None:
        """The first watermark ever is where windows begin to count: the first mark of a stream."""
        if self._origin_ms is None and len(stream) >= _MARK_WATERMARK.size:
            (watermark_ms,) = _MARK_WATERMARK.unpack_from(stream)
            if watermark_ms != NO_CLOCK:
                self._origin_ms = watermark_ms

    def add(self, rows: Iterable[PaneRow]) -> None:
        """Panes as they stand now."""
        for key_group, metric, start_ms, group, count, total in rows:
            key = (key_group, metric, start_ms, group)
            self._open[key] = (count, total)
            self._changed.add(key)

    def report(self, clock_ms: int) -> list[Send]:
        """What changed since the last report; nothing if not even the clock did."""
        if clock_ms == NO_CLOCK or (clock_ms == self._reported_ms and not self._changed):
            return []
        self._reported_ms = clock_ms
        keys, self._changed = sorted(self._changed, key=lambda key: key[:3]), set()
        return self._messages(keys, clock_ms)

    def resend(self, clock_ms: int) -> list[Send]:
        """Everything open, to a coordinator that may know nothing."""
        self._changed = set()
        self._reported_ms = clock_ms
        if clock_ms == NO_CLOCK:
            return []
        keys = sorted(self._open, key=lambda key: key[:3])
        return self._messages(keys, clock_ms, self._closed)

    def on_done(self, open_from: Mapping[int, int], closed: bytes) -> None:
        """Windows that start before these (by metric) are closed; `closed` is to be kept."""
        self._closed = closed
        for key in [key for key in self._open if key[2] < open_from.get(key[1], NO_CLOCK)]:
            del self._open[key]
            self._changed.discard(key)

    def snapshot(self) -> list[Any]:
        """What is to be known after a crash, as plain values."""
        rows = [(*key, *self._packable(key)) for key in self._open]
        return [self._origin_ms, self._closed, rows]

    def restore(self, plain: list[Any]) -> None:
        """Take over what `snapshot` gave; all of it is reported anew."""
        self._origin_ms, self._closed, rows = plain
        self.add(_rows(rows))

    def _messages(
        self, keys: list[tuple[int, int, int, Any]], clock_ms: int, closed: bytes | None = None
    ) -> list[Send]:
        sends = []
        for start in range(0, max(len(keys), 1), _ROWS_max):
            part = keys[start : start + _ROWS_max]
            is_last = start + _ROWS_max >= len(keys)
            header = {
                "epoch": self._epoch,
                "clock_ms": clock_ms if is_last else NO_CLOCK,
                "origin_ms": self._origin_ms,
                "away": self._late.away,
            }
            rows = [(*key, *self._packable(key)) for key in part]
            payload = msgpack.packb([closed, rows])
            sends.append(Send("coordinator", Kind.PANES, header, payload))
            closed = None
        return sends

    def _packable(self, key: tuple[int, int, int, Any]) -> tuple[int, bytes]:
        """Sums have up to 128 bits: as little-endian bytes."""
        count, total = self._open[key]
        return count, total.to_bytes(16, "little", signed=True)


def parts_of(payload: bytes | memoryview) -> tuple[bytes | None, list[PaneRow]]:
    """A PANES message's memory of closed windows (None: as before), and its rows."""
    closed, rows = msgpack.unpackb(payload, strict_map_key=False)
    return closed, _rows(rows)


def _rows(rows: Iterable[Any]) -> list[PaneRow]:
    return [
        (key_group, metric, start_ms, group, count, int.from_bytes(total, "little", signed=True))
        for key_group, metric, start_ms, group, count, total in rows
    ]
