"""Signs of life of the process that owns a shard's directory."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from augenblick import limits

_BUSY_SHARE = 0.1  # of a processor; on a crowded machine a busy process gets no more


class Pulse:
    """`touch` about once in `every_seconds`, for as long as the event loop says `beat`.

    A loop that does not come round because the process works (a jump of the clock makes a million
    firings due) is not silent: a thread gives its signs, for at most `busy_seconds_max`. A process
    that is stopped, or waits for something that does not come, gives none.
    """

    def __init__(
        self,
        touch: Callable[[], None],
        *,
        every_seconds: float = 1.0,
        busy_seconds_max: float = limits.lock_busy_seconds_max,
    ) -> None:
        self._touch = touch
        self._every_seconds = every_seconds
        self._busy_seconds_max = busy_seconds_max
        self._beat_at = float("-inf")
        threading.Thread(target=self._run, name="pulse", daemon=True).start()

    def beat(self) -> None:
        """The event loop has come round."""
        now = time.monotonic()
        if now - self._beat_at > self._every_seconds:
            self._beat_at = now
            self._touch()

    def _run(self) -> None:
        used = time.process_time()
        while True:
            time.sleep(self._every_seconds)
            before, used = used, time.process_time()
            is_busy = used - before > _BUSY_SHARE * self._every_seconds
            silent_seconds = time.monotonic() - self._beat_at
            if is_busy and self._every_seconds < silent_seconds < self._busy_seconds_max:
                with contextlib.suppress(OSError):
                    self._touch()
