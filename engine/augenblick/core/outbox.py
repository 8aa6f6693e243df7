"""Messages that wait for their receiver's answer and are sent again after a reconnect.

Used by shards and the coordinator towards delivery and trigger hosts. Numbers rise over all
incarnations of the sender (the incarnation is their upper part), so that an answer to an earlier
incarnation can never be taken for one to this.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from augenblick import limits
from augenblick.binding.releases import pack, packed_list, unpack
from augenblick.core.effects import Send

SEQ_BITS: Final = 20
_HEAD_bytes: Final = 5  # of a list, at most


@dataclass(slots=True)
class _Waiting:
    """A message without its final answer; `open` has the indexes of items not yet final."""

    header: dict[str, Any]
    payload: bytes
    open: set[int]
    items: int
    keys: list[str]


class Outbox:
    """The unanswered messages to one peer, oldest first, bounded in items and bytes."""

    def __init__(
        self,
        peer: str,
        kind: int,
        incarnation: int,
        *,
        items_max: int = limits.outbox_items_max,
        bytes_max: int = limits.outbox_bytes_max,
    ) -> None:
        self.items = 0
        self._peer = peer
        self._kind = kind
        self._items_max = items_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._seq = incarnation << SEQ_BITS
        self._waiting: OrderedDict[int, _Waiting] = OrderedDict()

    def __len__(self) -> int:
        """Messages without their final answer."""
        return len(self._waiting)

    @property
    def last_seq(self) -> int:
        """The latest message's number."""
        return self._seq

    def is_answered(self, seq: int) -> bool:
        """Have this message and all before it been answered (or left)?"""
        return not self._waiting or next(iter(self._waiting)) > seq

    def add(
        self, items: Sequence[bytes], keys: Sequence[str] = (), **header: Any
    ) -> tuple[list[Send], list[Any]]:
        """Send items, each one packed value; one that fits no frame is left out.

        `keys` name them for the journal, where numbers of this process mean nothing. Returns the
        messages and the oldest items (unpacked) that had to leave to make room.
        """
        sends = [
            self._send(items[start:end], list(keys[start:end]), header)
            for start, end in _fitting(items)
        ]
        return sends, self._make_room()

    def answered(self, seq: int, outcomes: Iterable[Sequence[Any]] | None = None) -> list[str]:
        """The keys of the items that this answer makes final; asked before `on_done`."""
        waiting = self._waiting.get(seq)
        if waiting is None or not waiting.keys:
            return []
        final = waiting.open if outcomes is None else {one[0] for one in outcomes} & waiting.open
        return [waiting.keys[index] for index in sorted(final)]

    def open_items(self) -> list[Any]:
        """Every item without its final answer, oldest first, as messages to be unpacked: pairs of
        a msgpack list and the indexes in it that are open.
        """
        return [[one.payload, sorted(one.open)] for one in self._waiting.values()]

    def on_done(
        self, seq: int, outcomes: Iterable[Sequence[Any]] | None = None
    ) -> dict[str, Any] | None:
        """An answer: these (index, outcome) are final, None: the whole message is.

        Returns the message's header if it is now complete; an answer to an unknown number is old.
        """
        waiting = self._waiting.get(seq)
        if waiting is None:
            return None
        if outcomes is None:
            final = set(waiting.open)
        else:
            final = {outcome[0] for outcome in outcomes} & waiting.open
        waiting.open -= final
        self.items -= len(final)
        if waiting.open:
            return None
        self._bytes -= len(waiting.payload)
        del self._waiting[seq]
        return waiting.header

    def resend(self) -> list[Send]:
        """Everything unanswered again, in order: the peer is connected anew. What is final of a
        message stays away; no answer to the message as it was can come any more.
        """
        for waiting in self._waiting.values():
            if len(waiting.open) < waiting.items:
                self._shorten(waiting)
        return [
            Send(self._peer, self._kind, waiting.header, waiting.payload)
            for waiting in self._waiting.values()
        ]

    def rewrite(self, rewrite: Callable[[Any], Any | None]) -> None:
        """Put what this makes of an item in its place; None: it does not wait any more, and its
        bytes are gone. Places stay, so that answers on their way keep their meaning.
        """
        for seq, waiting in list(self._waiting.items()):
            items = unpack(waiting.payload)
            made = [None if one is None else rewrite(one) for one in items]
            if all(new is old for new, old in zip(made, items, strict=True)):
                continue
            made = [one if index in waiting.open else None for index, one in enumerate(made)]
            gone = {index for index in waiting.open if made[index] is None}
            waiting.open -= gone
            self.items -= len(gone)
            self._bytes -= len(waiting.payload)
            waiting.payload = pack(made)
            self._bytes += len(waiting.payload)
            if not waiting.open:
                self._bytes -= len(waiting.payload)
                del self._waiting[seq]

    def _shorten(self, waiting: _Waiting) -> None:
        items = unpack(waiting.payload)
        kept = sorted(waiting.open)
        self._bytes -= len(waiting.payload)
        waiting.payload = pack([items[index] for index in kept])
        self._bytes += len(waiting.payload)
        waiting.keys = [waiting.keys[index] for index in kept] if waiting.keys else []
        waiting.open = set(range(len(kept)))
        waiting.items = len(kept)

    def _send(self, items: Sequence[bytes], keys: list[str], header: dict[str, Any]) -> Send:
        self._seq += 1
        full = {"seq": self._seq, **header}
        payload = packed_list(items)
        self._waiting[self._seq] = _Waiting(full, payload, set(range(len(items))), len(items), keys)
        self.items += len(items)
        self._bytes += len(payload)
        return Send(self._peer, self._kind, full, payload)

    def _make_room(self) -> list[Any]:
        left: list[Any] = []
        while self._waiting and (self.items > self._items_max or self._bytes > self._bytes_max):
            _, oldest = self._waiting.popitem(last=False)
            items = unpack(oldest.payload)
            if isinstance(items, list):
                left += [items[index] for index in sorted(oldest.open)]
            self.items -= len(oldest.open)
            self._bytes -= len(oldest.payload)
        return left


def unpack_open(open_items: Iterable[Sequence[Any]]) -> list[Any]:
    """The items that `open_items` gave."""
    found = []
    for payload, indexes in open_items:
        items = unpack(payload)
        found += [items[index] for index in indexes]
    return found


def _fitting(items: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Where in the items each message begins and ends."""
    start, size = 0, _HEAD_bytes
    for index, item in enumerate(items):
        size += len(item)
        is_full = index - start >= limits.outbox_message_items_max
        if is_full or size > limits.outbox_message_bytes_max:
            if start < index:
                yield start, index
            start, size = index, _HEAD_bytes + len(item)
            if size > limits.outbox_message_bytes_max:
                start, size = index + 1, _HEAD_bytes
    if start < len(items):
        yield start, len(items)
