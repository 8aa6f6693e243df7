"""Group commit off the event loop: one thread that makes a journal's records durable.

While a commit waits for the disk, further records gather and go with the next one. Where many bytes
come, commits also keep a distance: each costs the processor about as much as 100 kB in it, and
nobody who sends as much notices the wait.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from augenblick import limits
from augenblick.durability.store import Journal
from augenblick.errors import StorageError, StorageFull

Post = Callable[[Callable[[], None]], object]
"""Runs a function on the event loop's thread (`loop.call_soon_threadsafe`)."""


class Committer:
    """Between a shard's event loop and its opened journal.

    `append`, `settle` and `renew` are called on the loop's thread, as are the callbacks:
    `on_appended` with the token of the last record that became durable, `on_full` when the disk has
    no room (True) and when it has again (False), `on_broken` once: end the process. Ends with
    `close`.
    """

    def __init__(
        self,
        journal: Journal,
        post: Post,
        *,
        on_full: Callable[[bool], None],
        on_broken: Callable[[StorageError], None],
    ) -> None:
        self._journal = journal
        self._post = post
        self._on_full = on_full
        self._on_broken = on_broken
        self._waiting: deque[tuple[int, int, Callable[[int], None]]] = deque()
        self._marked = journal.position
        self._wake = threading.Event()
        self._is_closing = False
        self._is_full = False
        self._synced_at = time.monotonic()
        self._pace = _Pace(journal.position, self._synced_at)
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def append(
        self,
        token: int,
        parts: Sequence[bytes | memoryview],
        on_appended: Callable[[int], None],
    ) -> int:
        """Make a record durable, then call `on_appended(token)`, at once for all that came with it.

        Returns the position behind the record; raises StorageFull (nothing is taken).
        """
        end = self._journal.append(parts)
        self._waiting.append((end, token, on_appended))
        self._wake.set()
        return end

    def settle(self) -> None:
        """Nothing has come for a while: name the last commit durable, so damage to it shows."""
        if self._marked != self._journal.position == self._journal.durable:
            self._marked = self._journal.append(())
            self._wake.set()

    def renew(self) -> None:
        """Let what comes from now on stand apart from all before (`Journal.renew`)."""
        self._journal.renew()
        self._marked = self._journal.position
        self._wake.set()

    def close(self) -> None:
        """Commit what was appended, unless the disk is full or broken, and end the thread."""
        self._is_closing = True
        self._wake.set()
        self._thread.join()

    # ---- inside ------------------------------------------------------------------------------

    def _run(self) -> None:
        journal = self._journal
        while not (self._is_closing and journal.durable == journal.position):
            is_behind = journal.synced < journal.durable
            self._wake.wait(limits.journal_sync_seconds if is_behind else None)
            self._wake.clear()
            try:
                self._commit_all()
            except StorageFull:
                self._tell_full(True)
                if self._is_closing:
                    return
                self._wake.wait(limits.journal_full_retry_seconds)
                self._wake.set()
            except StorageError as error:
                self._post(partial(self._on_broken, error))
                return

    def _commit_all(self) -> None:
        journal = self._journal
        while journal.durable < journal.position:
            pause = self._pace.pause(journal.durable, journal.position, time.monotonic())
            if pause > 0 and not self._is_closing:
                time.sleep(pause)
            self._release(journal.commit())
            self._sync_if_due()
        self._sync_if_due()

    def _sync_if_due(self) -> None:
        if self._is_closing or time.monotonic() - self._synced_at > limits.journal_sync_seconds:
            self._synced_at = time.monotonic()
            self._journal.sync()

    def _release(self, durable: int) -> None:
        if self._is_full:
            self._tell_full(False)
        self._post(lambda: self._answer(durable))

    def _answer(self, durable: int) -> None:
        """On the loop's thread: tokens up to a position, the last one for all before it."""
        last = None
        while self._waiting and self._waiting[0][0] <= durable:
            last = self._waiting.popleft()
        if last is not None:
            last[2](last[1])

    def _tell_full(self, is_full: bool) -> None:
        if is_full != self._is_full:
            self._is_full = is_full
            self._post(lambda: self._on_full(is_full))


class _Pace:
    """When the next commit is due: at once, but for where more than journal_busy_bytes_per_second
    came lately; then journal_busy_pause_seconds after the last one, or once enough waits.
    """

    def __init__(self, position: int, now: float) -> None:
        self._began_at = self._last_at = now
        self._began_position = position
        self._is_busy = False

    def pause(self, durable: int, position: int, now: float) -> float:
        """Seconds to wait, 0 or less: none; the commit follows."""
        seconds = now - self._began_at
        if seconds > limits.journal_busy_seconds:
            rate = (position - self._began_position) / seconds
            self._is_busy = rate > limits.journal_busy_bytes_per_second
            self._began_at, self._began_position = now, position
        pause = self._last_at + limits.journal_busy_pause_seconds - now
        if not self._is_busy or position - durable > limits.journal_busy_commit_bytes:
            pause = 0.0
        self._last_at = now + max(pause, 0.0)
        return pause
