"""A shard's part of a savepoint on its way to its place, written by a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from augenblick import limits
from augenblick.core.effects import Save
from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.formats.packs import SHARD_UNIT
from augenblick.errors import AugenblickError

_POSITION: Final = 0  # whoever starts from it has no journal yet


class _Part:
    """One savepoint's part."""

    def __init__(self, name: str, make: Callable[[], Checkpoint], epoch: int) -> None:
        self.name = name
        self.bytes = 0
        self.waiting_bytes = 0
        self.units: list[tuple[int, bytes]] = []
        self.is_whole = False
        self.is_busy = False
        self._make = make
        self._epoch = epoch
        self._checkpoint: Checkpoint | None = None

    def write(self, units: list[tuple[int, bytes]]) -> None:
        """On the writer's thread."""
        if self._checkpoint is None:
            self._checkpoint = self._make()
            self._checkpoint.open(self._epoch)
        for unit, data in units:
            self._checkpoint.add(unit, _POSITION, data)
        self._checkpoint.commit()


class ShardSaver:
    """One per shard, on its event loop. `make(url)`: the part's files in a savepoint's folder, to
    be opened with `epoch`. `on_saving(waiting_bytes)` asks the core for more, `on_saved(name,
    bytes, error)` is said once for each part that comes to an end.
    """

    def __init__(
        self,
        make: Callable[[str], Checkpoint],
        epoch: int,
        *,
        on_saving: Callable[[int], None],
        on_saved: Callable[[str, int, str], None],
    ) -> None:
        self._make = make
        self._epoch = epoch
        self._on_saving = on_saving
        self._on_saved = on_saved
        self._loop = asyncio.get_running_loop()
        self._writer = ThreadPoolExecutor(1, "savepoint")
        self._part: _Part | None = None
        self._is_asked = False

    def save(self, one: Save) -> None:
        """A unit; the first one of a name begins its part."""
        part = self._part
        if part is None or part.name != one.name:
            part = self._part = _Part(one.name, lambda: self._make(one.url), self._epoch)
        part.units.append((one.unit, one.data))
        part.bytes += len(one.data)
        part.waiting_bytes += len(one.data)
        part.is_whole = one.unit == SHARD_UNIT
        if not self._is_asked:
            self._is_asked = True
            self._loop.call_soon(self._turn)

    def drop(self, name: str) -> None:
        """Write no more of it."""
        if self._part is not None and self._part.name == name:
            self._part = None

    def _turn(self) -> None:
        """Everything of this turn is here: write what makes a pack, ask for more."""
        self._is_asked = False
        part = self._part
        if part is None:
            return
        unwritten = sum(len(data) for _, data in part.units)
        is_enough = part.is_whole or unwritten >= limits.checkpoint_pack_bytes_max
        if is_enough and part.units and not part.is_busy:
            self._start(part, unwritten)
        if not part.is_whole:
            self._on_saving(part.waiting_bytes)

    def _start(self, part: _Part, count: int) -> None:
        part.is_busy = True
        units, part.units = part.units, []
        future = self._loop.run_in_executor(self._writer, part.write, units)
        future.add_done_callback(lambda done: self._on_written(part, count, done))

    def _on_written(self, part: _Part, count: int, future: asyncio.Future[None]) -> None:
        part.is_busy = False
        part.waiting_bytes -= count
        error = future.exception()
        if part is not self._part:
            return
        if isinstance(error, AugenblickError | OSError):
            self._part = None
            self._on_saved(part.name, 0, str(error))
        elif error is not None:
            raise error
        elif part.is_whole and not part.units:
            self._part = None
            self._on_saved(part.name, part.bytes, "")
        else:
            self._turn()
