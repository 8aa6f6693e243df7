"""Conditions by hand."""

from __future__ import annotations

from typing import Any

import pytest
from tests.oracle import conditions

VALUES: dict[str, Any] = {
    "x": 3, "y": 1.5, "s": "shop", "t": True, "items": ["a", "b"], "n": None,
    conditions.ZONE: "Europe/Berlin", conditions.INSTANT: 0,
}  # fmt: skip
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
        ("sum(none)", 0),
        ("any(none)", False),
        ("round(y)", 2.0),
        ("round(-2.5)", -2.0),
        ("hour(x)", 1),  # 1970-01-01 in Berlin
        ("weekday(x)", 4),
        ("weekday(0 - 26h)", 2),
        ("days_since(0 - 26h)", 2),
        ("hour(n)", None),
        ("round(distance_km(52.52, 13.405, 48.137, 11.575))", 504.0),
        ("distance_km(0, 0, 0, 0)", 0.0),
        ("distance_km(91, 0, 0, 0)", None),
        ("distance_km(0, n, 0, 0)", None),
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
    assert conditions.names_of_group("max(a) > b + sum(d)") == ["b"]


@pytest.mark.parametrize(
    ("text", "ms"), [("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("7d", 604_800_000)]
)
def test_durations(text: str, ms: int) -> None:
    assert conditions.parse_duration(text) == ms
