"""A shard's disk as its shell uses it: journal, checkpoint, and the threads that wait for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from augenblick import limits
from augenblick.core.shard_replay import ShardReplay
from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.committer import Committer
from augenblick.durability.disk import DiskFiles
from augenblick.durability.formats.head import Owner
from augenblick.durability.formats.sealing import KeyRing
from augenblick.durability.journal import SegmentJournal
from augenblick.durability.journal.segments import Durability
from augenblick.durability.recovery import recover
from augenblick.durability.snapshot_set import SnapshotSet
from augenblick.errors import StorageError, StorageFull

LOG = logging.getLogger("augenblick")


class ShardStorage:
    """Journal and checkpoint of one directory; made with its lock held and its epoch raised.

    All methods are called on the event loop's thread. First `recover`, then `begin`, then the rest.
    """

    def __init__(
        self,
        directory: Path,
        owner: Owner,
        epoch: int,
        durability: Durability,
        units: Sequence[int],
        keys: KeyRing | None = None,
    ) -> None:
        files = DiskFiles(directory)
        self.units = units
        self._durability = durability
        self._owner = owner
        self._checkpoint = Checkpoint(files, owner, keys=keys)
        self._checkpoint.open(epoch)
        self._journal = SegmentJournal(files, owner, durability=durability, keys=keys)
        opened = self._journal.open(epoch, reach=self._checkpoint.reach)
        if opened.torn is not None:
            torn = opened.torn
            text = "%s: cut %d bytes at %s, byte %d: the last owner never knew them durable"
            LOG.warning(text, owner.name, torn.bytes, torn.file, torn.offset)
        self._loop = asyncio.get_running_loop()
        self._committer: Committer | None = None
        self._writer = ThreadPoolExecutor(1, "checkpoint")
        self._set = SnapshotSet(self._journal, self._checkpoint, units)
        self._written_at = self._loop.time()
        self._appended_at = self._loop.time()
        self._is_full = False
        self._is_writing = False
        self._recovered_share = 0.0
        self._recovery: dict[str, Any] = {}
        self._on_written: Callable[[], None] = _ignore

    @property
    def positions(self) -> Mapping[int, int]:
        """Where the units in the checkpoint stand."""
        return self._checkpoint.positions

    @property
    def position(self) -> int:
        """Where the journal ends."""
        return self._journal.position

    @property
    def tail(self) -> int:
        """Below it nobody reads the journal."""
        return self._set.tail

    @property
    def is_writing(self) -> bool:
        """Is the checkpoint being written to?"""
        return self._is_writing

    async def recover(self, replay: ShardReplay, on_turn: Callable[[], None]) -> None:
        """Bring a core to the journal's end; the loop gets its turn in between, after `on_turn`."""
        began_at = turn_at = self._loop.time()
        for share in recover(replay, self._journal, self._checkpoint, self._set.tail):
            if self._loop.time() - turn_at > limits.recovery_turn_seconds:
                self._recovered_share = share
                self._recovery = replay.progress()
                on_turn()
                await asyncio.sleep(0)
                turn_at = self._loop.time()
        self._recovered_share = 1.0
        seconds = round(self._loop.time() - began_at, 3)
        self._recovery = {**replay.progress(), "seconds": seconds}
        LOG.info("%s: recovered %s", self._owner.name, self._recovery)

    def begin(
        self,
        *,
        on_full: Callable[[bool], None],
        on_broken: Callable[[StorageError], None],
        on_written: Callable[[], None],
    ) -> None:
        """The core is where the journal ends: take its records. `on_written`: a set of snapshots is
        on disk.
        """

        def note_full(is_full: bool) -> None:
            self._is_full = is_full
            on_full(is_full)

        post = self._loop.call_soon_threadsafe
        self._committer = Committer(self._journal, post, on_full=note_full, on_broken=on_broken)
        self._on_written = on_written

    def append(
        self, token: int, parts: Sequence[bytes | memoryview], on_appended: Callable[[int], None]
    ) -> None:
        """A record; `on_appended(token)` once it is durable."""
        assert self._committer is not None
        self._appended_at = self._loop.time()
        self._committer.append(token, parts, on_appended)

    def keep(self, unit: int, snapshot: bytes | None) -> None:
        """A unit's state where the journal ends now (None: as in its last snapshot)."""
        self._set.keep(unit, snapshot)

    def tick(self) -> None:
        """Name the last commit once nothing comes any more; write a set that may be written."""
        if self._committer is None:
            return
        if self._loop.time() - self._appended_at > limits.journal_quiet_seconds:
            self._committer.settle()
        if self._set.is_ready and not self._is_writing:
            self._set.hand_over()
            self._write()

    def renew(self) -> None:
        """Let the journal go on in a new segment, even if nothing comes."""
        assert self._committer is not None
        self._committer.renew()

    def clean(self, groups: Sequence[int], on_cleaned: Callable[[dict[int, int]], None]) -> None:
        """Remove from the files what newer snapshots have taken the place of; then say from which
        journal position on there is anything of these key groups (nothing, if that failed).
        """

        def work() -> dict[int, int]:
            self._set.renew()
            return {group: self._set.oldest(group) for group in groups}

        def on_done(future: asyncio.Future[dict[int, int]]) -> None:
            self._is_writing = False
            try:
                found = future.result()
            except StorageFull as error:
                LOG.warning("old files stay: %s", error)
                found = {}
            on_cleaned(found)

        self._is_writing = True
        self._loop.run_in_executor(self._writer, work).add_done_callback(on_done)

    def status(self) -> dict[str, Any]:
        """For `status`, plain values; bytes of the journal, seconds."""
        journal = self._journal
        return {
            "durability": self._durability,
            "position": journal.position,
            "waiting_bytes": journal.position - journal.durable,
            "replay_bytes": journal.position - self._set.tail,
            "checkpoint_age_s": round(self._loop.time() - self._written_at, 1),
            "is_full": self._is_full,
            "recovered": round(self._recovered_share, 3),
            "recovery": {"key_groups": len(self.units), **self._recovery},
        }

    def close(self) -> None:
        """Commit what was appended and give the files back."""
        if self._committer is not None:
            self._committer.close()
        self._writer.shutdown()
        self._journal.close()

    # ---- inside ------------------------------------------------------------------------------

    def _write(self) -> None:
        self._is_writing = True
        future = self._loop.run_in_executor(self._writer, self._set.write)
        future.add_done_callback(self._on_set)

    def _on_set(self, future: asyncio.Future[None]) -> None:
        try:
            future.result()
        except StorageFull as error:
            LOG.warning("no checkpoint: %s", error)
            self._loop.call_later(limits.checkpoint_retry_seconds, self._write)
            return
        self._is_writing = False
        self._written_at = self._loop.time()
        self._on_written()


def _ignore() -> None:
    """Nobody waits."""
