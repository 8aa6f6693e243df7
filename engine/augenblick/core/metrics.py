"""Merges the shards' metric panes, closes metric windows and evaluates metric triggers.

Used by the coordinator and, in one process, by `simulate`. Pure. A pane is one key group's content
of one metric, window and group; panes are reported cumulatively, so a report replaces, never adds,
and sums are fixed point, so that the order of reports cannot show.

A window closes once every key group's clock is strictly past its end. Metrics that no trigger names
close only windows that hold something; for the others each window since the first event counts, an
empty one as 0, for the whole and for each group seen in the last 12 windows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgpack

from augenblick import limits
from augenblick.binding.records import firing_id, group_text
from augenblick.core.metric_conditions import evaluate
from augenblick.core.routing import KEY_GROUPS
from augenblick.plan.program import Metric, MetricTrigger, Program

NO_CLOCK: Final = -(2**63)
END_OF_TIME: Final = 2**62
FIXED_ONE: Final = 1 << 32

PaneRow = tuple[int, int, int, Any, int, int]
Values = dict[Any, int | float]


class MetricMerger:
    """Panes in, releases out: `{"record": metric or firing, "actions": [...], "shadow": bool}`.

    Until `assign` is called, shard 0 owns every key group. `late_rows` counts rows that came after
    their window had closed.
    """

    def __init__(self, program: Program) -> None:
        self.late_rows = 0
        self._program = program
        self._ranges: dict[int, tuple[int, int]] = {0: (0, KEY_GROUPS - 1)}
        self._clocks: dict[int, int] = {}
        self._origin_ms: int | None = None
        self._clock_ms = NO_CLOCK
        self._away: dict[int, tuple[int, int]] = {}
        self._series = [
            _Series(metric, any(index in trigger.metrics for trigger in program.metric_triggers))
            for index, metric in enumerate(program.metrics)
        ]
        self._triggers = [_TriggerState(trigger, program) for trigger in program.metric_triggers]

    @property
    def clock_ms(self) -> int:
        """The smallest clock over all key groups; NO_CLOCK while one has reported nothing."""
        return self._clock_ms

    def suppressed(self) -> dict[str, dict[str, int]]:
        """Firings that a cooldown held back, by trigger."""
        triggers = zip(self._program.metric_triggers, self._triggers, strict=True)
        return {rule.name: {"cooldown": one.cooled} for rule, one in triggers}

    def assign(self, ranges: dict[int, tuple[int, int]]) -> None:
        """Which shard reports for which key groups (first, last; inclusive).

        A shard that owned nothing before starts without a clock, so that nothing closes before it
        has reported.
        """
        self._ranges = dict(ranges)
        self._clocks = {shard: ms for shard, ms in self._clocks.items() if shard in ranges}
        self._away = {shard: away for shard, away in self._away.items() if shard in ranges}

    def panes(
        self,
        shard: int,
        clock_ms: int,
        rows: Iterable[PaneRow],
        *,
        origin_ms: int | None = None,
        now_ms: int | None = None,
        away: Sequence[int] | None = None,
    ) -> list[dict[str, Any]]:
        """Take a shard's report and return what closed with it, in the order of window ends.

        `rows`: (key group, metric index, window start, group or None, count, sum in 2^-32 units).
        `clock_ms`: the clock of all its key groups, after everything in `rows`. `origin_ms`: the
        first watermark this shard ever saw (default: its first clock); the windows counted as empty
        begin with the one that holds the smallest origin plus lateness. `now_ms` becomes `fired_at`
        (default: the window's end). `away`: `LateTimers.away` of this shard, by which firings are
        late (`late_by`): all shards together are where the one stands that is furthest behind.
        """
        if away is not None:
            self._away[shard] = (away[0], away[1])
        for row in rows:
            series = self._series[row[1]]
            if row[2] + series.metric.size_ms < self._clock_ms:
                self.late_rows += 1
            else:
                series.replace(row)
        if clock_ms == NO_CLOCK or shard not in self._ranges:
            return []
        self._clocks[shard] = max(clock_ms, self._clocks.get(shard, NO_CLOCK))
        first = clock_ms if origin_ms is None else origin_ms
        self._origin_ms = first if self._origin_ms is None else min(first, self._origin_ms)
        if len(self._clocks) < len(self._ranges):
            return []
        clock_ms = min(self._clocks.values())
        if clock_ms <= self._clock_ms:
            return []
        if self._clock_ms == NO_CLOCK:
            begin_ms = self._origin_ms + self._program.lateness_ms
            for series in self._series:
                series.begin(begin_ms)
        self._clock_ms = clock_ms
        return self._close(now_ms)

    def open_from(self) -> dict[int, int]:
        """Per metric the start of the first window that may still be open: shards may forget the
        panes of earlier ones.
        """
        return {
            index: self._clock_ms // series.metric.size_ms * series.metric.size_ms
            - series.metric.size_ms
            for index, series in enumerate(self._series)
            if self._clock_ms != NO_CLOCK
        }

    def snapshot(self) -> bytes:
        """Everything that closed windows have left behind, for a merger that takes over."""
        state = {
            "plan": self._program.plan_hash,
            "clock_ms": self._clock_ms,
            "series": [series.plain() for series in self._series],
            "triggers": [trigger.plain() for trigger in self._triggers],
        }
        packed: bytes = msgpack.packb(state)
        return packed

    def restore(self, data: bytes) -> None:
        """Go on where another merger stood, if it stood later and ran the same plan; panes of
        windows that it closed are forgotten.
        """
        state = msgpack.unpackb(data, strict_map_key=False)
        if state["plan"] != self._program.plan_hash or state["clock_ms"] <= self._clock_ms:
            return
        self._clock_ms = state["clock_ms"]
        for series, plain in zip(self._series, state["series"], strict=True):
            series.restore(plain, self._clock_ms)
        for trigger, plain in zip(self._triggers, state["triggers"], strict=True):
            trigger.restore(plain)

    def _close(self, now_ms: int | None) -> list[dict[str, Any]]:
        releases: list[dict[str, Any]] = []
        while True:
            ends = [
                end for one in self._series if (end := one.next_end(self._clock_ms)) is not None
            ]
            if not ends:
                return releases
            end_ms = min(ends)
            for index, series in enumerate(self._series):
                if series.next_end(self._clock_ms) == end_ms:
                    actions = self._program.emit_metric.get(index, ())
                    releases += [_release(record, actions) for record in series.close(end_ms)]
            for state in self._triggers:
                if state.is_due(end_ms, self._series):
                    is_drain = self._clock_ms >= END_OF_TIME
                    fired = state.evaluate(end_ms, self._series, now_ms, is_drain)
                    self._mark_late(fired, end_ms, now_ms)
                    releases += fired

    def _mark_late(self, fired: list[dict[str, Any]], end_ms: int, now_ms: int | None) -> None:
        """Say of firings how much later they come than if the engine had not been away."""
        if now_ms is None or not self._away:
            return
        line_ms = min(line for line, _ in self._away.values())
        late_ms = now_ms + line_ms - end_ms
        if end_ms < min(until_ms for _, until_ms in self._away.values()) and late_ms > 0:
            for item in fired:
                item["record"]["late_by"] = late_ms


class _Series:
    """One metric: its open panes and, if a trigger names it, its latest closed windows."""

    def __init__(self, metric: Metric, is_named: bool) -> None:
        self.metric = metric
        self.is_named = is_named
        self.history: deque[tuple[int, Values]] = deque(maxlen=limits.metric_history_windows)
        self._panes: dict[int, dict[tuple[Any, int], tuple[int, int]]] = {}
        self._next_ms: int | None = None

    def begin(self, first_ms: int) -> None:
        """The first event's time is known: empty windows count from the window that holds it."""
        start_ms = first_ms // self.metric.size_ms * self.metric.size_ms
        self._next_ms = min([start_ms, *self._panes])

    def replace(self, row: PaneRow) -> None:
        """One key group's pane as it stands now."""
        key_group, _, start_ms, group, count, total = row
        self._panes.setdefault(start_ms, {})[(group, key_group)] = (count, total)
        if self._next_ms is not None:
            self._next_ms = min(self._next_ms, start_ms)

    def next_end(self, clock_ms: int) -> int | None:
        """The end of the next window to close at this clock, if any."""
        start_ms = min(self._panes, default=None)
        if self.is_named and self._next_ms is not None and clock_ms < END_OF_TIME:
            behind = (clock_ms - self._next_ms) // self.metric.size_ms
            was_full = bool(self.history and self.history[-1][1])  # the next one ends something
            if behind > limits.metric_empty_windows_max and not was_full:
                jump_ms = (behind - limits.metric_empty_windows_max) * self.metric.size_ms
                self._next_ms += jump_ms
                if start_ms is not None:
                    self._next_ms = min(self._next_ms, start_ms)
            start_ms = self._next_ms if start_ms is None else min(start_ms, self._next_ms)
        if start_ms is None or start_ms + self.metric.size_ms >= clock_ms:
            return None
        return start_ms + self.metric.size_ms

    def close(self, end_ms: int) -> list[dict[str, Any]]:
        """Close the window that ends here; returns its metric records, in order of group."""
        start_ms = end_ms - self.metric.size_ms
        merged: dict[Any, list[int]] = {}
        for (group, _), (count, total) in self._panes.pop(start_ms, {}).items():
            sums = merged.setdefault(group, [0, 0])
            sums[0] += count
            sums[1] += total
        values: Values = {
            group: sums[0] if self.metric.aggregate == "count" else _from_fixed(sums[1])
            for group, sums in merged.items()
        }
        if self.is_named:
            self._next_ms = max(end_ms, self._next_ms or end_ms)
            self.history.append((end_ms, values))
        return [self._record(start_ms, end_ms, group, values[group]) for group in _sorted(values)]

    def plain(self) -> list[Any]:
        """What closed windows have left behind, as plain values."""
        return [self._next_ms, [[end_ms, list(one.items())] for end_ms, one in self.history]]

    def restore(self, plain: list[Any], clock_ms: int) -> None:
        """Take over what `plain` gave, as of this clock."""
        self._next_ms, history = plain
        self.history.clear()
        self.history.extend((end_ms, dict(pairs)) for end_ms, pairs in history)
        size_ms = self.metric.size_ms
        self._panes = {ms: one for ms, one in self._panes.items() if ms + size_ms >= clock_ms}

    def groups(self, end_ms: int, is_drain: bool) -> set[Any]:
        """The groups to look at for the window that ends here: seen in it, or (where time goes on
        by itself) in the windows before it that are remembered.
        """
        first_ms = end_ms
        if not is_drain:
            first_ms -= (limits.metric_history_windows - 1) * self.metric.size_ms
        return {
            group for end, values in self.history if first_ms <= end <= end_ms for group in values
        }

    def has_closed(self, end_ms: int) -> bool:
        """Has a window that ends here closed?"""
        return bool(self.history) and self.history[-1][0] == end_ms

    def value(self, group: Any, at_ms: int) -> int | float:
        """The value of the last window that ends at or before the instant: 0 if it is empty."""
        wanted_ms = at_ms // self.metric.size_ms * self.metric.size_ms
        nothing = 0 if self.metric.aggregate == "count" else 0.0
        for end_ms, values in reversed(self.history):
            if end_ms == wanted_ms:
                return values.get(group if self.metric.by != -1 else None, nothing)
        return nothing

    def _record(self, start_ms: int, end_ms: int, group: Any, value: int | float) -> dict[str, Any]:
        by = None if self.metric.by == -1 else {self.metric.by_name: group}
        return {
            "kind": "metric",
            "metric": self.metric.name,
            "by": by,
            "start": start_ms,
            "end": end_ms,
            "value": value,
        }


class _TriggerState:
    """One metric trigger and, per group, when it fired; `cooled`: firings held back since then."""

    def __init__(self, trigger: MetricTrigger, program: Program) -> None:
        self.cooled = 0
        self._trigger = trigger
        self._program = program
        self._size_ms = min(program.metrics[index].size_ms for index in trigger.metrics)
        self._grouped = [index for index in trigger.metrics if program.metrics[index].by != -1]
        self._fired_ms: dict[Any, int] = {}

    def plain(self) -> list[Any]:
        """What has fired, as plain values."""
        return list(self._fired_ms.items())

    def restore(self, plain: list[Any]) -> None:
        """Take over what `plain` gave."""
        self._fired_ms = dict(plain)

    def is_due(self, end_ms: int, series: list[_Series]) -> bool:
        """Has the shortest of its windows just closed?"""
        return end_ms % self._size_ms == 0 and any(
            series[index].has_closed(end_ms) for index in self._trigger.metrics
        )

    def evaluate(
        self, end_ms: int, series: list[_Series], now_ms: int | None, is_drain: bool
    ) -> list[dict[str, Any]]:
        """Look at each group once; returns the firings. Before the first window all were empty."""
        groups: set[Any] = {None}
        if self._grouped:
            groups = set().union(
                *(series[index].groups(end_ms, is_drain) for index in self._grouped)
            )
        releases = []
        for group in _sorted(groups):
            if self._code(self._trigger.when, series, group, end_ms) is not True:
                continue
            before_ms = end_ms - self._size_ms
            rises = self._code(self._trigger.when, series, group, before_ms) is not True
            if self._may_fire(group, end_ms, rises):
                self._fired_ms[group] = end_ms
                firing = self._firing(group, end_ms, series, now_ms)
                is_shadow = self._trigger.mode == "shadow"
                if is_shadow:
                    firing["mode"] = "shadow"
                releases.append(_release(firing, self._trigger.actions, is_shadow))
        return releases

    def _may_fire(self, group: Any, end_ms: int, rises: bool) -> bool:
        fired_ms = self._fired_ms.get(group)
        if self._trigger.fire == "once" and fired_ms is not None:
            return False
        if self._trigger.fire == "rise" and not rises:
            return False
        if fired_ms is not None and end_ms - fired_ms < self._trigger.cooldown_ms:
            self.cooled += 1
            return False
        return True

    def _code(self, code: int, series: list[_Series], group: Any, at_ms: int) -> Any:
        program = self._program
        return evaluate(
            program.codes[code], program.consts, lambda index: series[index].value(group, at_ms)
        )

    def _firing(
        self, group: Any, end_ms: int, series: list[_Series], now_ms: int | None
    ) -> dict[str, Any]:
        start_ms = end_ms - self._size_ms
        trigger = self._trigger
        by = None
        if self._grouped:
            by = {self._program.metrics[self._grouped[0]].by_name: group}
        return {
            "kind": "firing",
            "id": metric_firing_id(trigger.name, trigger.version, group, start_ms),
            "trigger": trigger.name,
            "user": None,
            "by": by,
            "time": end_ms,
            "fired_at": end_ms if now_ms is None else now_ms,
            "cause": None,
            "session": None,
            "values": {
                one.name: self._code(one.code, series, group, end_ms) for one in trigger.values
            },
            "variant": None,
        }


def metric_firing_id(trigger: str, version: str, group: Any, start_ms: int) -> str:
    """The id of a metric trigger's firing: of its name, version, group and window start."""
    text = "" if group is None else group_text(group)
    return firing_id((trigger, version, text, str(start_ms)))


def _from_fixed(total: int) -> float:
    """A fixed-point sum as a number: a float, as the sums of features are."""
    return total / FIXED_ONE


def _sorted(groups: Iterable[Any]) -> list[Any]:
    """Groups of mixed types in one fixed order."""
    return sorted(groups, key=lambda group: (type(group).__name__, group is not None and group))


def _release(
    record: dict[str, Any], actions: Iterable[str], is_shadow: bool = False
) -> dict[str, Any]:
    return {"record": record, "actions": list(actions), "shadow": is_shadow}
