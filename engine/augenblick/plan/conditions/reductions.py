"""``max(x) min(x) sum(x) any(x)``: one value out of the groups of the features that x reads.

Features with the same ``by`` are read together: ``max(looked + 3 * talked)`` reads both for each
group that either of them holds. What is no number is left out (for ``any``: what is not true);
of no groups max and min are missing, sum is 0, any is false.
"""

from augenblick.plan.conditions import typing_rules as rules
from augenblick.plan.conditions.tokens import ConditionError
from augenblick.plan.resolved import Operation, Resolved, Type

_OPERATIONS: dict[str, Operation] = {
    "max": "max_of", "min": "min_of", "sum": "sum_of", "any": "any_of",
}  # fmt: skip
_TAKES: dict[str, tuple[Type, ...]] = {
    "max": (Type.NUMBER, Type.TIME),
    "min": (Type.NUMBER, Type.TIME),
    "sum": (Type.NUMBER,),
    "any": (Type.BOOL,),
}


def reduction(name: str, value: Resolved, at: int, value_at: int) -> Resolved:
    """``name(value)`` over groups. Raises ConditionError."""
    if value.metrics():
        raise ConditionError(
            f"`{name}(x)` over the groups of a metric is not built yet", at, not_built=True
        )
    groups = {feature.by: feature.name for feature in value.features_of_group()}
    if not groups:
        compare = f"; to compare values write {name}(x, y)" if name in ("max", "min") else ""
        raise ConditionError(
            f"`{name}(x)` reduces the groups of a feature, and nothing here is grouped: "
            f"give the feature `by: FIELD`{compare}",
            at,
        )
    if len(groups) > 1:
        (one, first), (other, second) = list(groups.items())[:2]
        assert one is not None
        assert other is not None
        raise ConditionError(
            f"{first!r} is grouped by {one.text} and {second!r} by {other.text}: `{name}(x)` reads "
            "features of one `by` together",
            at,
        )
    rules.check_takes(value, _TAKES[name], name, value_at)
    gives = {"sum": Type.NUMBER, "any": Type.BOOL}.get(name, value.type)
    return Resolved(_OPERATIONS[name], gives, (value,))
