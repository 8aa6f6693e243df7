"""Who is busy is not silent; who waits is."""

import time

from augenblick.actors.pulse import Pulse

EVERY_SECONDS = 0.05


def _work(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(1000))


def test_beats_are_passed_on_once_an_interval():
    touched: list[float] = []
    pulse = Pulse(lambda: touched.append(time.monotonic()), every_seconds=60)
    for _ in range(10):
        pulse.beat()
    assert len(touched) == 1


def test_a_loop_that_is_busy_gives_signs():
    touched: list[float] = []
    pulse = Pulse(lambda: touched.append(time.monotonic()), every_seconds=EVERY_SECONDS)
    pulse.beat()
    _work(1)
    assert len(touched) >= 3


def test_a_loop_that_waits_gives_none():
    touched: list[float] = []
    pulse = Pulse(lambda: touched.append(time.monotonic()), every_seconds=1)
    pulse.beat()
    time.sleep(2.5)
    assert len(touched) == 1


def test_a_loop_that_never_comes_round_is_given_up():
    touched: list[float] = []
    pulse = Pulse(
        lambda: touched.append(time.monotonic()), every_seconds=EVERY_SECONDS, busy_seconds_max=0.3
    )
    pulse.beat()
    begin = time.monotonic()
    _work(1)
    assert max(touched) - begin < 0.6
