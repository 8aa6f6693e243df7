"""Write lines from an event loop without ever blocking it."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue

from augenblick import limits
from augenblick.binding.releases import to_json
from augenblick.errors import DeliveryFailed

_Entry = tuple[bytes, asyncio.Future[None]]


def encode_line(packed: bytes) -> bytes:
    """One packed record as one line of JSON; raises DeliveryFailed for one JSON cannot hold."""
    try:
        return to_json(packed) + b"\n"
    except ValueError as error:
        raise DeliveryFailed(f"no JSON can hold the record: {error}", retryable=False) from None


class LineWriter:
    """Lines in order, written by one thread of its own; what waits meanwhile is written at once.

    `write` gets the joined lines and returns when they are where they shall be; if it raises
    OSError, none of them counts as written. Made inside the event loop that uses it.
    """

    def __init__(self, write: Callable[[bytes], None], name: str) -> None:
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._lines: SimpleQueue[_Entry | None] = SimpleQueue()  # None: the end
        self._waiting: set[asyncio.Future[None]] = set()
        self._is_closed = False
        # A daemon: a write that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=f"write-{name}", daemon=True)
        self._thread.start()

    async def add(self, line: bytes) -> None:
        """Return when the line (or lines) is written; raises DeliveryFailed when it is not."""
        if len(self._waiting) >= limits.channel_lines_max:
            raise DeliveryFailed("too many lines wait to be written", retryable=True)
        done: asyncio.Future[None] = self._loop.create_future()
        self._waiting.add(done)
        self._lines.put((line, done))
        try:
            await done
        finally:
            self._waiting.discard(done)

    async def add_all(self, records: Iterable[bytes]) -> list[DeliveryFailed | None]:
        """Return when all packed records are written as lines: of each why it is not, or None."""
        lines: list[bytes] = []
        outcomes: list[DeliveryFailed | None] = []
        for record in records:
            try:
                lines.append(encode_line(record))
                outcomes.append(None)
            except DeliveryFailed as failure:
                outcomes.append(failure)
        if not lines:
            return outcomes
        try:
            await self.add(b"".join(lines))
        except DeliveryFailed as failure:
            return [outcome or failure for outcome in outcomes]
        return outcomes

    async def close(self) -> None:
        """Write what waits and end the thread; a write that hangs is left to itself."""
        if self._is_closed:
            return
        self._is_closed = True
        waiting = list(self._waiting)
        self._lines.put(None)
        if waiting:
            await asyncio.wait(waiting, timeout=limits.channel_close_seconds_max)

    def _run(self) -> None:
        """The thread: everything that waits, written together, until the end."""
        is_open = True
        while is_open:
            batch: list[_Entry] = []
            entry = self._lines.get()
            try:
                while entry is not None:
                    if not entry[1].cancelled():  # given up
                        batch.append(entry)
                    entry = self._lines.get_nowait()
                is_open = False
            except Empty:
                pass
            failure: Exception | None = None
            try:
                if batch:
                    self._write(b"".join([line for line, _ in batch]))
            except OSError as error:
                failure = DeliveryFailed(error.strerror or str(error), retryable=True)
            except Exception as error:
                failure = error
            try:
                self._loop.call_soon_threadsafe(self._on_written, batch, failure)
            except RuntimeError:  # the loop has ended before a write that hung
                return

    def _on_written(self, batch: list[_Entry], failure: Exception | None) -> None:
        for _, done in batch:
            if not done.done():
                done.set_result(None) if failure is None else done.set_exception(failure)
