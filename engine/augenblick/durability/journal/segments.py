"""The journal of one shard: records to segment files, many with one write and one fdatasync.

Positions are bytes over all segments, multiples of 8. A new owner never writes to a segment of an
earlier one: it begins its own, which replaces what lies in the last segment above the position
known durable. What is whole there goes over with it (it may have been acknowledged, and it may be
in the page cache only, for good after a failed fdatasync): nothing is read that may yet vanish.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from augenblick import limits
from augenblick.durability.disk import File, Files, is_full
from augenblick.durability.formats.frames import (
    SEALED_bytes,
    Sealer,
    encode_frame,
    framed_bytes,
)
from augenblick.durability.formats.head import Head, HEAD_bytes, Owner
from augenblick.durability.formats.names import JOURNAL_FOLDER, TEMPORARY
from augenblick.durability.formats.sealing import KeyRing
from augenblick.durability.journal._segment import (
    End,
    Segment,
    carried_bytes,
    find_end,
    load_segments,
    make_segment,
    read_frames,
)
from augenblick.durability.store import Opened, Record, TornTail
from augenblick.errors import (
    JournalBroken,
    JournalCorrupt,
    JournalFenced,
    OurError,
    StorageError,
    StorageFull,
)

Durability = Literal["fsync", "os"]
_NOTHING: Final = End(0, 0, (), 0)


class SegmentJournal:
    """A `durability.store.Journal` in the folder `journal` of a shard's directory.

    The caller holds the directory's lock. `append`, `position`, `roll` and `renew` belong to one
    thread, the rest to another; `truncate_below` and `read_from` may run on a third. After
    JournalBroken every call raises it: the process has to end.

    `fsync`: what is durable survives the machine. `os`: it survives the process; the machine's loss
    takes what came after the last `sync` (a full segment is synced too).

    With `keys` each new segment is encrypted with the newest of them, but for the one that takes
    over what lay unencrypted at the end of the last: its records keep their places.
    """

    def __init__(
        self,
        files: Files,
        owner: Owner,
        *,
        durability: Durability = "fsync",
        keys: KeyRing | None = None,
        segment_bytes: int = limits.journal_segment_bytes,
        commit_bytes_max: int = limits.journal_commit_bytes_max,
        pending_bytes_max: int = limits.journal_pending_bytes_max,
    ) -> None:
        self._files = files
        self._owner = owner
        self._syncs_each_commit = durability == "fsync"
        self._keys = keys
        self._sealed_bytes = 0 if keys is None else SEALED_bytes  # what encryption adds to a body
        self._segment_bytes = segment_bytes
        self._commit_bytes_max = commit_bytes_max
        self._pending_bytes_max = pending_bytes_max
        self._segments: list[Segment] = []
        self._file: File | None = None
        self._sealer: Sealer | None = None
        self._epoch = 0
        self._sequence = 0
        self._position = 0
        self._durable = 0
        self._synced = 0
        self._pending: deque[tuple[bytes, ...] | Owner] = deque()  # not yet in the batch
        self._batch: list[tuple[bytes, ...]] = []  # of the commit under way, or that found no room
        self._broken = ""
        self._must_roll = False

    @property
    def position(self) -> int:
        """Behind the last record appended."""
        return self._position

    @property
    def durable(self) -> int:
        """Behind the last record that may be answered for."""
        return self._durable

    @property
    def begin(self) -> int:
        """Before the first record that is still there."""
        return self._segments[0].start

    @property
    def synced(self) -> int:
        """Behind the last record that survives the loss of the machine."""
        return self._synced

    def open(self, epoch: int, *, reach: int = 0) -> Opened:
        """See `Journal.open`."""
        try:
            return self._open(epoch, reach)
        except OSError as error:
            raise self._failed(error) from error

    def append(self, parts: Sequence[bytes | memoryview]) -> int:
        """See `Journal.append`. Without parts it is a mark: it names the durable position, so that
        damage to the last record is told from a torn tail, and is never read back.
        """
        whole = tuple([part if type(part) is bytes else bytes(part) for part in parts])
        body_bytes = sum(map(len, whole))
        if body_bytes > limits.journal_record_bytes_max:
            raise OurError(f"a record of {body_bytes} bytes")
        waiting = self._position - self._durable
        if waiting and waiting + body_bytes > self._pending_bytes_max:
            raise StorageFull(f"{waiting} bytes wait for {self._files.locate(JOURNAL_FOLDER)}")
        self._pending.append(whole)
        self._position += framed_bytes(body_bytes + self._sealed_bytes)
        return self._position

    def roll(self, owner: Owner) -> None:
        """What is appended from now on goes to a new segment, which names this plan and these
        rules.
        """
        self._pending.append(owner)

    def renew(self) -> None:
        """See `Journal.renew`: the next record begins a segment, and the mark here is one."""
        self.roll(self._owner)
        self.append(())

    def commit(self) -> int:
        """See `Journal.commit`."""
        self._check()
        size = self._take()
        if not self._batch:
            return self._durable
        try:
            file = self._file_with_room(size)
            buffers: list[bytes] = []
            seed, end = self._segments[-1].head.seed, self._durable
            for parts in self._batch:
                end = encode_frame(buffers, seed, end, self._synced, parts, self._sealer)
            file.write(buffers, self._segments[-1].offset(self._durable))
        except OSError as error:
            raise self._failed(error) from error
        if self._syncs_each_commit:
            self._sync(end)
        self._batch.clear()
        self._durable = end
        return end

    def sync(self) -> None:
        """See `Journal.sync`."""
        self._check()
        if self._synced < self._durable:
            self._sync(self._durable)

    def read_from(self, position: int) -> Iterator[Record]:
        """See `Journal.read_from`."""
        self._check()
        segments, durable = list(self._segments), self._durable
        if not segments[0].start <= position <= durable:
            reason = f"it holds {segments[0].start} to {durable}, not {position}"
            raise JournalCorrupt(reason, file=self._files.locate(JOURNAL_FOLDER))
        ends = [segment.start for segment in segments[1:]] + [durable]
        for segment, until in zip(segments, ends, strict=True):
            if until > position:
                yield from self._read(segment, position, until)
                position = until

    def truncate_below(self, position: int) -> int:
        """See `Journal.truncate_below`: whole segments go, never the last."""
        removed = False
        try:
            while len(self._segments) > 1 and self._segments[1].start <= position:
                self._files.remove(self._segments[0].name)
                self._segments.pop(0)
                removed = True
            if removed:
                self._files.sync_folder(JOURNAL_FOLDER)
        except OSError as error:
            raise StorageError(f"{self._files.locate(JOURNAL_FOLDER)}: {error}") from error
        return self._segments[0].start

    def close(self) -> None:
        """See `Journal.close`."""
        if self._file is not None:
            self._file.close()
            self._file = None

    # ---- inside ------------------------------------------------------------------------------

    def _open(self, epoch: int, reach: int) -> Opened:
        files = self._files
        files.make_folder(JOURNAL_FOLDER)
        for name in files.list(JOURNAL_FOLDER):
            if name.startswith(TEMPORARY):
                files.remove(f"{JOURNAL_FOLDER}/{name}")
        segments = load_segments(files, self._owner, self._keys)
        last = segments[-1] if segments else None
        if last is not None and last.head.epoch >= epoch:
            raise JournalFenced(f"{files.locate(last.name)} is of another owner than {epoch}")
        found = find_end(files, last) if last is not None else _NOTHING
        if found.position < reach:
            reason = f"the journal ends at {found.position}; it was durable up to {reach}"
            raise JournalCorrupt(reason, file=files.locate(last.name if last else JOURNAL_FOLDER))
        self._epoch = epoch
        self._sequence = last.head.sequence if last is not None else 0
        room = HEAD_bytes + carried_bytes(found.frames)
        is_plain = last is not None and last.cipher is None and bool(found.frames)
        head = self._next_head(found.durable, found.position, room, is_plain=is_plain)
        made = make_segment(files, head, self._keys, found.frames)
        segment, self._file, self._sealer = made
        self._must_roll = is_plain and self._keys is not None
        self._position = self._durable = self._synced = found.position
        self._segments = [*segments, segment]
        torn = None
        if last is not None:
            if found.torn_bytes:
                offset = last.offset(found.position)
                torn = TornTail(files.locate(last.name), offset, found.torn_bytes)
            self._cut(last, found.durable)
        begin = self._segments[0].start
        return Opened(begin, found.position, found.position - found.durable, torn)

    def _read(self, segment: Segment, position: int, until: int) -> Iterator[Record]:
        reached = max(position, segment.start)
        try:
            file = self._files.open(segment.name)
            try:
                for frame in read_frames(file, segment, reached, until):
                    reached = frame.end
                    if frame.body:
                        yield Record(frame.position, frame.end, frame.body)
            finally:
                file.close()
        except OSError as error:
            raise StorageError(f"{self._files.locate(segment.name)}: {error}") from error
        if reached != until:
            reason = f"damaged, and known durable up to byte {segment.offset(until)}"
            place = self._files.locate(segment.name)
            raise JournalCorrupt(reason, file=place, offset=segment.offset(reached))

    def _take(self) -> int:
        """Fill the batch with what fits; returns its bytes."""
        batch, pending = self._batch, self._pending
        more = self._sealed_bytes
        size = sum(framed_bytes(sum(map(len, parts)) + more) for parts in batch)
        while pending:
            first = pending[0]
            if isinstance(first, Owner):
                if batch:
                    break
                self._owner = first
                self._must_roll = True
            else:
                first_bytes = framed_bytes(sum(map(len, first)) + more)
                if size and size + first_bytes > self._commit_bytes_max:
                    break
                batch.append(first)
                size += first_bytes
            pending.popleft()
        return size

    def _file_with_room(self, size: int) -> File:
        last = self._segments[-1]
        offset = last.offset(self._durable)
        if self._file is not None and offset + size <= last.size and not self._must_roll:
            return self._file
        if self._synced < self._durable:
            self._sync(self._durable)  # the next head says that all before it is durable
        head = self._next_head(self._durable, self._durable, HEAD_bytes + size)
        segment, file, sealer = make_segment(self._files, head, self._keys)
        self.close()
        self._segments.append(segment)
        self._file, self._sealer = file, sealer
        self._must_roll = False
        self._cut(last, self._durable)
        return file

    def _next_head(self, start: int, durable: int, room: int, *, is_plain: bool = False) -> Head:
        self._sequence += 1
        size = max(self._segment_bytes, room)
        numbers = {"start": start, "durable": durable, "size": size}
        head = Head(self._owner, self._epoch, self._sequence, numbers)
        return head if self._keys is None or is_plain else self._keys.mark(head)

    def _cut(self, segment: Segment, position: int) -> None:
        """Give back the room behind the last position that is read of a segment."""
        with contextlib.suppress(OSError):  # it would only have saved room
            file = self._files.open(segment.name, is_writable=True)
            try:
                file.truncate(segment.offset(position))
            finally:
                file.close()

    def _sync(self, end: int) -> None:
        if self._file is None:
            raise OurError("the journal is not open")
        try:
            self._file.sync()
        except OSError as error:
            raise self._break(error) from error
        self._synced = end

    def _failed(self, error: OSError) -> StorageError:
        if is_full(error):
            return StorageFull(f"{self._files.locate(JOURNAL_FOLDER)}: no room")
        return self._break(error)

    def _break(self, error: OSError) -> JournalBroken:
        self._broken = f"{self._files.locate(JOURNAL_FOLDER)}: {error.strerror or error}"
        return JournalBroken(self._broken)

    def _check(self) -> None:
        if self._broken:
            raise JournalBroken(self._broken)
        if not self._segments:
            raise OurError("the journal is not open")
