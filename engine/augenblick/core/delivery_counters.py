"""What delivery counts, and how `status` shows it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from augenblick import limits
from augenblick.telemetry.histogram import Histogram


class ActionCounters:
    """One action's life so far; `failed` counts attempts, `dead` counts deliveries."""

    def __init__(self) -> None:
        self.delivered = 0
        self.failed = 0
        self.retried = 0
        self.dead = 0
        self.last_error = ""
        self.latency_us = Histogram()  # from the record's arrival here to its acceptance

    def status(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "delivered": self.delivered,
            "failed_attempts": self.failed,
            "retried": self.retried,
            "dead": self.dead,
            "last_error": self.last_error or None,
            "latency_us": {
                "p50": self.latency_us.percentile(0.5),
                "p99": self.latency_us.percentile(0.99),
            },
        }


class DeliveryCounters:
    """Everything since the delivery process began."""

    def __init__(self) -> None:
        self.records: Counter[str] = Counter()
        self.triggers: dict[str, Counter[str]] = {}
        self.duplicates = 0
        self.letters_by_reason: Counter[str] = Counter()
        self.letters_stored = 0
        self.letters_lost = 0

    def add_records(self, counted: Mapping[tuple[str, str, bool], int]) -> None:
        """Count records by kind, and firings by trigger: (kind, trigger, is it shadow) to count."""
        for (kind, trigger, is_shadow), count in counted.items():
            self.records[kind] += count
            if kind == "firing":
                counts = self.triggers.setdefault(trigger, Counter())
                counts["shadow" if is_shadow else "firings"] += count

    def add_letter(self, reason: str) -> None:
        """Count a dead letter; reasons beyond the bound are counted together as `other`."""
        counts = self.letters_by_reason
        known = reason in counts or len(counts) < limits.dead_letter_reasons_max
        counts[reason if known else "other"] += 1

    def status(self) -> dict[str, Any]:
        """As plain values, without the actions."""
        triggers = {
            name: {"firings": counts["firings"], "shadow": counts["shadow"]}
            for name, counts in self.triggers.items()
        }
        return {
            "records": dict(self.records),
            "duplicates": self.duplicates,
            "triggers": triggers,
            "dead_letters": {
                "by_reason": dict(self.letters_by_reason),
                "stored": self.letters_stored,
                "lost": self.letters_lost,
            },
        }
