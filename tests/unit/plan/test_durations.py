"""Durations as a plan writes them."""

import pytest

from augenblick import limits
from augenblick.plan.durations import format_duration, parse_duration

RIGHT = [
    ("0s", 0),
    ("1ms", 1),
    ("250ms", 250),
    ("30s", 30_000),
    ("5m", 300_000),
    ("12h", 43_200_000),
    ("7d", 604_800_000),
    ("36500d", limits.duration_ms_max),
    (" 5m ", 300_000),
]


@pytest.mark.parametrize(("text", "duration_ms"), RIGHT)
def test_parse(text, duration_ms):
    assert parse_duration(text) == duration_ms


@pytest.mark.parametrize(
    "text",
    ["", "5", "m", "5 m", "1.5h", "-5m", "+5m", "5w", "5M", "1h30m", "5min", "٣s", "5e3s", "∞"],
)
def test_no_duration(text):
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["36501d", "9" * 18 + "ms", "9" * 5000 + "ms"])
def test_too_long(text):
    with pytest.raises(ValueError, match="longer than 36500d"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [(0, "0s"), (1, "1ms"), (999, "999ms"), (60_000, "1m"), (90_000, "90s"), (86_400_000, "1d")],
)
def test_format_is_the_shortest(duration_ms, text):
    assert format_duration(duration_ms) == text


@pytest.mark.parametrize("duration_ms", [0, 1, 999, 1000, 59_999, 3_600_000, 86_399_999, 10**12])
def test_format_and_parse_agree(duration_ms):
    assert parse_duration(format_duration(duration_ms)) == duration_ms
