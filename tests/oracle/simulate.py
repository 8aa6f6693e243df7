"""Lines in, records out: what `augenblick simulate` must print, in its order."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.events import Event, RefusedError, read_event
from tests.oracle.firing import Firer, VersionOf
from tests.oracle.leaving import Leaving
from tests.oracle.metrics import Metrics
from tests.oracle.plan import Plan, read_plan
from tests.oracle.user import User

KINDS = ("firing", "session", "window", "metric", "dead_letter")
END_OF_TIME = 2**62
Record = dict[str, Any]


def no_version(trigger: str) -> str:
    """Stands for the plan compiler's hash where ids do not matter."""
    return f"version of {trigger}"


def simulate(
    plan: dict[str, Any], lines: Iterable[Any], *, emit: Iterable[str] = KINDS, drain: bool = True,
    version_of: VersionOf = no_version,
) -> list[Record]:  # fmt: skip
    """All records of the wanted kinds, in the order in which they are printed."""
    run = Run(read_plan(plan), version_of)
    for line in lines:
        run.line(line)
    run.end(drain)
    wanted = set(emit)
    return [record for record in run.records if record["kind"] in wanted]


@dataclass
class Run:
    """One simulation under way: one source, the event clock."""

    plan: Plan
    version_of: VersionOf
    records: list[Record] = field(default_factory=list)
    users: dict[str, User] = field(default_factory=dict)
    largest: int | None = None  # event time of the accepted events
    ingested: dict[tuple[str, str], int] = field(default_factory=dict)
    released: list[Record] = field(default_factory=list)  # by the line at hand

    def __post_init__(self) -> None:
        self.firer = Firer(self.version_of)
        self.leaving = Leaving(self.plan)
        self.metrics = Metrics(self.plan, self.firer, self.released.append)

    def line(self, line: Any) -> None:
        """One input line: its mark, then its event."""
        try:
            event = read_event(line, self.plan)
        except RefusedError as refused:
            self._dead_letter(str(refused), line)
        else:
            self._accept(event, line)
        self._print()

    def _accept(self, event: Event, line: Any) -> None:
        self.largest = event.time if self.largest is None else max(self.largest, event.time)
        if self.metrics.first is None:
            self.metrics.first = event.time
        self.firer.fired_at = self.largest
        watermark = self.largest - self.plan.lateness_ms
        self._advance(watermark)
        if not self._is_duplicate(event):
            user = self._user(event.user, watermark)
            user.advance(watermark)
            if not user.apply(event):
                self._dead_letter("late", line)
            elif event.id is not None:
                self.ingested[event.user, event.id] = self.largest
        self.metrics.advance(watermark)
        self.released += self.leaving.due(watermark)

    def _leave(self, record: Record) -> None:
        if record["kind"] != "firing" or self.leaving.leaves(record, record["fired_at"]):
            self.released.append(record)

    def _is_duplicate(self, event: Event) -> bool:
        before = None if event.id is None else self.ingested.get((event.user, event.id))
        return before is not None and int(self.largest or 0) - before <= self.plan.dedup_ms

    def _user(self, name: str, watermark: int) -> User:
        if name not in self.users:
            self.users[name] = User(
                name, self.plan, self.firer, self.metrics, self._leave, clock=watermark
            )
        return self.users[name]

    def _advance(self, watermark: int) -> None:
        """Everybody's clock; one who has nothing due is moved when an event comes."""
        for user in self.users.values():
            if user.next_due < watermark:
                user.advance(watermark)

    def end(self, drain: bool) -> None:
        """The end of the input: 1 ms past the largest event time; with `drain` the end of time."""
        if self.largest is None:
            return
        for watermark in (self.largest + 1, END_OF_TIME) if drain else (self.largest + 1,):
            self._advance(watermark)
            self.metrics.advance(watermark, is_drain=watermark == END_OF_TIME)
            self.released += self.leaving.due(watermark)
            self._print()

    def _dead_letter(self, reason: str, line: Any) -> None:
        time = line.get("time") if isinstance(line, dict) else None
        self.released.append({"kind": "dead_letter", "reason": reason, "time": time, "event": line})

    def _print(self) -> None:
        """What the line released: metrics, then by user, time and plan order, else as it came."""
        plan_order = {trigger.name: order for order, trigger in enumerate(self.plan.triggers)}
        self.released.sort(key=lambda record: _order(record, plan_order))
        self.records += self.released
        self.released.clear()


def _order(record: Record, plan_order: dict[str, int]) -> tuple[bool, str, int, int]:
    """Metrics and their triggers keep the order in which they came about, and come first."""
    user: Any = record.get("user")
    if user is None:
        return record["kind"] == "dead_letter", "", 0, 0
    time: Any = record.get("time", record.get("end"))
    return True, user, time, plan_order.get(record.get("trigger", ""), len(plan_order))


def parse_lines(lines: Iterable[bytes]) -> list[Any]:
    """NDJSON as the model takes it."""
    return [json.loads(line) for line in lines]
