"""What a gateway has sent to one shard, and keeps until the shard has acknowledged it."""

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from augenblick.core.effects import Send
from augenblick.limits import batch_bytes_max, batches_in_flight_max, link_payload_bytes_max
from augenblick.link.messages import Kind

MARK_BYTES: Final = 24
EVENT_HEADER_BYTES: Final = 40
_MARK_FLAG: Final = 0xFFFFFFFF
_SIZE: Final = struct.Struct("<I")
_WATERMARK: Final = struct.Struct("<q")
_WATERMARK_AT: Final = 8


class RoutedBytes(Protocol):
    """The router's side that holds what is not yet taken."""

    def pending(self, shard: int) -> int:
        """Bytes that wait for this shard."""

    def take(self, shard: int) -> tuple[bytes, int]:
        """(stream, events) that wait for this shard; they do not wait any more."""


@dataclass(slots=True)
class Waiter:
    """A client's chunk that is answered when `left` shards have acknowledged their parts."""

    connection: int
    ack: bytes
    request: int = 0
    results: tuple[str | None, ...] = ()
    left: int = 0


@dataclass(slots=True)
class Batch:
    """One frame on the link and the chunks that end in it."""

    header: dict[str, Any]
    stream: bytes
    waiters: list[Waiter] = field(default_factory=list)


class ShardQueue:
    """The way to one shard: numbered batches, kept and sent again until they are acknowledged.

    With many batches under way the next one waits and grows, so that a busy shard gets few large
    batches and an idle one gets each event at once.
    """

    def __init__(self, index: int, router: RoutedBytes) -> None:
        self.index = index
        self.peer = f"shard-{index}"
        self.is_up = False
        self.is_blocked = False  # the shard refused our epoch: wait for a newer table
        self.waiters: list[Waiter] = []  # of chunks whose part the router still holds
        self.epoch = 0  # of the shard, from the table
        self.received_us = 0  # when the oldest event came that the router still holds
        self.refused: dict[str, int] = {}
        self._router = router
        self._unacked: deque[Batch] = deque()
        self._unacked_bytes = 0
        self._seq = 0

    @property
    def waiting_bytes(self) -> int:
        """Bytes that this shard has not acknowledged."""
        return self._unacked_bytes + self._router.pending(self.index)

    @property
    def is_empty(self) -> bool:
        """Has the shard acknowledged everything?"""
        return not self._unacked and not self._router.pending(self.index)

    def flush(self, facts: dict[str, Any]) -> Iterator[Send]:
        """Send what the router holds, unless enough is under way.

        `facts` go into the header of the batch: incarnation, watermark_ms (of all that is routed
        so far) and is_running of the gateway.
        """
        if not self.is_up or self.is_blocked:
            return
        pending_bytes = self._router.pending(self.index)
        if not pending_bytes:
            return
        if len(self._unacked) >= batches_in_flight_max and pending_bytes < batch_bytes_max:
            return
        stream, _ = self._router.take(self.index)
        for watermark_ms, part in split_stream(stream, link_payload_bytes_max):
            self._seq += 1
            header = {
                "seq": self._seq,
                "epoch": self.epoch,
                "received_us": self.received_us,
                **facts,
            }
            if watermark_ms is not None:
                header["watermark_ms"] = watermark_ms
            self._unacked.append(Batch(header, part))
            self._unacked_bytes += len(part)
            yield self._send(self._unacked[-1])
        self._unacked[-1].waiters, self.waiters = self.waiters, []
        self.received_us = 0

    def resend(self) -> Iterator[Send]:
        """Send everything unacknowledged again, in order; the shard applies it once."""
        self.is_blocked = False
        if self.is_up:
            for batch in self._unacked:
                batch.header["epoch"] = self.epoch
                yield self._send(batch)

    def acknowledge(self, seq: int) -> Iterator[Waiter]:
        """All batches up to `seq` are applied; yields the waiters that have no shard left."""
        while self._unacked and self._unacked[0].header["seq"] <= seq:
            batch = self._unacked.popleft()
            self._unacked_bytes -= len(batch.stream)
            for waiter in batch.waiters:
                waiter.left -= 1
                if not waiter.left:
                    yield waiter

    def refuse(self, reason: str) -> None:
        """The shard took nothing from a batch on: keep all until the table or the link changes."""
        self.is_blocked = True
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def status(self) -> dict[str, Any]:
        """Plain values for `status`."""
        return {
            "is_up": self.is_up,
            "waiting_bytes": self.waiting_bytes,
            "batches": self._seq,
            "batches_unacked": len(self._unacked),
            "refused": dict(self.refused),
        }

    def _send(self, batch: Batch) -> Send:
        return Send(self.peer, Kind.BATCH, dict(batch.header), batch.stream)


def split_stream(stream: bytes, bytes_max: int) -> Iterator[tuple[int | None, bytes]]:
    """Cut a stream between its items into streams of at most `bytes_max`.

    Yields (watermark, stream); the watermark is that of the stream's last mark, None for the last
    stream. Each begins with the mark that holds for its first event, as every stream does. An item
    is never larger than an event may be, far below any `bytes_max` in use.
    """
    if len(stream) <= bytes_max:
        yield None, stream
        return
    mark = prefix = b""
    first = at = 0
    while at < len(stream):
        (size_bytes,) = _SIZE.unpack_from(stream, at)
        is_mark = size_bytes == _MARK_FLAG
        after = at + (MARK_BYTES if is_mark else EVENT_HEADER_BYTES + size_bytes)
        if len(prefix) + after - first > bytes_max:
            (watermark_ms,) = _WATERMARK.unpack_from(mark, _WATERMARK_AT)
            yield watermark_ms, prefix + stream[first:at]
            first, prefix = at, b"" if is_mark else mark
        if is_mark:
            mark = stream[at:after]
        at = after
    yield None, prefix + stream[first:]
