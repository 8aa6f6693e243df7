"""Writes dead letters to their files, off the event loop."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from augenblick import limits
from augenblick.binding.user_marks import UserMarks
from augenblick.core.effects import EraseLetters, StoreDeadLetters
from augenblick.core.erasure import Eraser
from augenblick.durability.dead_letters import DeadLetterStore
from augenblick.errors import StorageError

LOG = logging.getLogger(__name__)


class DeadLetterWriter:
    """One thread for one store; what waits meanwhile is written together.

    `on_stored(token, stored)` is called on the loop for each write, in order. `error` is why the
    last one failed, empty if it did not. `on_erased(effect, error)`: as each erasure has ended.
    """

    def __init__(
        self,
        store: DeadLetterStore,
        on_stored: Callable[[int, bool], None],
        on_erased: Callable[[EraseLetters, str], None],
        marks: UserMarks,
    ) -> None:
        self.error = ""
        self._store = store
        self._on_stored = on_stored
        self._on_erased = on_erased
        self._marks = marks
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="dead-letters")
        self._waiting: deque[StoreDeadLetters | EraseLetters] = deque()
        self._task: asyncio.Task[None] | None = None

    def add(self, write: StoreDeadLetters | EraseLetters) -> None:
        """Let it be written, or everything before it rewritten; returns at once. What waits to be
        erased and is asked for again is erased once.
        """
        if isinstance(write, EraseLetters) and write in self._waiting:
            return
        self._waiting.append(write)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    def prepare(self) -> None:
        """Bring what is on disk under the newest key, before the first letter is written."""
        self._executor.submit(self._prepare)

    async def close(self) -> None:
        """Write what waits and close the file; a disk that hangs is left to itself."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=limits.channel_close_seconds_max)
        self._executor.shutdown(wait=False)
        self._store.close()

    def _prepare(self) -> None:
        try:
            self._store.reseal()
        except StorageError as error:
            LOG.warning("dead letters stay under the key they have: %s", error)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            writes: list[StoreDeadLetters] = []
            letters: list[dict[str, Any]] = []
            first = self._waiting[0]
            if isinstance(first, EraseLetters):
                self._waiting.popleft()
                await self._erase(first)
                continue
            while self._waiting and len(letters) < limits.dead_letters_write_max:
                write = self._waiting[0]
                if isinstance(write, EraseLetters):
                    break
                self._waiting.popleft()
                writes.append(write)
                letters += write.letters
            try:
                await loop.run_in_executor(self._executor, self._store.append, letters)
                self.error = ""
            except StorageError as error:
                if not self.error:
                    LOG.warning("dead letters are lost: %s", error)
                self.error = str(error)
            stored = not self.error
            for write in writes:
                self._on_stored(write.token, stored)

    async def _erase(self, erase: EraseLetters) -> None:
        eraser, error = Eraser(self._marks, erase.facts["user"]), ""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._executor, self._store.rewrite, eraser.letter)
        except StorageError as failure:
            error = str(failure)
            LOG.warning("dead letters still hold an erased user: %s", error)
        self._on_erased(erase, error)
