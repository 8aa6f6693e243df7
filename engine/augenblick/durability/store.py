"""What a shard needs of the place where its records go, whatever it is: files now, Kafka later.

One owner at a time. `append` and `position` belong to the thread that decides, everything else to
the one that may wait for the disk; the two run at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Record(NamedTuple):
    """A record as it was appended; `position` up to `end` is its place. State that has it applied
    stands at `end`.
    """

    position: int
    end: int
    body: bytes


@dataclass(frozen=True, slots=True)
class TornTail:
    """The end of a journal that its last owner wrote and never knew durable: it is cut off."""

    file: str
    offset: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Opened:
    """How a journal was found: it holds the records from `begin` up to `end`.

    `carried`: bytes that were whole but perhaps never durable; they have been made so anew.
    `torn`: what was cut off, if anything was.
    """

    begin: int
    end: int
    carried: int = 0
    torn: TornTail | None = None


class Journal(Protocol):
    """An ordered, durable sequence of records."""

    @property
    def position(self) -> int:
        """Behind the last record appended."""

    @property
    def durable(self) -> int:
        """Behind the last record that may be answered for, as the durability setting promises."""

    @property
    def begin(self) -> int:
        """Before the first record that is still there."""

    @property
    def synced(self) -> int:
        """Behind the last record that survives the loss of the machine; at most `durable`."""

    def open(self, epoch: int, *, reach: int = 0) -> Opened:
        """Become the one owner, fencing all of an earlier epoch off; once, before all else.

        `reach`: the furthest position that anything else (a checkpoint) says was durable.
        Raises JournalFenced, JournalCorrupt, StorageFull or StorageError.
        """

    def append(self, parts: Sequence[bytes | memoryview]) -> int:
        """Take a record, the concatenation of the parts; returns the position behind it. Waits for
        nothing. The parts must not change.

        Raises StorageFull when too many records wait (journal_pending_bytes_max); none is lost.
        """

    def commit(self) -> int:
        """Make records that were appended durable, together; returns `durable`.

        At most journal_commit_bytes_max at a time: repeat until `durable` is `position`. Raises
        StorageFull (everything is kept: try again later) or JournalBroken (end the process).
        """

    def sync(self) -> None:
        """Bring `synced` up to `durable`."""

    def read_from(self, position: int) -> Iterator[Record]:
        """The durable records from a position on, which is the begin or end of one, in order.

        Raises JournalCorrupt or StorageError.
        """

    def truncate_below(self, position: int) -> int:
        """Nobody will read below this position: remove what can be; returns where it now begins."""

    def renew(self) -> None:
        """What is appended from now on stands apart from all before, so that `truncate_below` can
        remove that.
        """

    def close(self) -> None:
        """Give the files back. What is not committed is not written."""
