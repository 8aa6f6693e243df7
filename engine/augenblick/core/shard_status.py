"""What a shard counts for `status`, and what it says of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from augenblick.binding.releases import Release
from augenblick.core.shard_kernel import ShardKernel
from augenblick.core.shard_late import LateTimers
from augenblick.core.shard_state import Gateway
from augenblick.core.suppressed import Suppressed, joined_counts, less
from augenblick.telemetry.histogram import Histogram


class ShardCounters:
    """Counts since this incarnation began; latencies run from the gateway's receipt of the event to
    the firing's release, in microseconds.
    """

    def __init__(self) -> None:
        self.refused: dict[str, int] = {}
        self.letters_lost = 0
        self._triggers: dict[str, dict[str, Any]] = {}
        self._records: dict[str, int] = {}
        self._letters: dict[str, int] = {}
        self._rate_from: tuple[float, int] = (0.0, 0)
        self._events_per_s = 0.0
        self._replayed: dict[str, int] = {}
        self._replayed_suppressed: Suppressed = {}

    def on_recovered(self, kernel: ShardKernel) -> None:
        """What the kernel has counted so far was counted before the crash."""
        self._replayed = kernel.counters()
        self._replayed_suppressed = kernel.suppressed()

    def on_releases(self, releases: list[Release], received_us: int, now_ms: float) -> None:
        """Records that leave now."""
        latency_us = int(now_ms * 1000) - received_us
        together = Counter([(one.kind, one.trigger, one.is_shadow) for one in releases])
        for (kind, trigger, is_shadow), count in together.items():
            self._records[kind] = self._records.get(kind, 0) + count
            if kind != "firing":
                continue
            counts = self._triggers.setdefault(
                trigger, {"firings": 0, "shadow": 0, "latency": Histogram()}
            )
            counts["shadow" if is_shadow else "firings"] += count
            if received_us:
                counts["latency"].add(latency_us, count)

    def on_dead_letters(self, letters: list[dict[str, Any]]) -> None:
        """Dead letters that leave now."""
        for letter in letters:
            self._letters[letter["reason"]] = self._letters.get(letter["reason"], 0) + 1

    def status(
        self, kernel: ShardKernel, now_ms: float, *more_suppressed: Suppressed
    ) -> dict[str, Any]:
        """As plain values; the event rate is that since the last call a second or more ago.

        `more_suppressed`: what policies outside the kernel held back.
        """
        counters = kernel.counters()
        since_ms, events = self._rate_from
        if now_ms - since_ms >= 1000:
            if since_ms:
                self._events_per_s = (counters["events"] - events) * 1000 / (now_ms - since_ms)
            self._rate_from = (now_ms, counters["events"])
        return {
            "users": kernel.users,
            "memory_bytes": kernel.memory_bytes,
            "memory_bytes_max": kernel.memory_bytes_max,
            "events_per_s": round(self._events_per_s, 1),
            "counters": {
                name: count - self._replayed.get(name, 0) for name, count in counters.items()
            },
            "suppressed": joined_counts(
                (less(kernel.suppressed(), self._replayed_suppressed), *more_suppressed)
            ),
            "refused": dict(self.refused),
            "records": dict(self._records),
            "dead_letters": dict(self._letters),
            "dead_letters_lost": self.letters_lost,
            "triggers": {
                name: {**counts, "latency": counts["latency"].to_plain()}
                for name, counts in self._triggers.items()
            },
        }


def hello_facts(
    index: int, clock_ms: int, late: LateTimers, gateways: Mapping[str, Gateway]
) -> dict[str, Any]:
    """What a shard's hello tells gateways: the clock, and the gateways' incarnations."""
    return {
        "index": index,
        "watermark_ms": clock_ms,
        "rose_ms": late.rose_ms,
        "is_standing": late.is_standing,
        "gateways": {name: gateway.incarnation for name, gateway in gateways.items()},
    }
