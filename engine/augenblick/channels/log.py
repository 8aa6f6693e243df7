"""The channel `log`: one line of JSON on standard output per record."""

import os
from collections.abc import Sequence
from typing import Any

from augenblick import limits
from augenblick.channels._channel import Attempt, Channel, ChannelSettings
from augenblick.channels._line_writer import LineWriter, encode_line
from augenblick.errors import DeliveryFailed, PlanError

STANDARD_OUTPUT = 1


class LogChannel(Channel):
    """`{log: {}}`; in a cluster the line appears in the log of the delivery process."""

    PARAMETERS = frozenset({"log"})
    concurrency_max = 1
    records_max = limits.delivery_together_max
    apart_ms = limits.delivery_apart_ms

    def __init__(self, action: str, parameters: dict[str, Any], settings: ChannelSettings) -> None:
        unknown = sorted(set(parameters) - self.PARAMETERS)
        if unknown:
            raise PlanError(f"action {action!r}: log has no parameter {unknown[0]!r}")
        if parameters.get("log") not in (None, {}):
            raise PlanError(f"action {action!r}: log is written {{log: {{}}}}")
        self._action = action
        self._writer: LineWriter | None = None

    async def open(self) -> None:
        """Start the thread that writes."""
        self._writer = LineWriter(_write_all, self._action)

    async def deliver(self, attempt: Attempt) -> None:
        """Print the record."""
        assert self._writer is not None
        await self._writer.add(encode_line(attempt.packed))

    async def deliver_all(self, attempts: Sequence[Attempt]) -> list[DeliveryFailed | None]:
        """Print the records."""
        assert self._writer is not None
        return await self._writer.add_all(attempt.packed for attempt in attempts)

    async def close(self) -> None:
        """Print what waits."""
        if self._writer is not None:
            await self._writer.close()


def _write_all(lines: bytes) -> None:
    view = memoryview(lines)
    while view:
        view = view[os.write(STANDARD_OUTPUT, view) :]


CHANNEL = LogChannel
