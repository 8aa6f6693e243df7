"""Durations and conditions, as the design defines them, evaluated over Python's own syntax tree.

A value is None (missing or null), bool, int, float, str or list; the map {group: value} of a
grouped feature appears only as the argument of a reducing function. Only True is true; a comparison
with a missing or wrongly typed operand is False, `!=` included; arithmetic with a missing operand
or a zero divisor is missing.
"""

from __future__ import annotations

import ast
import itertools
import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from tests.oracle import clocks

UNITS_ms = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<duration>(?<![\w.])\d+(?:ms|s|m|h|d)\b)|(?P<word>[A-Za-z_]\w*)""",
    re.VERBOSE,
)
LITERALS = {"true": "True", "false": "False", "null": "None"}

Lookup = Callable[[str], Any]
REDUCING = ("max", "min", "sum", "any")
EARTH_km = 6371.0088
ZONE, INSTANT = "<zone>", "<instant>"  # names that a lookup knows, and no plan has


def parse_duration(text: Any) -> int:
    """Milliseconds of a duration text such as `30m`; a plain int is milliseconds already."""
    if isinstance(text, int):
        return text
    match = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text)
    if match is None:
        raise ValueError(f"no duration: {text!r}")
    return int(match[1]) * UNITS_ms[match[2]]


@cache
def parse(text: str) -> ast.expr:
    """The syntax tree of a condition: durations become milliseconds, YAML's literals Python's."""

    def plain(match: re.Match[str]) -> str:
        if match["duration"]:
            return str(parse_duration(match["duration"]))
        if match["word"]:
            return LITERALS.get(match["word"], match["word"])
        return match["text"]

    return ast.parse(TOKEN.sub(plain, str(text).strip()), mode="eval").body


def dotted(node: ast.AST) -> str | None:
    """The dotted name that the node spells, or None."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = dotted(node.value)
        return None if left is None else f"{left}.{node.attr}"
    return None


def names(text: str) -> list[str]:
    """Every dotted name that the condition reads, in order of appearance, each once."""
    found: dict[str, None] = {}

    def walk(node: ast.AST) -> None:
        name = dotted(node)
        if name is not None:
            found[name] = None
            return
        children = node.args if isinstance(node, ast.Call) else list(ast.iter_child_nodes(node))
        for child in children:
            walk(child)

    walk(parse(text))
    return list(found)


def compared(text: str) -> list[tuple[str, int]]:
    """(name, number) of each comparison of a name with a number."""
    found = []
    for node in ast.walk(parse(text)):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        for pair in itertools.pairwise(sides):
            for one, other in (pair, pair[::-1]):
                if dotted(one) and isinstance(other, ast.Constant):
                    found.append((str(dotted(one)), math.floor(other.value)))
    return found


def reduces(node: ast.AST) -> bool:
    """Whether it is max(x), min(x), sum(x) or any(x): read for every group, then reduced."""
    return isinstance(node, ast.Call) and dotted(node.func) in REDUCING and len(node.args) == 1


def names_of_group(text: str) -> list[str]:
    """The names that the condition reads for one group: those that stand in no reduction."""
    found: dict[str, None] = {}

    def walk(node: ast.AST) -> None:
        name = dotted(node)
        if name is not None:
            found[name] = None
        elif not reduces(node):
            for child in node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node):
                walk(child)

    walk(parse(text))
    return list(found)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def comparable(left: Any, right: Any) -> bool:
    """Whether an order is defined between the two: numbers with numbers, strings with strings."""
    both_text = isinstance(left, str) and isinstance(right, str)
    return both_text or (is_number(left) and is_number(right))


def same_kind(left: Any, right: Any) -> bool:
    """Whether equality is defined between the two."""
    return comparable(left, right) or (type(left) is type(right) and isinstance(left, bool | list))


COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: lambda x, y: same_kind(x, y) and x == y,
    ast.NotEq: lambda x, y: same_kind(x, y) and x != y,
    ast.Lt: lambda x, y: comparable(x, y) and x < y,
    ast.LtE: lambda x, y: comparable(x, y) and x <= y,
    ast.Gt: lambda x, y: comparable(x, y) and x > y,
    ast.GtE: lambda x, y: comparable(x, y) and x >= y,
    ast.In: lambda x, y: is_member(x, y),
    ast.NotIn: lambda x, y: not is_member(x, y),
}
ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: lambda x, y: x + y,
    ast.Sub: lambda x, y: x - y,
    ast.Mult: lambda x, y: x * y,
    ast.Div: lambda x, y: None if y == 0 else x / y,
}


