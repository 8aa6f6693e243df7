"""What delivery counts, and how `status` shows it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from augenblick import limits


@dataclass(slots=True)
class Latencies:
    """Counts of durations, eight steps per doubling: a percentile is at most an eighth too high.

    Inside, durations are whole units of 0.01 ms; up to 0.15 ms they are exact.
    """

    counts: Counter[int] = field(default_factory=Counter)
    total: int = 0

    def add(self, duration_ms: float) -> None:
        """Count one duration; a negative one (a clock that was set) counts as 0."""
        units = max(int(duration_ms * 100), 0)
        doubling = max(units.bit_length() - 4, 0)
        self.counts[(doubling << 4) + (units >> doubling)] += 1
        self.total += 1

    def percentile_ms(self, share: float) -> float | None:
        """The upper end of the step that holds this share of all durations; None without any."""
        rank = share * self.total
        seen = 0
        for step in sorted(self.counts):
            seen += self.counts[step]
            if seen >= rank:
                return ((((step & 15) + 1) << (step >> 4)) - 1) / 100
        return None


@dataclass(slots=True)
class ActionCounters:
    """One action's life so far; `failed` counts attempts, `dead` counts deliveries."""

    delivered: int = 0
    failed: int = 0
    retried: int = 0
    dead: int = 0
    last_error: str = ""
    latencies: Latencies = field(default_factory=Latencies)

    def status(self) -> dict[str, Any]:
        """As plain values; latency runs from the record's arrival here to its acceptance."""
        return {
            "delivered": self.delivered,
            "failed_attempts": self.failed,
            "retried": self.retried,
            "dead": self.dead,
            "last_error": self.last_error or None,
            "latency_ms": {
                "p50": self.latencies.percentile_ms(0.5),
                "p99": self.latencies.percentile_ms(0.99),
            },
        }


@dataclass(slots=True)
class DeadLetterCounters:
    """Dead letters by reason, and what became of them."""

    by_reason: Counter[str] = field(default_factory=Counter)
    stored: int = 0
    lost: int = 0

    def add(self, reason: str) -> None:
        """Count one; reasons beyond the bound are counted together as `other`."""
        known = reason in self.by_reason or len(self.by_reason) < limits.dead_letter_reasons_max
        self.by_reason[reason if known else "other"] += 1
