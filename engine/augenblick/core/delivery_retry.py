"""When a failed attempt of an action is made again, and when it is given up."""

from collections.abc import Callable
from dataclasses import dataclass

from augenblick import limits
from augenblick.errors import DeliveryFailed


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter, bounded in attempts and in total time.

    After attempt n the wait is drawn evenly from 0 up to backoff_first_ms * 2^(n-1), at most
    backoff_ms_max: with full jitter, a target that comes back is not met by all waiting deliveries
    at one instant.
    `Retry-After` of the target is a lower bound of the wait, itself at most `retry_after_ms_max`.
    """

    attempts_max: int = limits.delivery_attempts_max
    total_ms_max: int = limits.delivery_total_ms_max
    backoff_first_ms: int = 500
    backoff_ms_max: int = limits.delivery_backoff_ms_max
    retry_after_ms_max: int = limits.delivery_retry_after_ms_max

    def pause_ms(self, failure: DeliveryFailed) -> int:
        """How long the target asked not to be called; 0 if it did not."""
        return min(max(failure.retry_after_ms or 0, 0), self.retry_after_ms_max)

    def next_attempt_ms(
        self,
        failure: DeliveryFailed,
        *,
        attempts: int,
        received_ms: float,
        now_ms: float,
        random: Callable[[], float],
    ) -> float | None:
        """The instant of the next attempt; None when the delivery is given up.

        `attempts` were made so far, the failed one included. `random` draws from [0, 1).
        """
        if not failure.retryable or attempts >= self.attempts_max:
            return None
        ceiling_ms = min(self.backoff_ms_max, self.backoff_first_ms << min(attempts - 1, 40))
        wait_ms = max(int(random() * ceiling_ms), self.pause_ms(failure))
        due_ms = now_ms + wait_ms
        return due_ms if due_ms - received_ms <= self.total_ms_max else None
