"""Durations as a plan writes them: a whole number and a unit, ``250ms 30s 5m 12h 7d``.

Called by the model (``over``, ``within``, ...) and by the tokenizer of conditions. Inside the
engine a duration is whole milliseconds.
"""

import re

from augenblick import limits

UNITS_MS: dict[str, int] = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"([0-9]+)(ms|s|m|h|d)", re.ASCII)
_DIGITS_MAX = 18


def parse_duration(text: str) -> int:
    """Milliseconds of a duration. Raises ValueError with one sentence when it is none."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"{text!r} is no duration; write a whole number and a unit: 250ms 30s 5m 12h 7d"
        )
    digits, unit = match.groups()
    if len(digits) > _DIGITS_MAX or int(digits) * UNITS_MS[unit] > limits.duration_ms_max:
        raise ValueError(f"{text!r} is longer than {format_duration(limits.duration_ms_max)}")
    return int(digits) * UNITS_MS[unit]


def format_duration(duration_ms: int) -> str:
    """The shortest text that ``parse_duration`` reads as the same number; 0 is ``0s``."""
    if duration_ms == 0:
        return "0s"
    for unit in ("d", "h", "m", "s"):
        if duration_ms % UNITS_MS[unit] == 0:
            return f"{duration_ms // UNITS_MS[unit]}{unit}"
    return f"{duration_ms}ms"
