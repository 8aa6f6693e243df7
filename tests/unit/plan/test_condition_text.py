"""Conditions as text: tokens, precedence, and what Python has and conditions have not."""

import pytest
from tests.unit.plan.plans import trigger, when_mistake

from augenblick import limits
from augenblick.core.metric_conditions import evaluate
from augenblick.plan.conditions.codegen import generate
from augenblick.plan.conditions.parser import parse
from augenblick.plan.conditions.resolution import resolve_expression
from augenblick.plan.conditions.scopes import StateScope
from augenblick.plan.conditions.tokens import ConditionError, tokenize
from augenblick.plan.names import Names
from augenblick.plan.tables import Tables

NAMES = Names({}, closed=True, features=[], segments=[], metrics=[])
SCOPE = StateScope(NAMES, lambda name: None)


def value(text):
    """What an expression without names comes to, by way of its code."""
    tables = Tables(NAMES, [], [], [])
    code = generate(resolve_expression(text, SCOPE), tables)
    return evaluate(code, tables.consts, lambda index: None)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 3 - 2", 5),
        ("12 / 3 / 2", 2.0),
        ("-2 * -3", 6),
        ("- 2", -2),
        ("+2", 2),
        ("--2", 2),
        ("2 - -2", 4),
        ("-(1 + 2)", -3),
        ("1 < 2", True),
        ("2 <= 2", True),
        ("1 + 1 == 2", True),
        ("1 < 2 < 3", True),
        ("1 < 2 < 2", False),
        ("3 > 2 >= 2 > 1", True),
        ("true or false and false", True),
        ("(true or false) and false", False),
        ("not true or true", True),
        ("not (true or true)", False),
        ("not false and false", False),
        ("not not true", True),
        ("not not not true", False),
        ("not 1 == 2", True),
        ("True and not False", True),
        ("1 in (1, 2)", True),
        ("3 in [1, 2]", False),
        ("3 not in [1, 2]", True),
        ("not 3 in [1, 2]", True),
        ("1 in [1,]", True),
        ("'b' in 'abc'", True),
        ("'z' in 'abc'", False),
        ("1 == 1.0", True),
        ("'a' < 'b'", True),
        ("abs(-3)", 3),
        ("abs(2 - 5) == 3", True),
        ("round(2.6)", 3),
        ("min(3, 1, 2)", 1),
        ("max(3, 1, 2.5)", 3),
        ("lower('ÄB') == 'äb' or lower('AB') == 'ab'", True),
        ("startswith('camera', 'cam')", True),
        ("contains('camera', 'mer')", True),
        ("contains('camera', 'xyz')", False),
        ("exists(1)", True),
        ("1.5e3", 1500.0),
        (".5 + 1.", 1.5),
        ("30m", 1_800_000),
        ("1d == 24h", True),
        ("2 * 30s", 60_000),
        ("250ms", 250),
        ("1h - 1m", 3_540_000),
        ('"it\'s"', "it's"),
        (r"'a\'b\\c\n'", "a'b\\c\n"),
        ("9223372036854775807", 2**63 - 1),
        (" 1\n + \t1 ", 2),
        ("17 in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]", True),
        ("0 in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]", False),
        (f"99 in [{', '.join(str(number) for number in range(100))}]", True),
        ("1 / 2 + 1 / 2 == 1", True),
    ],
)
def test_value(text, result):
    found = value(text)
    assert (type(found), found) == (type(result), result)


