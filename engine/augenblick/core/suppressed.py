"""Counts of what policies held back, by trigger and reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Suppressed = dict[str, dict[str, int]]
"""Trigger: reason: firings."""


def joined_counts(parts: Iterable[Mapping[str, Mapping[str, int]]]) -> Suppressed:
    """All together; what is 0 is left out."""
    found: Suppressed = {}
    for part in parts:
        for trigger, reasons in part.items():
            for reason, count in reasons.items():
                if count:
                    counts = found.setdefault(trigger, {})
                    counts[reason] = counts.get(reason, 0) + count
    return found


def less(counts: Suppressed, before: Suppressed) -> Suppressed:
    """What was counted since."""
    return joined_counts(
        [
            {
                trigger: {
                    reason: count - before.get(trigger, {}).get(reason, 0)
                    for reason, count in reasons.items()
                }
                for trigger, reasons in counts.items()
            }
        ]
    )
