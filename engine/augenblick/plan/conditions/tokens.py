"""Cuts the text of a condition into tokens. Called by the parser only."""

import re
from dataclasses import dataclass
from typing import Literal

from augenblick import limits
from augenblick.plan.durations import UNITS_MS, parse_duration

TokenKind = Literal["name", "number", "text", "sign", "end"]

_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(
    r"(?P<number>(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?)(?P<unit>[^\W\d]\w*)?",
    re.ASCII,
)
_NAME = re.compile(r"[^\W\d]\w*")
_SIGNS = ("==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "(", ")", "[", "]", ",", ".")
_REFUSED = {
    "&&": "write `and`",
    "||": "write `or`",
    "**": "powers are not part of conditions",
    "//": "whole division is not part of conditions",
    "<>": "write !=",
    "=": "write == to compare",
    "!": "write `not`",
    "&": "write `and`",
    "|": "write `or`",
    "%": "the remainder is not part of conditions",
    ";": "a condition is one expression",
    "{": "maps and sets are not part of conditions",
    "}": "maps and sets are not part of conditions",
    "?": "there is no `? :` in conditions",
    ":": "slices, lambdas and `? :` are not part of conditions",
}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "0": "\0"}
_INTEGER_MAX = 2**63 - 1
_DIGITS_MAX = 400


class ConditionError(Exception):
    """A wrong condition; ``at`` counts characters from 0. ``not_built``: a later version has it."""

    def __init__(self, message: str, at: int, *, not_built: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.not_built = not_built


@dataclass(frozen=True, slots=True)
class Token:
    """One token. ``value``: the number or the text of a literal; else the characters themselves."""

    kind: TokenKind
    value: str | int | float
    at: int


def tokenize(text: str) -> list[Token]:
    """All tokens of a condition and an ``end``. Raises ConditionError."""
    if len(text) > limits.condition_chars_max:
        raise ConditionError(f"longer than {limits.condition_chars_max} characters", 0)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ConditionError("this is no valid text", 0)
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        space = _SPACE.match(text, at)
        if space:
            at = space.end()
            continue
        token, at = _next(text, at)
        tokens.append(token)
    tokens.append(Token("end", "", at))
    return tokens


def _next(text: str, at: int) -> tuple[Token, int]:
    character = text[at]
    if character in "\"'":
        return _text(text, at)
    number = _NUMBER.match(text, at)
    if number:
        return Token("number", _number(number, at), at), number.end()
    name = _NAME.match(text, at)
    if name:
        return Token("name", name.group(), at), name.end()
    for sign, advice in _REFUSED.items():
        if text.startswith(sign, at) and not (sign in "!=" and text[at : at + 2] in ("!=", "==")):
            raise ConditionError(f"unexpected {sign!r}: {advice}", at)
    for sign in _SIGNS:
        if text.startswith(sign, at):
            return Token("sign", sign, at), at + len(sign)
    raise ConditionError(f"unexpected character {character!r}", at)


def _number(match: re.Match[str], at: int) -> int | float:
    digits, unit = match.group("number"), match.group("unit")
    if len(digits) > _DIGITS_MAX:
        raise ConditionError("the number is too long", at)
    if unit is not None:
        if unit not in UNITS_MS or not digits.isdigit():
            raise ConditionError(
                f"{match.group()!r} is neither a number nor a duration (250ms 30s 5m 12h 7d)", at
            )
        try:
            return parse_duration(match.group())
        except ValueError as error:
            raise ConditionError(str(error), at) from None
    if digits.isdigit():
        if int(digits) > _INTEGER_MAX:
            raise ConditionError(f"the whole number {digits[:24]} is too large", at)
        return int(digits)
    value = float(digits)
    if value == float("inf"):
        raise ConditionError(f"the number {digits[:24]} is too large", at)
    return value


def _text(text: str, start: int) -> tuple[Token, int]:
    """A literal in single or double quotes."""
    quote, at = text[start], start + 1
    parts: list[str] = []
    while at < len(text):
        character = text[at]
        if character == quote:
            return Token("text", "".join(parts), start), at + 1
        if character == "\\":
            at += 1
            escaped = text[at : at + 1]
            if escaped not in _ESCAPES:
                raise ConditionError(f"unknown escape \\{escaped} in a text", at - 1)
            character = _ESCAPES[escaped]
        parts.append(character)
        at += 1
    raise ConditionError(f"the text that begins with {text[start : start + 12]} never ends", start)
