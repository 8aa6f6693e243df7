"""Write lines from an event loop without ever blocking it."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from augenblick import limits
from augenblick.errors import DeliveryFailed

_TO_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode_line(record: dict[str, Any]) -> bytes:
    """One record as one line of JSON; raises DeliveryFailed for one that JSON cannot hold."""
    try:
        return _TO_JSON.encode(record).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise DeliveryFailed(f"no JSON can hold the record: {error}", retryable=False) from None


class LineWriter:
    """Lines in order, written by one thread of its own; what waits meanwhile is written at once.

    `write` gets the joined lines and returns when they are where they shall be; if it raises
    OSError, none of them counts as written.
    """

    def __init__(self, write: Callable[[bytes], None], name: str) -> None:
        self._write = write
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"write-{name}")
        self._waiting: deque[tuple[bytes, asyncio.Future[None]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def add(self, line: bytes) -> None:
        """Return when the line (or lines) is written; raises DeliveryFailed when it is not."""
        if len(self._waiting) >= limits.channel_lines_max:
            raise DeliveryFailed("too many lines wait to be written", retryable=True)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((line, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        await done

    async def add_all(self, records: Iterable[dict[str, Any]]) -> list[DeliveryFailed | None]:
        """Return when all records are written as lines: of each why it is not, or None."""
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
        if self._task is not None:
            await asyncio.wait([self._task], timeout=limits.channel_close_seconds_max)
        self._executor.shutdown(wait=False)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = [entry for entry in self._waiting if not entry[1].done()]  # not given up
            self._waiting.clear()
            failure: DeliveryFailed | None = None
            try:
                joined = b"".join(line for line, _ in batch)
                await loop.run_in_executor(self._executor, self._write, joined)
            except OSError as error:
                failure = DeliveryFailed(error.strerror or str(error), retryable=True)
            for _, done in batch:
                if not done.done():
                    done.set_result(None) if failure is None else done.set_exception(failure)
