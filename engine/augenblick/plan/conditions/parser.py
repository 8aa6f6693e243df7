"""Parses a condition. Precedence is Python's: or, and, not, comparison and in, + -, * /, unary -.

Called when a plan is checked, by ``resolution``. What Python has and conditions have not is refused
by name, so that a person sees what to write instead.
"""

from typing import cast

from augenblick import limits
from augenblick.plan.conditions.syntax import (
    Arithmetic,
    ArithmeticSign,
    Call,
    Compare,
    CompareSign,
    Constant,
    In,
    Logic,
    Name,
    Negative,
    Node,
    Not,
    Several,
)
from augenblick.plan.conditions.tokens import ConditionError, Token, tokenize

_COMPARE = ("==", "!=", "<", "<=", ">", ">=")
_WORDS: dict[str, bool] = {"true": True, "True": True, "false": False, "False": False}
_NOTHING = ("null", "None", "none")
_OPERATORS = ("and", "or", "in", "not")
_REFUSED = {
    "is": "`is` is not part of conditions; write exists(x) or ==",
    "if": "`if ... else` is not part of conditions",
    "else": "`if ... else` is not part of conditions",
    "for": "loops are not part of conditions",
    "lambda": "`lambda` is not part of conditions",
    "await": "`await` is not part of conditions",
    "AND": "write `and`",
    "OR": "write `or`",
    "NOT": "write `not`",
}


def parse(text: str) -> Node:
    """The syntax tree of a condition. Raises ConditionError with one sentence and the place."""
    return _Parser(tokenize(text)).parse()


class _Parser:
    """Recursive descent over the tokens of one condition."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._index = 0
        self._depth = 0

    def parse(self) -> Node:
        if self._at_end():
            raise ConditionError("the condition is empty", 0)
        node = self._or()
        if not self._at_end():
            raise self._unexpected()
        return node

    def _at_end(self) -> bool:
        return self._token.kind == "end"

    @property
    def _token(self) -> Token:
        return self._tokens[self._index]

    def _is(self, *values: str) -> bool:
        """Whether the token at hand is one of these signs or operator words."""
        return self._token.kind in ("sign", "name") and self._token.value in values

    def _next(self) -> Token:
        token = self._token
        self._index += 1
        return token

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > limits.condition_depth_max:
            raise ConditionError(f"nested deeper than {limits.condition_depth_max}", self._token.at)

    def _or(self) -> Node:
        self._enter()
        node = self._logic("or")
        self._depth -= 1
        return node

    def _logic(self, word: str) -> Node:
        deeper = self._not if word == "and" else lambda: self._logic("and")
        at = self._token.at
        operands = [deeper()]
        while self._is(word):
            self._next()
            operands.append(deeper())
        return operands[0] if len(operands) == 1 else Logic(word == "and", tuple(operands), at)

    def _not(self) -> Node:
        at, count = self._token.at, 0
        while self._is("not"):
            self._next()
            count += 1
        node = self._comparison()
        for _ in range(min(count, 2 - count % 2)):
            node = Not(node, at)
        return node

    def _comparison(self) -> Node:
        left = self._sum()
        parts: list[Node] = []
        while True:
            at = self._token.at
            if self._is(*_COMPARE):
                sign = cast(CompareSign, self._next().value)
                right = self._sum()
                parts.append(Compare(sign, left, right, at))
            elif self._is("in", "not"):
                negated = self._next().value == "not"
                if negated and (not self._is("in") or not self._next()):
                    raise self._unexpected()
                right = self._sum()
                contained: Node = In(left, right, at)
                parts.append(Not(contained, at) if negated else contained)
            else:
                break
            left = right
        if not parts:
            return left
        return parts[0] if len(parts) == 1 else Logic(True, tuple(parts), parts[0].at)

    def _sum(self) -> Node:
        node = self._product()
        while self._is("+", "-"):
            token = self._next()
            sign = cast(ArithmeticSign, token.value)
            node = Arithmetic(sign, node, self._product(), token.at)
        return node

    def _product(self) -> Node:
        node = self._unary()
        while self._is("*", "/"):
            token = self._next()
            sign = cast(ArithmeticSign, token.value)
            node = Arithmetic(sign, node, self._unary(), token.at)
        return node

    def _unary(self) -> Node:
        if self._is("-", "+"):
            token = self._next()
            self._enter()
            operand = self._unary()
            self._depth -= 1
            if token.value == "+":
                return operand
            if isinstance(operand, Constant) and type(operand.value) in (int, float):
                return Constant(-cast(float, operand.value), token.at)
            return Negative(operand, token.at)
        return self._primary()

    def _primary(self) -> Node:
        token = self._token
        if token.kind in ("number", "text"):
            self._next()
            return Constant(token.value, token.at)
        if token.kind == "name" and token.value not in _OPERATORS:
            return self._named()
        if self._is("("):
            self._next()
            node = self._or()
            if self._is(","):
                return self._several([node], ")", token.at)
            self._close(")", token)
            return node
        if self._is("["):
            self._next()
            return self._several([], "]", token.at)
        raise self._unexpected()

    def _several(self, items: list[Node], closing: str, at: int) -> Node:
        """The rest of ``[a, b]`` or ``(a, b)``; a trailing comma is allowed."""
        if items:
            self._next()
        while not self._is(closing):
            items.append(self._or())
            if not self._is(","):
                break
            self._next()
        self._close(closing, None)
        return Several(tuple(items), at)

    def _close(self, closing: str, opened: Token | None) -> None:
        if not self._is(closing):
            if self._token.kind == "end":
                place = f" for the bracket at character {opened.at + 1}" if opened else ""
                raise ConditionError(f"{closing!r} is missing{place}", self._token.at)
            raise self._unexpected()
        self._next()

    def _named(self) -> Node:
        token = self._next()
        word = str(token.value)
        if word in _WORDS:
            return Constant(_WORDS[word], token.at)
        if word in _NOTHING:
            raise ConditionError(
                f"{word!r} is not part of conditions: a comparison with a missing value is false; "
                "write exists(x) or not exists(x)",
                token.at,
            )
        if word in _REFUSED:
            raise ConditionError(_REFUSED[word], token.at)
        parts = [word]
        while self._is("."):
            self._next()
            if self._token.kind != "name":
                raise ConditionError("a name is missing after the dot", self._token.at)
            parts.append(str(self._next().value))
        if self._is("("):
            return self._call(".".join(parts), token.at)
        if self._is("["):
            raise ConditionError("x[...] is not part of conditions", self._token.at)
        return Name(tuple(parts), token.at)

    def _call(self, function: str, at: int) -> Node:
        self._next()
        arguments: list[Node] = []
        while not self._is(")"):
            arguments.append(self._or())
            if not self._is(","):
                break
            self._next()
        self._close(")", None)
        return Call(function, tuple(arguments), at)

    def _unexpected(self) -> ConditionError:
        token = self._token
        if token.kind == "end":
            return ConditionError("the condition ends too early", token.at)
        if token.kind == "name" and token.value in _REFUSED:
            return ConditionError(_REFUSED[str(token.value)], token.at)
        shown = repr(token.value) if token.kind == "text" else f"`{token.value}`"
        return ConditionError(f"unexpected {shown}", token.at)
