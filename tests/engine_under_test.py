"""The engine as the tests of answers see it: plan text and NDJSON lines in, records out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from augenblick.runtime import local

KINDS = ("firing", "session", "window", "metric", "dead_letter")


def run(
    plan_text: str,
    lines: Sequence[bytes],
    *,
    emit: Iterable[str] = KINDS,
    drain: bool = True,
    batch_events: int | None = None,
) -> list[dict[str, Any]]:
    """The records of `augenblick simulate`, in the order in which it prints them.

    `batch_events` is how many events one call of the kernel takes; None leaves it to the engine.
    """
    return list(
        local.simulate(plan_text, lines, emit=tuple(emit), drain=drain, batch_events=batch_events)
    )


def version_of(plan_text: str) -> Callable[[str], str]:
    """The version of each trigger, a part of its firing ids that only the compiler knows."""
    versions = local.trigger_versions(plan_text)
    return versions.__getitem__
