"""When a failed attempt is made again."""

import pytest

from augenblick.core.delivery_retry import RetryPolicy
from augenblick.errors import DeliveryFailed

POLICY = RetryPolicy(
    attempts_max=5,
    total_ms_max=100_000,
    backoff_first_ms=100,
    backoff_ms_max=1_000,
    retry_after_ms_max=60_000,
)


def next_ms(failure: DeliveryFailed, attempts: int, share: float, received_ms: float = 0) -> object:
    return POLICY.next_attempt_ms(
        failure, attempts=attempts, received_ms=received_ms, now_ms=1_000, random=lambda: share
    )


def failed(*, retryable: bool = True, retry_after_ms: int | None = None) -> DeliveryFailed:
    return DeliveryFailed("no", retryable=retryable, retry_after_ms=retry_after_ms)


@pytest.mark.parametrize(
    ("attempts", "share", "expected"),
    [(1, 0.0, 1000), (1, 0.5, 1050), (2, 0.5, 1100), (3, 0.5, 1200), (4, 0.999, 1799)],
)
def test_backoff_doubles_and_jitter_spans_all_of_it(
    attempts: int, share: float, expected: int
) -> None:
    assert next_ms(failed(), attempts, share) == expected


def test_backoff_is_bounded() -> None:
    policy = RetryPolicy(attempts_max=100, backoff_ms_max=1_000)
    due = policy.next_attempt_ms(
        failed(), attempts=99, received_ms=0, now_ms=0, random=lambda: 0.999
    )
    assert due == 999


def test_a_permanent_failure_is_not_repeated() -> None:
    assert next_ms(failed(retryable=False), 1, 0.5) is None


def test_attempts_are_bounded() -> None:
    assert next_ms(failed(), 4, 0.5) is not None
    assert next_ms(failed(), 5, 0.5) is None


def test_total_time_is_bounded_inclusively() -> None:
    assert next_ms(failed(), 1, 0.0, received_ms=1_000 - 100_000) == 1_000
    assert next_ms(failed(), 1, 0.0, received_ms=999 - 100_000) is None


def test_retry_after_is_a_lower_bound_and_bounded_itself() -> None:
    assert next_ms(failed(retry_after_ms=5_000), 1, 0.5) == 6_000
    assert next_ms(failed(retry_after_ms=10), 1, 0.5) == 1_050
    assert next_ms(failed(retry_after_ms=10**12), 1, 0.5) == 61_000
    assert POLICY.pause_ms(failed(retry_after_ms=-5)) == 0