@pytest.mark.parametrize(
    ("text", "sentence", "at"),
    [
        ("", "the condition is empty", 0),
        ("   ", "the condition is empty", 0),
        ("a = 3", "unexpected '=': write == to compare", 2),
        ("a === 3", "unexpected '=': write == to compare", 4),
        ("a && b", "unexpected '&&': write `and`", 2),
        ("a || b", "unexpected '||': write `or`", 2),
        ("!a", "unexpected '!': write `not`", 0),
        ("a & b", "unexpected '&': write `and`", 2),
        ("a | b", "unexpected '|': write `or`", 2),
        ("a ** 2", "powers are not part", 2),
        ("a // 2", "whole division is not part", 2),
        ("a % 2", "the remainder is not part", 2),
        ("a <> b", "write !=", 2),
        ("a ? b : c", "no `? :`", 2),
        ("{a}", "maps and sets", 0),
        ("a; b", "one expression", 1),
        ("a := 1", "slices, lambdas", 2),
        ("a @ b", "unexpected character '@'", 2),
        ("a $ b", "unexpected character '$'", 2),
        ("a AND b", "write `and`", 2),
        ("NOT a", "write `not`", 0),
        ("a is b", "`is` is not part", 2),
        ("a if b else c", "`if ... else` is not part", 2),
        ("lambda: 1", "slices, lambdas", 6),
        ("x == null", "write exists(x)", 5),
        ("x == None", "write exists(x)", 5),
        ("a b", "unexpected `b`", 2),
        ("a +", "ends too early", 3),
        ("a and", "ends too early", 5),
        ("and a", "unexpected `and`", 0),
        ("a in", "ends too early", 4),
        ("a not b", "unexpected `b`", 6),
        ("(a", "')' is missing for the bracket at character 1", 2),
        ("a)", "unexpected `)`", 1),
        ("f(a", "')' is missing", 3),
        ("f(a b)", "unexpected `b`", 4),
        ("a in [1, 2", "']' is missing", 10),
        ("a in [1 2]", "unexpected `2`", 8),
        ("a[0]", "x[...] is not part", 1),
        ("a.", "a name is missing after the dot", 2),
        ("a. 3", "a name is missing after the dot", 3),
        ("'abc", "the text that begins with 'abc never ends", 0),
        (r"'a\qb'", "unknown escape", 2),
        ("5x > 3", "neither a number nor a duration", 0),
        ("1.5h > 3", "neither a number nor a duration", 0),
        ("3w > 3", "neither a number nor a duration", 0),
        ("99999999999999999999", "too large", 0),
        ("1e999", "too large", 0),
        ("9" * 500, "too long", 0),
        ("40000d", "longer than 36500d", 0),
        ("a < < b", "unexpected `<`", 4),
        ("()", "unexpected `)`", 1),
        ("f(,)", "unexpected `,`", 2),
        ("a, b", "unexpected `,`", 1),
    ],
)
def test_refused(text, sentence, at):
    with pytest.raises(ConditionError) as found:
        parse(text)
    assert sentence in found.value.message
    assert found.value.at == at


def test_length_is_bounded():
    with pytest.raises(ConditionError, match="longer than"):
        tokenize("a" * (limits.condition_chars_max + 1))


@pytest.mark.parametrize("text", ["(" * 500 + "1" + ")" * 500, "-" * 500 + "x", "f(" * 500])
def test_depth_is_bounded(text):
    with pytest.raises(ConditionError, match="nested deeper"):
        parse(text)


@pytest.mark.parametrize(
    "condition", [" + ".join(["views"] * 500) + " > 1", " and ".join(["views > 1"] * 300)]
)
def test_size_is_bounded(condition):
    found = when_mistake(condition)
    assert "too large" in found or "nested too deeply" in found or "longer than" in found


def test_stack_is_bounded():
    """Brackets that open to the right, and a call inside, hold more than 32 values at once."""
    inner = f"max({', '.join(['views'] * 16)})"
    assert trigger(f"{{event: view, when: '{'views + (' * 15}{inner}{')' * 15} > 1'}}").when >= 0
    found = when_mistake("views + (" * 20 + inner + ")" * 20 + " > 1")
    assert found == "the condition holds more than 32 values at once"


def test_text_is_encodable():
    with pytest.raises(ConditionError, match="no valid text"):
        tokenize("'\ud800'")
