"""The syntax tree of a condition, as written: names are not looked up yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

CompareSign = Literal["==", "!=", "<", "<=", ">", ">="]
ArithmeticSign = Literal["+", "-", "*", "/"]


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant; a duration is whole milliseconds."""

    value: bool | int | float | str
    at: int


@dataclass(frozen=True, slots=True)
class Name:
    """A bare or dotted name: ``spend_24h``, ``view.price``."""

    parts: tuple[str, ...]
    at: int

    @property
    def text(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    """``not x``"""

    operand: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Negative:
    """``-x``"""

    operand: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Logic:
    """``x and y`` or ``x or y``, of two or more."""

    is_and: bool
    operands: tuple["Node", ...]
    at: int


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """``x + y`` and its kind."""

    sign: ArithmeticSign
    left: "Node"
    right: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Compare:
    """``x < y`` and its kind; a chain is a Logic of these."""

    sign: CompareSign
    left: "Node"
    right: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class In:
    """``x in y``; ``y`` is a Several or one value."""

    left: "Node"
    right: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Several:
    """``[a, b]`` or ``(a, b)`` after ``in``: the values themselves."""

    items: tuple["Node", ...]
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """``function(a, b)``"""

    function: str
    arguments: tuple["Node", ...]
    at: int


Node = Constant | Name | Not | Negative | Logic | Arithmetic | Compare | In | Several | Call


def names_in(node: Node) -> list[Name]:
    """Every name in a condition, left to right."""
    return [below for below in walk(node) if isinstance(below, Name)]


def calls_in(node: Node) -> list[Call]:
    """Every call in a condition, left to right."""
    return [below for below in walk(node) if isinstance(below, Call)]


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it, left to right. Keeps its own stack: a tree may be deep."""
    waiting = [node]
    while waiting:
        below = waiting.pop()
        yield below
        waiting.extend(reversed(_children(below)))


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case Name() | Constant():
            return ()
        case Not(operand, _) | Negative(operand, _):
            return (operand,)
        case Logic(_, items, _) | Several(items, _) | Call(_, items, _):
            return items
        case Arithmetic(_, left, right, _) | Compare(_, left, right, _) | In(left, right, _):
            return (left, right)
