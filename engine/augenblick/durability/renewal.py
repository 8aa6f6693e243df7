"""When a shard renews its files, so that nothing in them is older than the operator allows. Pure.

A renewal begins a journal segment and a round of snapshots; once all of those are written, what the
round has taken the place of is removed from the packs and the journal. One follows each half of the
age, and an erasure that waits for longer than that makes them follow quickly until it is through.
"""

from __future__ import annotations

from typing import Final

_QUICK_SHARE: Final = 16
_QUICK_seconds_min: Final = 1.0


class Renewal:
    """Times are seconds of any one clock that does not step back."""

    def __init__(self, age_max_seconds: float, now: float) -> None:
        self._half = age_max_seconds / 2
        self._quick = max(age_max_seconds / _QUICK_SHARE, _QUICK_seconds_min)
        self._begun = now
        self._from: int | None = None

    def is_due(self, now: float, waits_seconds: float | None) -> bool:
        """Is one to begin? `waits_seconds`: how long the oldest erasure has been running."""
        if self._from is not None:
            return False
        is_late = waits_seconds is not None and waits_seconds >= self._half
        return now - self._begun >= (min(self._quick, self._half) if is_late else self._half)

    def begin(self, position: int, now: float) -> None:
        """It begins, and the journal ends here."""
        self._begun, self._from = now, position

    def may_clean(self, tail: int) -> bool:
        """Is what is older no longer needed? Nobody reads the journal below `tail`."""
        return self._from is not None and tail >= self._from

    def end(self) -> None:
        """What was older has been removed, or could not be: then the next one tries."""
        self._from = None
