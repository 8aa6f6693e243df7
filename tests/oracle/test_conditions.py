"""Conditions by hand."""

from __future__ import annotations

from typing import Any

import pytest
from tests.oracle import conditions

VALUES: dict[str, Any] = {"x": 3, "y": 1.5, "s": "shop", "t": True, "items": ["a", "b"], "n": None}
GROUPS: dict[str, Any] = {"g[]": {"a": 2, "b": 5}, "none[]": {}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x + y * 2", 6.0),
        ("x / 0", None),
        ("n + 1", None),
        ("t + 1", None),
        ("x == 3 and y < 2", True),
        ("n != 1", False),
        ("not (n == 1)", True),
        ('x == "3"', False),
        ('x != "3"', False),
        ("t == true", True),
        ("t == 1", False),
        ("exists(n) or exists(x)", True),
        ('s in ["shop", "x"]', True),
        ('"a" in items', True),
        ('"ho" in s', True),
        ("x", 3),
        ("not x", True),
        ("5m", 300_000),
        ('s == "5m"', False),
        ("x < 5ms", True),
        ("-x", -3),
        ("abs(0 - x)", 3),
        ("max(x, y)", 3),
        ("min(x, n)", None),
        ("max(g)", 5),
        ("sum(g)", 7),
        ("max(none)", None),
        ('startswith(s, "sh")', True),
        ('contains(lower("SHOP"), s)', True),
        ("1 < x < 4", True),
    ],
)
def test_values(text: str, value: Any) -> None:
    found = conditions.evaluate(text, (VALUES | GROUPS).get)
    assert (found, type(found)) == (value, type(value))


def test_names() -> None:
    assert conditions.names("max(a) > b.c and a + d < 5m") == ["a", "b.c", "d"]
    assert conditions.reduced_names("max(a) > b + sum(d)") == {"a", "d"}


@pytest.mark.parametrize(
    ("text", "ms"), [("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("7d", 604_800_000)]
)
def test_durations(text: str, ms: int) -> None:
    assert conditions.parse_duration(text) == ms
