"""Looks up the names of a condition and checks its types: syntax tree in, ``Resolved`` out.

What a name means depends on where the condition stands; a ``Scope`` says it. Called by every part
of the plan that has a condition, through ``Checking.condition``.
"""

from typing import Protocol

from augenblick.plan.conditions import typing_rules as rules
from augenblick.plan.conditions.functions import (
    FUNCTIONS,
    NOT_BUILT,
    REDUCTIONS,
    function_not_built,
)
from augenblick.plan.conditions.parser import parse
from augenblick.plan.conditions.reductions import reduction
from augenblick.plan.conditions.syntax import (
    Arithmetic,
    Call,
    Compare,
    Constant,
    In,
    Logic,
    Name,
    Negative,
    Node,
    Not,
    Several,
)
from augenblick.plan.conditions.tokens import ConditionError
from augenblick.plan.problems import known_names
from augenblick.plan.resolved import Operation, Resolved, Type

ARITHMETIC: dict[str, Operation] = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
COMPARE: dict[str, Operation] = {
    "==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge",
}  # fmt: skip
CONSTANT_TYPES = {bool: Type.BOOL, int: Type.NUMBER, float: Type.NUMBER, str: Type.TEXT}


class Scope(Protocol):
    """What names mean in one place."""

    def resolve(self, parts: tuple[str, ...], at: int) -> Resolved:
        """The value of a bare or dotted name. Raises ConditionError."""


def resolve_condition(text: str, scope: Scope) -> Resolved:
    """A condition: its result is a yes or no. Raises ConditionError."""
    node = parse(text)
    resolved = resolve(node, scope)
    if resolved.type not in (Type.BOOL, Type.ANY):
        raise ConditionError(
            f"a condition is a yes or no, and this is {resolved.type}; compare it with something",
            node.at,
        )
    return resolved


def resolve_expression(text: str, scope: Scope) -> Resolved:
    """An expression of any type. Raises ConditionError."""
    return resolve(parse(text), scope)


def resolve(node: Node, scope: Scope) -> Resolved:
    """One node of the syntax tree and all below it."""
    match node:
        case Constant(value):
            return Resolved("const", CONSTANT_TYPES[type(value)], target=value)
        case Name(parts, at):
            return scope.resolve(parts, at)
        case Not(operand, at):
            inner = resolve(operand, scope)
            rules.check_yes_or_no(inner, "not", operand.at)
            return Resolved("not", Type.BOOL, (inner,))
        case Logic(is_and, operands, _):
            return _logic(is_and, operands, scope)
        case Negative(operand, at):
            inner = resolve(operand, scope)
            rules.check_number(inner, "-", at)
            return Resolved("neg", Type.NUMBER, (inner,))
        case Arithmetic(sign, left, right, at):
            pair = resolve(left, scope), resolve(right, scope)
            kind = rules.arithmetic_type(sign, *pair, at)
            return Resolved(ARITHMETIC[sign], kind, pair)
        case Compare(sign, left, right, at):
            pair = resolve(left, scope), resolve(right, scope)
            rules.check_comparable(sign, *pair, at)
            return Resolved(COMPARE[sign], Type.BOOL, pair)
        case In(left, right, at):
            return _contained(left, right, at, scope)
        case Call(function, arguments, at):
            return _call(function, arguments, at, scope)
        case Several(_, at):
            raise ConditionError("a list stands only after `in`", at)


def _logic(is_and: bool, operands: tuple[Node, ...], scope: Scope) -> Resolved:
    resolved = []
    for operand in operands:
        inner = resolve(operand, scope)
        rules.check_yes_or_no(inner, "and" if is_and else "or", operand.at)
        resolved.append(inner)
    return Resolved("and" if is_and else "or", Type.BOOL, tuple(resolved))


def _contained(left: Node, right: Node, at: int, scope: Scope) -> Resolved:
    value = resolve(left, scope)
    if isinstance(right, Several):
        if not right.items:
            raise ConditionError("the list after `in` is empty", right.at)
        items = tuple(resolve(item, scope) for item in right.items)
        for item, node in zip(items, right.items, strict=True):
            rules.check_comparable("==", value, item, node.at)
        return Resolved("in", Type.BOOL, (value, *items))
    container = resolve(right, scope)
    rules.check_container(value, container, at, right.at)
    return Resolved("in_value", Type.BOOL, (value, container))


def _call(name: str, arguments: tuple[Node, ...], at: int, scope: Scope) -> Resolved:
    if name in REDUCTIONS and len(arguments) == 1:
        return reduction(name, resolve(arguments[0], scope), at, arguments[0].at)
    if name in NOT_BUILT:
        raise function_not_built(name, at)
    function = FUNCTIONS.get(name)
    if function is None:
        raise ConditionError(f"unknown function {name!r}; {known_names(name, FUNCTIONS)}", at)
    if not function.arguments_min <= len(arguments) <= function.arguments_max:
        raise ConditionError(
            f"{name} does not take {len(arguments)} values; write {function.example}", at
        )
    resolved = tuple(resolve(argument, scope) for argument in arguments)
    for value, node in zip(resolved, arguments, strict=True):
        rules.check_takes(value, function.takes, name, node.at)
    gives = function.gives or rules.common_type(resolved)
    return Resolved(function.operation, gives, resolved)
