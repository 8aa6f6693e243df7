"""Bytewax, one worker: CSV lines from memory; watermarks 5 s behind, no recovery.

The clock is stopped, so that only events move the watermark. The operators of the library do the
sessions and the windows; an absence has none and is a `stateful` operator in Python.
"""

import json
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulLogic
from bytewax.operators.windowing import (
    EventClock,
    SessionWindower,
    SlidingWindower,
    count_window,
)
from bytewax.testing import TestingSink, TestingSource, run_main

LATENESS = timedelta(seconds=5)
WITHIN = timedelta(minutes=30)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
BATCH_EVENTS = 1_000
WANTED = {"windows": {"view"}, "carts": {"add_to_cart", "purchase"}}
Item = tuple[str, datetime, str]


class Carts(StatefulLogic[Item, datetime, Any]):
    """Carts of one user that wait for their purchase; purchases stay while carts may be late."""

    def __init__(self, _: Any) -> None:
        self._carts: list[datetime] = []
        self._purchases: list[datetime] = []
        self._latest = LONG_AGO

    def on_item(self, value: Item) -> tuple[Iterable[datetime], bool]:
        """Take a cart or a purchase; what is overdue leaves."""
        _, at, kind = value
        self._latest = max(self._latest, at)
        watermark = self._latest - LATENESS
        if kind == "purchase":
            self._carts = [cart for cart in self._carts if not cart < at <= cart + WITHIN]
            self._purchases = [one for one in self._purchases if one >= watermark] + [at]
        elif not any(at < one <= at + WITHIN for one in self._purchases):
            self._carts.append(at)
        due = [cart for cart in self._carts if cart + WITHIN < watermark]
        if due:
            self._carts = [cart for cart in self._carts if cart + WITHIN >= watermark]
        return due, False

    def on_eof(self) -> tuple[Iterable[datetime], bool]:
        """All that still wait are abandoned."""
        return self._carts, True

    def snapshot(self) -> None:
        """Nothing is recovered here."""


def decoded(line: str) -> Item:
    """One row."""
    user, ms, kind = line.split(",")
    return user, EPOCH + timedelta(milliseconds=int(ms)), kind


def flow_of(job: str, lines: list[str], out: list[Any]) -> Dataflow:
    """The dataflow of one job."""
    flow = Dataflow(job)
    read = op.input("in", flow, TestingSource(lines, batch_size=BATCH_EVENTS))
    stream = op.map("decode", read, decoded)
    wanted = WANTED.get(job)
    if wanted:
        stream = op.filter("wanted", stream, lambda item: item[2] in wanted)
    if job == "carts":
        keyed = op.key_on("key", stream, lambda item: item[0])
        found = op.map_value("ms", op.stateful("carts", keyed, Carts), milliseconds)
    else:
        clock = EventClock(lambda item: item[1], LATENESS, now_getter=lambda: LONG_AGO)
        windower: Any = SessionWindower(gap=timedelta(minutes=30))
        if job == "windows":
            step, size = timedelta(minutes=5), timedelta(hours=1)
            windower = SlidingWindower(length=size, offset=step, align_to=EPOCH)
        counted = count_window("count", stream, clock, windower, lambda item: item[0])
        found = op.map_value("value", counted.down, lambda pair: pair[1])
    op.output("out", found, TestingSink(out))
    return flow


def milliseconds(at: datetime) -> int:
    """Since the epoch."""
    return round((at - EPOCH) / timedelta(milliseconds=1))


def main(job: str, path: str) -> None:
    """Print what it took and what came out."""
    with open(path) as file:
        lines = file.read().splitlines()
    out: list[Any] = []
    flow = flow_of(job, lines, out)
    start_s, cpu_start_s = time.monotonic(), time.process_time()
    run_main(flow)
    seconds, cpu_s = time.monotonic() - start_s, time.process_time() - cpu_start_s
    values = [value for _, value in out]
    answer = [len(values), sum(values), max(values)]
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "answer": answer}))


main(*sys.argv[1:])
