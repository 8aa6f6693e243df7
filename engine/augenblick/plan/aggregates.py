"""The aggregates of features and metrics: what each takes, gives, and is for nothing."""

from dataclasses import dataclass

from augenblick.plan.resolved import Type

ORDERED = (Type.NUMBER, Type.TIME)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate. ``takes`` empty: it reads no property; ``gives`` None: the property's type."""

    takes: tuple[Type, ...]
    gives: Type | None
    zero_when_empty: bool


EVERY_VALUE = (Type.NUMBER, Type.TIME, Type.TEXT, Type.BOOL)

AGGREGATES: dict[str, Aggregate] = {
    "count": Aggregate((), Type.NUMBER, zero_when_empty=True),
    "sum": Aggregate((Type.NUMBER,), Type.NUMBER, zero_when_empty=True),
    "min": Aggregate(ORDERED, None, zero_when_empty=False),
    "max": Aggregate(ORDERED, None, zero_when_empty=False),
    "avg": Aggregate((Type.NUMBER,), Type.NUMBER, zero_when_empty=False),
    "first": Aggregate(EVERY_VALUE, None, zero_when_empty=False),
    "last": Aggregate(EVERY_VALUE, None, zero_when_empty=False),
    "list": Aggregate(EVERY_VALUE, Type.LIST, zero_when_empty=False),
}
