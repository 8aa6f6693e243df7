"""The kernel's result blocks as plain values or numpy structured arrays.

The formats are those of `augenblick_native/machine.pxd` (Row, PaneRow, Rise), field for field.
"""

from collections.abc import Iterator
from struct import Struct
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
PANE: Final = np.dtype(
    [
        ("key_group", "<u2"),
        ("metric", "<u2"),
        ("group_bytes", "<u4"),
        ("group_at", "<u8"),
        ("start_ms", "<i8"),
        ("count", "<i8"),
        ("sum_high", "<i8"),
        ("sum_low", "<u8"),
    ]
)
RISE: Final = np.dtype(
    [("watermark_ms", "<i8"), ("ingest_ms", "<i8"), ("record", "<i4"), ("unused", "<i4")]
)


class Row(NamedTuple):
    """One row of a block, in the order of machine.Row."""

    kind: int
    flags: int
    unused: int
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


def rows_of(slab: Any) -> Iterator[Row]:
    """The rows of a block; none where nothing came of the call."""
    return map(Row._make, _ROW.iter_unpack(slab))


def panes_of(slab: Any) -> NDArray[np.void]:
    """The metric panes of a block whose windows closed."""
    return np.frombuffer(slab, PANE)


def rises_of(slab: Any) -> NDArray[np.void]:
    """Where the shard's clock rose in the call: before which event (-1: after the last)."""
    return np.frombuffer(slab, RISE)
