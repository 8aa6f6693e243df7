"""A histogram of durations that merges by addition.

Log-linear like HdrHistogram (http://hdrhistogram.org): 16 steps per doubling, so a percentile is at
most 1/16 above the value counted. Units are whatever the caller counts in; the engine counts
microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_STEP_BITS: Final = 4
_STEPS: Final = 1 << _STEP_BITS


class Histogram:
    """Counts of non-negative whole numbers; one thread."""

    __slots__ = ("_counts", "maximum", "total")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.total = 0
        self.maximum = 0

    def add(self, value: int, count: int = 1) -> None:
        """Count a value so often; a negative one (a clock was set back) counts as 0."""
        value = max(value, 0)
        step = _step_of(value)
        self._counts[step] = self._counts.get(step, 0) + count
        self.total += count
        self.maximum = max(self.maximum, value)

    def percentile(self, share: float) -> int | None:
        """The smallest counted step's upper end that at least `share` (0 to 1) of all values do not
        pass; None if nothing was counted.
        """
        if not self.total:
            return None
        wanted = share * self.total
        seen = 0
        for step in sorted(self._counts):
            seen += self._counts[step]
            if seen >= wanted:
                return min(_end_of(step), self.maximum)
        return self.maximum

    def to_plain(self) -> dict[str, object]:
        """As plain values for a message; `merge` takes them."""
        return {"maximum": self.maximum, "counts": dict(self._counts)}

    def merge(self, plain: Mapping[str, object]) -> None:
        """Add what another histogram counted."""
        counts, maximum = plain["counts"], plain["maximum"]
        if not isinstance(counts, dict) or not isinstance(maximum, int):
            raise TypeError("not a histogram's plain form")
        for step, count in counts.items():
            self._counts[step] = self._counts.get(step, 0) + count
            self.total += count
        self.maximum = max(self.maximum, maximum)


def _step_of(value: int) -> int:
    doublings = max(value.bit_length() - _STEP_BITS - 1, 0)
    return (doublings << _STEP_BITS) + (value >> doublings)


def _end_of(step: int) -> int:
    if step < 2 * _STEPS:
        return step
    doublings = (step >> _STEP_BITS) - 1
    return ((step - (doublings << _STEP_BITS) + 1) << doublings) - 1
