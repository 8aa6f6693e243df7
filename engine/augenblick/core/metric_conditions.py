"""Evaluates the bytecode of metric conditions and metric values.

They run once per closed window and group in the coordinator, so plain Python is quick enough; the
per-event conditions run in the kernel. No event is at hand: fields and features are missing.
Semantics are those of the plan's conditions: two-valued logic, a comparison with a missing or
wrongly typed operand is false, arithmetic with missing or a zero divisor is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from augenblick.errors import OurError
from augenblick.plan.program import Constant, Op

Number = int | float
_EARTH_km: Final = 6371.0088
_INT_min: Final = -(2**63)
_INT_max: Final = 2**63 - 1


def evaluate(
    code: Sequence[int], consts: Sequence[Constant], metric: Callable[[int], Any]
) -> bool | int | float | str | None:
    """The code's result; `metric(i)` gives metric i's value or None (missing)."""
    stack: list[Any] = []
    at = 0
    while True:
        op, operand = code[at] & 0xFF, code[at] >> 8
        at += 1
        if op == Op.END:
            result: bool | int | float | str | None = stack[-1]
            return result
        if op == Op.CONST:
            stack.append(consts[operand])
        elif op == Op.METRIC:
            stack.append(metric(operand))
        elif op in (Op.AND_JUMP, Op.OR_JUMP):
            is_true = stack[-1] is True
            if is_true == (op == Op.OR_JUMP):
                stack[-1] = is_true
                at = operand
            else:
                stack.pop()
        elif op in (Op.FIELD, Op.OWN, Op.FEATURE, Op.SEGMENT):
            stack.append(None)
        elif op in (Op.FIELD_OF, Op.OWN_OF):
            stack.append(None)
            at += 1
        else:
            _apply(op, operand, stack)


def _apply(op: int, operand: int, stack: list[Any]) -> None:
    """Run one op that only touches the stack."""
    if op in _ONE:
        stack[-1] = _ONE[op](stack[-1])
    elif op in _TWO:
        right = stack.pop()
        stack[-1] = _TWO[op](stack[-1], right)
    elif op in (Op.MIN, Op.MAX, Op.IN):
        arguments = stack[len(stack) - operand :]
        del stack[len(stack) - operand :]
        if op == Op.IN:
            value = stack.pop()
            stack.append(any(_equal(value, one) for one in arguments))
        else:
            stack.append(_extreme(min if op == Op.MIN else max, arguments))
    elif op == Op.DISTANCE_KM:
        places = stack[-4:]
        del stack[-4:]
        stack.append(_distance_km(places))
    else:
        raise OurError(f"condition op {op} has no meaning across users")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> Number | None:
    """An arithmetic result: an integer beyond 64 bits becomes a float."""
    if isinstance(value, int) and not _INT_min <= value <= _INT_max:
        return float(value)
    return value if _is_number(value) else None


def _arithmetic(act: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Number | None]:
    def run(left: Any, right: Any) -> Number | None:
        if not (_is_number(left) and _is_number(right)):
            return None
        return _number(act(left, right))

    return run


def _on_number(act: Callable[[Any], Any]) -> Callable[[Any], Number | None]:
    return lambda value: _number(act(value)) if _is_number(value) else None


def _equal(left: Any, right: Any) -> bool:
    if _is_number(left) and _is_number(right):
        return bool(left == right)
    return left is not None and type(left) is type(right) and left == right


def _differs(left: Any, right: Any) -> bool:
    same_kind = type(left) is type(right) or (_is_number(left) and _is_number(right))
    return left is not None and same_kind and left != right


def _ordered(act: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def run(left: Any, right: Any) -> bool:
        texts = isinstance(left, str) and isinstance(right, str)
        return (texts or (_is_number(left) and _is_number(right))) and act(left, right)

    return run


def _extreme(choose: Callable[[list[Any]], Any], values: list[Any]) -> Number | None:
    if not all(_is_number(value) for value in values):
        return None
    return _number(choose(values))


def _on_texts(act: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda left, right: isinstance(left, str) and isinstance(right, str) and act(left, right)


def _distance_km(places: list[Any]) -> float | None:
    """Haversine on a sphere of the earth's mean radius, as the kernel has it."""
    if not all(_is_number(value) for value in places):
        return None
    lat, lon, other_lat, other_lon = (math.radians(value) for value in places)
    if abs(places[0]) > 90 or abs(places[2]) > 90:
        return None
    across = math.cos(lat) * math.cos(other_lat) * math.sin((other_lon - lon) / 2) ** 2
    part = math.sin((other_lat - lat) / 2) ** 2 + across
    return 2 * _EARTH_km * math.asin(math.sqrt(min(part, 1.0)))


def _divide(left: Number, right: Number) -> float | None:
    return left / right if right else None


_ONE: Final[dict[int, Callable[[Any], Any]]] = {
    Op.NEG: _on_number(lambda value: -value),
    Op.ABS: _on_number(abs),
    Op.ROUND: _on_number(round),
    Op.NOT: lambda value: value is not True,
    Op.EXISTS: lambda value: value is not None,
    Op.LOWER: lambda value: value.lower() if isinstance(value, str) else None,
}
_TWO: Final[dict[int, Callable[[Any, Any], Any]]] = {
    Op.ADD: _arithmetic(lambda left, right: left + right),
    Op.SUB: _arithmetic(lambda left, right: left - right),
    Op.MUL: _arithmetic(lambda left, right: left * right),
    Op.DIV: _arithmetic(_divide),
    Op.EQ: _equal,
    Op.NE: _differs,
    Op.LT: _ordered(lambda left, right: left < right),
    Op.LE: _ordered(lambda left, right: left <= right),
    Op.GT: _ordered(lambda left, right: left > right),
    Op.GE: _ordered(lambda left, right: left >= right),
    Op.IN_VALUE: _on_texts(lambda part, text: part in text),
    Op.STARTSWITH: _on_texts(str.startswith),
    Op.CONTAINS: _on_texts(lambda text, part: part in text),
}