def is_member(value: Any, container: Any) -> bool:
    if isinstance(container, str):
        return isinstance(value, str) and value in container
    if isinstance(container, list):
        return any(same_kind(value, item) and value == item for item in container)
    return False


def evaluate(text: str, lookup: Lookup) -> Any:
    """The value of the condition or expression.

    `lookup` gives the value of a dotted name, and for `x[]`, x being an expression, the map
    {group: value} of its value for every group: what a reducing function takes.
    """
    return _value(parse(text), lookup)


def is_true(text: str, lookup: Lookup) -> bool:
    return evaluate(text, lookup) is True


def _value(node: ast.expr, lookup: Lookup) -> Any:
    name = dotted(node)
    if name is not None:
        return lookup(name)
    match node:
        case ast.Constant(value=value):
            return value
        case ast.List(elts=items):
            return [_value(item, lookup) for item in items]
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_value(part, lookup) is True for part in parts)
        case ast.BoolOp(values=parts):
            return any(_value(part, lookup) is True for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _value(operand, lookup) is not True
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _value(operand, lookup)
            return -value if is_number(value) else None
        case ast.BinOp(left=left, op=operator, right=right):
            x, y = _value(left, lookup), _value(right, lookup)
            return ARITHMETIC[type(operator)](x, y) if is_number(x) and is_number(y) else None
        case ast.Compare(left=left, ops=operators, comparators=rest):
            values = [_value(part, lookup) for part in (left, *rest)]
            pairs = zip(operators, values[:-1], values[1:], strict=True)
            return all(COMPARE[type(operator)](x, y) for operator, x, y in pairs)
        case ast.Call(func=function, args=arguments):
            called = str(dotted(function))
            if reduces(node):
                return _reduce(called, lookup(f"{ast.unparse(arguments[0])}[]"))
            values = [_value(part, lookup) for part in arguments]
            if called in {"hour", "weekday"}:
                return getattr(clocks, called)(lookup(ZONE), values[0])
            if called == "days_since":
                return clocks.days_since(lookup(ZONE), values[0], lookup(INSTANT))
            return _call(called, values)
    raise ValueError(f"not part of a condition: {ast.dump(node)}")


def _reduce(name: str, groups: Any) -> Any:
    if name == "any":
        return any(value is True for value in groups.values())
    values = [value for value in groups.values() if is_number(value)]
    if name == "sum":
        return sum(values)
    return {"max": max, "min": min}[name](values, default=None)


def distance_km(places: list[Any]) -> float | None:
    """The great circle's length between two places in degrees, by the angle of their vectors."""
    if abs(places[0]) > 90 or abs(places[2]) > 90:
        return None
    vectors = []
    for lat, lon in (places[:2], places[2:]):
        lat, lon = math.radians(lat), math.radians(lon)
        around = math.cos(lat)
        vectors.append((around * math.cos(lon), around * math.sin(lon), math.sin(lat)))
    one, other = vectors
    straight = math.dist(one, other)
    return EARTH_km * 2 * math.asin(min(straight / 2, 1.0))


def _call(name: str, values: list[Any]) -> Any:
    first = values[0]
    if name == "exists":
        return first is not None
    if name in {"max", "min"}:
        if not all(is_number(value) for value in values):
            return None
        return {"max": max, "min": min}[name](values)
    if name == "abs":
        return abs(first) if is_number(first) else None
    if name == "round":
        if not is_number(first):
            return None
        return first if isinstance(first, int) else float(round(first))
    if name == "distance_km":
        return distance_km(values) if all(is_number(value) for value in values) else None
    if name == "lower":
        return first.lower() if isinstance(first, str) else None
    both_text = len(values) == 2 and all(isinstance(value, str) for value in values)
    if name == "startswith":
        return both_text and first.startswith(values[1])
    if name == "contains":
        return both_text and values[1] in first
    raise ValueError(f"unknown function {name!r}")
