"""What a start of the whole engine means for a shard's clock and its timers. Pure.

While the engine was away its clock stood. After the start it stands on for a while (the gateways
see to that: `gateway_begin`), then it catches up, and timers that were due meanwhile fire: in time
order, each with `late_by`. That is by how many ms its `fired_at` is later than the instant at which
it would have fired had the clock gone on.
"""

from __future__ import annotations

from typing import Any

from augenblick.binding.kernel import Outputs
from augenblick.binding.releases import Release
from augenblick.core.metrics import NO_CLOCK


class LateTimers:
    """Told of every call of the kernel by the shard's core and, in the same order, by a replay.

    `rose_ms`: the wall clock when the shard's clock last rose.
    """

    def __init__(self) -> None:
        self.rose_ms = 0
        self._clock_ms = NO_CLOCK
        self._base_ms: int | None = None  # the clock that the start found
        self._line_ms = 0  # it went on as the wall clock + this
        self._end_ms: int | None = None  # where it is no longer behind, once it has begun to rise

    @property
    def is_standing(self) -> bool:
        """Has the clock not moved since a start of the whole engine?"""
        return self._base_ms is not None and self._end_ms is None

    @property
    def away(self) -> tuple[int, int] | None:
        """The latest start's line, and the clock up to which things were due before they could be
        decided: (clock minus wall clock had it gone on, in ms; clock in ms, exclusive). None: not
        known, or nothing has been late.
        """
        return None if self._end_ms is None else (self._line_ms, self._end_ms)

    def on_start(self, clock_ms: int) -> None:
        """The whole engine starts, and the journal left the clock here."""
        if clock_ms != NO_CLOCK:
            self._clock_ms = self._base_ms = clock_ms
            self._line_ms = clock_ms - self.rose_ms
            self._end_ms = None

    def after(self, outputs: Outputs, clock_ms: int, now_ms: int) -> bool:
        """The kernel has been called at `now_ms`, and its clock is now `clock_ms`.

        True: a recovery has to know of this call, even if nothing came of it.
        """
        has_begun = False
        if self._base_ms is not None:
            if self._end_ms is None and clock_ms > self._base_ms:
                self._end_ms = now_ms + self._line_ms
                has_begun = True
            if self._end_ms is not None:
                self._mark(outputs, now_ms)
                if clock_ms >= self._end_ms:
                    self._base_ms = None
        if clock_ms > self._clock_ms:
            self._clock_ms = clock_ms
            self.rose_ms = now_ms
        return has_begun

    def snapshot(self) -> list[Any]:
        """As plain values."""
        return [self.rose_ms, self._clock_ms, self._base_ms, self._line_ms, self._end_ms]

    def restore(self, plain: list[Any]) -> None:
        """Take over what `snapshot` gave."""
        self.rose_ms, self._clock_ms, self._base_ms, self._line_ms, self._end_ms = plain

    def _mark(self, outputs: Outputs, now_ms: int) -> None:
        """Bring what time decided into its order, and say of firings how late they are."""
        assert self._end_ms is not None
        releases = outputs.releases
        for index in outputs.timed:
            plain = releases[index].plain
            record = plain["record"]
            if record["kind"] == "firing" and record["time"] < self._end_ms:
                late_ms = now_ms + self._line_ms - record["time"]
                if late_ms > 0:
                    record["late_by"] = late_ms
                    releases[index] = Release.from_plain(plain)
        releases.sort(key=_instant)


def _instant(release: Release) -> int:
    record = release.record
    at_ms: int = record["time"] if record["kind"] == "firing" else record["end"]
    return at_ms
