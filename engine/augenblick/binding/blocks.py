"""The kernel's result blocks as plain values.

The formats are those of `augenblick_native/machine.pxd` (Row, PaneRow, Rise), field for field.
"""

from collections.abc import Iterator
from struct import Struct
from typing import Any, Final, NamedTuple

FIRING: Final = 0
ACTOR: Final = 1
SESSION: Final = 2
WINDOW: Final = 3
REFUSED: Final = 4

APPROXIMATE: Final = 1
SHADOW: Final = 2
TIMED: Final = 4  # time decided it, not the event that let time pass

NO_TIME_ms: Final = -(2**63)
NEVER_ms: Final = 2**63 - 1

_ROW: Final = Struct("<BBHIiIqqqqqQQ")
_PANE: Final = Struct("<HHIQqqqQ")
_RISE: Final = Struct("<qqii")


class Row(NamedTuple):
    """One row of a block, in the order of machine.Row."""

    kind: int
    flags: int
    variant: int  # of a firing: 0 none, 1 control, then the trigger's own
    rule: int
    record: int
    k: int
    fired_ms: int
    time_ms: int
    start_ms: int
    end_ms: int
    events: int  # of a session
    body_at: int
    body_bytes: int


class Pane(NamedTuple):
    """One metric pane, in the order of machine.PaneRow."""

    key_group: int
    metric: int
    group_bytes: int
    group_at: int
    start_ms: int
    events: int
    sum_high: int
    sum_low: int


class Rise(NamedTuple):
    """Where the clock rose: before event `record` (-1: after the last)."""

    watermark_ms: int
    ingest_ms: int
    record: int
    unused: int


def rows_of(slab: Any) -> Iterator[Row]:
    """The rows of a block; none where nothing came of the call."""
    return map(Row._make, _ROW.iter_unpack(slab))


def panes_of(slab: Any) -> Iterator[Pane]:
    """The metric panes of a block whose windows closed."""
    return map(Pane._make, _PANE.iter_unpack(slab))


def rises_of(slab: Any) -> list[Rise]:
    """Where the shard's clock rose in the call, in order."""
    return list(map(Rise._make, _RISE.iter_unpack(slab)))
