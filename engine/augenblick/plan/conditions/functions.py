"""The functions that a condition may call, with the types they take and give."""

from dataclasses import dataclass

from augenblick.plan.conditions.tokens import ConditionError
from augenblick.plan.resolved import Operation, Type

ARGUMENTS_MAX = 16

NOT_BUILT = ("ago",)
"""Functions of the design that this version refuses by name."""

REDUCTIONS = ("min", "max", "sum", "any")
"""With one value these reduce over the groups of the features that it reads."""

ORDERED = (Type.NUMBER, Type.TIME)


@dataclass(frozen=True, slots=True)
class Function:
    """One function. ``takes``: the types each argument may have (empty: all)."""

    operation: Operation
    arguments_min: int
    arguments_max: int
    takes: tuple[Type, ...]
    gives: Type | None  # None: the type of its arguments
    example: str


FUNCTIONS: dict[str, Function] = {
    "exists": Function("exists", 1, 1, (), Type.BOOL, "exists(x)"),
    "abs": Function("abs", 1, 1, (Type.NUMBER,), Type.NUMBER, "abs(x)"),
    "round": Function("round", 1, 1, (Type.NUMBER,), Type.NUMBER, "round(x)"),
    "min": Function("min", 2, ARGUMENTS_MAX, ORDERED, None, "min(x, y)"),
    "max": Function("max", 2, ARGUMENTS_MAX, ORDERED, None, "max(x, y)"),
    "lower": Function("lower", 1, 1, (Type.TEXT,), Type.TEXT, "lower(x)"),
    "startswith": Function("startswith", 2, 2, (Type.TEXT,), Type.BOOL, "startswith(x, 'a')"),
    "contains": Function("contains", 2, 2, (Type.TEXT,), Type.BOOL, "contains(x, 'a')"),
    "sum": Function("sum_of", 1, 1, (Type.NUMBER,), Type.NUMBER, "sum(x)"),
    "any": Function("any_of", 1, 1, (Type.BOOL,), Type.BOOL, "any(x > 3)"),
    "hour": Function("hour", 1, 1, (Type.TIME,), Type.NUMBER, "hour(x)"),
    "weekday": Function("weekday", 1, 1, (Type.TIME,), Type.NUMBER, "weekday(x)"),
    "days_since": Function("days_since", 1, 1, (Type.TIME,), Type.NUMBER, "days_since(x)"),
    "distance_km": Function(
        "distance_km", 4, 4, (Type.NUMBER,), Type.NUMBER, "distance_km(lat, lon, lat2, lon2)"
    ),
}


def function_not_built(name: str, at: int) -> ConditionError:
    """The mistake of calling a function that the design names and this version does not have."""
    return ConditionError(f"the function `{name}` is not built yet", at, not_built=True)
