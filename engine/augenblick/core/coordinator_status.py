"""The status document: what the coordinator knows of everybody, as plain values."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

from augenblick import limits
from augenblick.core.coordinator_members import Member, Members
from augenblick.core.metrics import NO_CLOCK, MetricMerger
from augenblick.core.suppressed import Suppressed, joined_counts
from augenblick.plan.program import Program
from augenblick.telemetry.histogram import Histogram


class StatusBook:
    """Counts that outlive a shard's incarnation, latest log lines, and the document itself."""

    def __init__(self, program: Program, store: str) -> None:
        self._program = program
        self._store = store
        self._ended: list[dict[str, Any]] = []
        self._own: Counter[tuple[str, bool]] = Counter()
        self._metric_records = 0
        self._log: deque[dict[str, Any]] = deque(maxlen=limits.status_log_lines_max)
        self._lost: Counter[str] = Counter()

    def on_log(self, level: str, text: str, now_ms: float) -> None:
        """A line for the log that an operator should see in `status` too."""
        self._log.append({"time": int(now_ms), "level": level, "text": text})

    def on_ended(self, member: Member) -> None:
        """An incarnation has ended; what a shard had counted stays in the sums."""
        if member.role == "shard":
            self._lost[member.name] += 1
            if member.status:
                self._ended.append(member.status)
                del self._ended[: -limits.status_ended_shards_max]

    def on_releases(self, releases: list[dict[str, Any]]) -> None:
        """Metric records and metric firings of the coordinator itself."""
        for item in releases:
            if item["record"]["kind"] == "firing":
                self._own[(item["record"]["trigger"], item["shadow"])] += 1
            else:
                self._metric_records += 1

    def document(
        self, members: Members, merger: MetricMerger, now_ms: float, started_ms: float
    ) -> dict[str, Any]:
        """Everything, for `status`."""
        shards = {one.name: _member(one) for one in members.of_role("shard")}
        statuses = [*self._ended, *(one.status for one in members.of_role("shard") if one.status)]
        triggers, latency = self._triggers(statuses, merger.suppressed())
        return {
            "plan": self._program.plan_name,
            "plan_hash": self._program.plan_hash.hex(),
            "ready": members.is_ready,
            "uptime_s": round((now_ms - started_ms) / 1000, 1),
            "store": self._store,
            "table_epoch": members.table.epoch if members.table else None,
            "clock_ms": None if merger.clock_ms == NO_CLOCK else merger.clock_ms,
            "catch_up_until_ms": _catch_up_until_ms(members),
            "gateways": {one.name: _member(one) for one in members.of_role("gateway")},
            "shards": shards,
            "hosts": {one.name: _member(one) for one in members.of_role("host")},
            "spares": {one.name: _member(one) for one in members.spares},
            "delivery": _member(members.all["delivery"]),
            "triggers": triggers,
            "latency_ms": percentiles(latency),
            "counters": _sums(status.get("counters", {}) for status in statuses),
            "metrics": {"records": self._metric_records, "late_rows": merger.late_rows},
            "state_lost": dict(self._lost) if self._store == "none" else {},
            "log": list(self._log),
        }

    def _triggers(
        self, statuses: list[dict[str, Any]], metric_suppressed: Suppressed
    ) -> tuple[dict[str, Any], Histogram]:
        """Per trigger its firings, what policies held back and its latencies, and the latencies of
        all together.
        """
        together = Histogram()
        names = [one.name for one in self._program.triggers]
        names += [one.name for one in self._program.metric_triggers]
        found: dict[str, Any] = {}
        held_back = joined_counts(
            (metric_suppressed, *(status.get("suppressed", {}) for status in statuses))
        )
        for name in names:
            latency = Histogram()
            fired, shadow = self._own[(name, False)], self._own[(name, True)]
            for status in statuses:
                counts = status.get("triggers", {}).get(name)
                if counts:
                    fired += counts["firings"]
                    shadow += counts["shadow"]
                    latency.merge(counts["latency"])
                    together.merge(counts["latency"])
            found[name] = {
                "firings": fired,
                "shadow": shadow,
                "held_back": held_back.get(name, {}),
                "latency_ms": percentiles(latency),
            }
        return found, together


def percentiles(latency: Histogram) -> dict[str, float | None]:
    """A histogram of microseconds as milliseconds."""
    shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
    return {
        name: None if (value := latency.percentile(share)) is None else value / 1000
        for name, share in shares.items()
    }


def _member(member: Member) -> dict[str, Any]:
    """One member; the shards' histograms show up under `triggers`, merged."""
    status = {key: value for key, value in member.status.items() if key != "triggers"}
    return {
        "up": member.is_up,
        "incarnation": member.incarnation,
        "address": member.address,
        **status,
    }


def _catch_up_until_ms(members: Members) -> int | None:
    """When the last gateway lets the clock go on after a start; None: none holds it."""
    ends = [one.status.get("catch_up_until_ms") for one in members.of_role("gateway")]
    return max((end for end in ends if end is not None), default=None)


def _sums(parts: Any) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)
