from typing import Any

import pytest
from tests.unit.core.programs import code

from augenblick.core.metric_conditions import evaluate
from augenblick.errors import OurError
from augenblick.plan.program import Op


def _two(op: Op, left: Any, right: Any) -> Any:
    return evaluate(code((Op.CONST, 0), (Op.CONST, 1), int(op)), (left, right), lambda _: None)


def _one(op: Op, value: Any) -> Any:
    return evaluate(code((Op.CONST, 0), int(op)), (value,), lambda _: None)


@pytest.mark.parametrize(
    ("op", "left", "right", "result"),
    [
        (Op.ADD, 1, 2, 3),
        (Op.ADD, 1, None, None),
        (Op.ADD, True, 1, None),
        (Op.DIV, 1, 0, None),
        (Op.DIV, 1, 2, 0.5),
        (Op.MUL, 2**62, 4, float(2**64)),
        (Op.EQ, 1, 1.0, True),
        (Op.EQ, 1, True, False),
        (Op.EQ, None, None, False),
        (Op.NE, 1, None, False),
        (Op.NE, 1, "1", False),
        (Op.NE, 1, 2, True),
        (Op.LT, "a", "b", True),
        (Op.LT, 1, "b", False),
        (Op.GE, 2, 2.0, True),
        (Op.STARTSWITH, "shop", "sh", True),
        (Op.CONTAINS, "shop", "ho", True),
        (Op.CONTAINS, 7, "ho", False),
    ],
)
def test_two_operands(op: Op, left: Any, right: Any, result: Any) -> None:
    got = _two(op, left, right)
    assert got == result
    assert type(got) is type(result)


def test_one_operand() -> None:
    assert _one(Op.NOT, None) is True
    assert _one(Op.NOT, True) is False
    assert _one(Op.EXISTS, 0) is True
    assert _one(Op.EXISTS, None) is False
    assert _one(Op.ABS, -3) == 3
    assert _one(Op.NEG, "x") is None
    assert _one(Op.LOWER, "Ab") == "ab"


def test_logic_has_two_values() -> None:
    both = code((Op.METRIC, 0), (Op.AND_JUMP, 3), (Op.METRIC, 1))
    either = code((Op.METRIC, 0), (Op.OR_JUMP, 3), (Op.METRIC, 1))
    for left in (True, False, None, 1):
        for right in (True, False):
            values = [left, right]
            assert evaluate(both, (), values.__getitem__) is (left is True and right)
            assert evaluate(either, (), values.__getitem__) is (left is True or right)


def test_many_operands_and_what_has_no_meaning_here() -> None:
    constants = (3, 1, 2)
    pushes = [(Op.CONST, n) for n in range(3)]
    assert evaluate(code(*pushes, (Op.MAX, 3)), constants, lambda _: None) == 3
    assert evaluate(code(*pushes, (Op.IN, 2)), constants, lambda _: None) is False
    assert evaluate(code(*pushes, (Op.IN, 2)), (2, 1, 2), lambda _: None) is True
    assert evaluate(code((Op.FEATURE, 0), Op.EXISTS), (), lambda _: None) is False
    with pytest.raises(OurError):
        evaluate(code(200), (), lambda _: None)
