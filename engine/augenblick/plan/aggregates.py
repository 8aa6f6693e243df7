"""The aggregates of features and metrics: what each takes, gives, and is for nothing."""

from dataclasses import dataclass
from typing import Literal

from augenblick.plan.program import WindowKind
from augenblick.plan.resolved import Type

ORDERED = (Type.NUMBER, Type.TIME)
EVERY_VALUE = (Type.NUMBER, Type.TIME, Type.TEXT, Type.BOOL)

DISTINCT_EXACT_MAX = 127  # values, then HyperLogLog; native aggregates/distinct.pxd
DISTINCT_ERROR = 0.0325  # standard error with 1,024 registers: 1.04 / sqrt(1024)
QUANTILE_ERROR = 0.01  # relative; native aggregates/quantile.pxd
QUANTILE_BINS_MAX = 1_024
TOP_COUNTERS_MIN = 16  # four for each value asked for; native aggregates/top.pxd

EVERY_WINDOW: tuple[WindowKind, ...] = (
    "session", "lifetime", "since", "tumbling", "hopping", "calendar", "sliding",
)  # fmt: skip
SIZED_WINDOWS: tuple[WindowKind, ...] = ("tumbling", "hopping", "sliding")


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate.

    takes            types of the property it reads; empty: it reads none
    gives            the type of its value; None: the property's
    needs_property   False: ``EVENT`` alone counts as 1 each
    option           the key of its own option, if it has one
    state_bytes      of its state for one pane; None: it grows, see ``memory``
    windows          those it goes with, and why not with the others
    """

    takes: tuple[Type, ...]
    gives: Type | None
    zero_when_empty: bool
    needs_property: bool = True
    option: Literal["", "max", "q", "half_life"] = ""
    state_bytes: int | None = None
    windows: tuple[WindowKind, ...] = EVERY_WINDOW
    refusal: str = ""

    def counters(self, wanted: int) -> int:
        """Counters of ``top`` for a list of so many values."""
        return max(4 * wanted, TOP_COUNTERS_MIN)


NUMBERS = (Type.NUMBER,)
AGGREGATES: dict[str, Aggregate] = {
    "count": Aggregate((), Type.NUMBER, zero_when_empty=True, state_bytes=8),
    "sum": Aggregate(NUMBERS, Type.NUMBER, zero_when_empty=True, state_bytes=16),
    "min": Aggregate(ORDERED, None, zero_when_empty=False, state_bytes=16),
    "max": Aggregate(ORDERED, None, zero_when_empty=False, state_bytes=16),
    "avg": Aggregate(NUMBERS, Type.NUMBER, zero_when_empty=False, state_bytes=24),
    "rate": Aggregate(
        NUMBERS, Type.NUMBER, zero_when_empty=True, needs_property=False, state_bytes=16,
        windows=SIZED_WINDOWS,
        refusal="`rate` is per second of its window, and this one has no fixed length; take a "
        "sliding, tumbling or hopping window",
    ),
    "decay": Aggregate(
        NUMBERS, Type.NUMBER, zero_when_empty=True, needs_property=False, option="half_life",
        state_bytes=24,
    ),
    "time_since": Aggregate((), Type.NUMBER, zero_when_empty=False, state_bytes=16),
    "first": Aggregate(EVERY_VALUE, None, zero_when_empty=False),
    "last": Aggregate(EVERY_VALUE, None, zero_when_empty=False),
    "list": Aggregate(EVERY_VALUE, Type.LIST, zero_when_empty=False, option="max"),
    "distinct": Aggregate(EVERY_VALUE, Type.NUMBER, zero_when_empty=True),
    "quantile": Aggregate(NUMBERS, Type.NUMBER, zero_when_empty=False, option="q"),
    "top": Aggregate(EVERY_VALUE, Type.LIST, zero_when_empty=False, option="max"),
}  # fmt: skip
