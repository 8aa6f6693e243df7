"""Which values may meet in a condition. A value of unknown type may meet anything.

Times and numbers meet: a time is epoch milliseconds, a duration is milliseconds. A duration is a
number; time - time is one, time + number is a time.
"""

from collections.abc import Iterable

from augenblick.plan.conditions.tokens import ConditionError
from augenblick.plan.resolved import Resolved, Type

_NUMERIC = (Type.NUMBER, Type.TIME)


def check_yes_or_no(value: Resolved, word: str, at: int) -> None:
    """An operand of ``and or not``."""
    if value.type not in (Type.BOOL, Type.ANY):
        raise ConditionError(
            f"`{word}` joins conditions, and this is {value.type}; compare it with something", at
        )


def check_number(value: Resolved, sign: str, at: int) -> None:
    """An operand of unary minus."""
    if value.type not in (Type.NUMBER, Type.ANY):
        raise ConditionError(f"`{sign}` needs a number, and this is {value.type}", at)


def arithmetic_type(sign: str, left: Resolved, right: Resolved, at: int) -> Type:
    """The type of ``left SIGN right``."""
    for side in (left, right):
        if side.type not in (*_NUMERIC, Type.ANY):
            raise ConditionError(f"`{sign}` needs numbers, and one side is {side.type}", at)
    if sign == "/" and right.operation == "const" and right.target == 0:
        raise ConditionError("this divides by 0, which is always missing", at)
    times = (left.type is Type.TIME, right.type is Type.TIME)
    if not any(times):
        return Type.ANY if Type.ANY in (left.type, right.type) and sign in "+-" else Type.NUMBER
    if sign == "-" and all(times):
        return Type.NUMBER
    if sign == "-" and times[0]:
        return Type.TIME if right.type is Type.NUMBER else Type.ANY
    if sign == "+" and not all(times):
        return Type.TIME
    raise ConditionError(
        f"`{sign}` does not work on times; a time takes a duration, as in x - 30d", at
    )


def check_comparable(sign: str, left: Resolved, right: Resolved, at: int) -> None:
    """The two sides of a comparison: of one kind, and of one that has an order for ``<``."""
    types = {Type.NUMBER if side.type is Type.TIME else side.type for side in (left, right)}
    if Type.LIST in types:
        raise ConditionError("a list is not compared; write x in LIST", at)
    if sign not in ("==", "!=") and Type.BOOL in types:
        raise ConditionError(f"`{sign}` has no meaning for {Type.BOOL}", at)
    if len(types - {Type.ANY}) > 1:
        raise ConditionError(
            f"this compares {left.type} with {right.type}, which is never true", at
        )


def check_container(value: Resolved, container: Resolved, at: int, container_at: int) -> None:
    """``value in container``: a member of a list, or a part of a text."""
    if container.type not in (Type.LIST, Type.TEXT, Type.ANY):
        raise ConditionError(
            f"`in` needs a list or text after it, and this is {container.type}", container_at
        )
    if value.type is Type.LIST:
        raise ConditionError("a list is in no list", at)
    if container.type is Type.TEXT and value.type not in (Type.TEXT, Type.ANY):
        raise ConditionError(f"only text is in a text, and this is {value.type}", at)


def check_takes(value: Resolved, takes: tuple[Type, ...], function: str, at: int) -> None:
    """An argument of a function."""
    if takes and value.type is not Type.ANY and value.type not in takes:
        raise ConditionError(f"{function} needs {takes[0]}, and this is {value.type}", at)


def common_type(values: Iterable[Resolved]) -> Type:
    """The type of min and max: that of their arguments if they agree."""
    types = {value.type for value in values}
    return types.pop() if len(types) == 1 else Type.ANY
