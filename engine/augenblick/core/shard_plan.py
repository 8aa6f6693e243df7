"""What a journal says of the plan its records were made under, and what another plan makes of it.

Records are replayed under the plan that runs now. State that means the same goes on; but what only
a new or changed rule makes of events of the past does not leave: a new rule starts silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from augenblick.binding.releases import Release
from augenblick.plan.program import Program


def plan_facts(program: Program) -> dict[str, Any]:
    """What has to be known of a plan later, as plain values."""
    return {
        "hash": program.plan_hash,
        "triggers": {one.name: one.version for one in program.triggers},
        "sessions": bool(program.emit_session),
        "windows": sorted(program.features[index].name for index in program.emit_window),
        "metrics": [[one.name, one.size_ms] for one in program.metrics],
    }


class ReplayedPlan:
    """The plan of the records at hand (`facts`), beside the one that runs."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._facts = plan_facts(program)
        self._is_same = True

    def on_plan(self, facts: Mapping[str, Any]) -> None:
        """Records from here on were made under this plan."""
        self._facts = dict(facts)
        self._is_same = facts["hash"] == self._program.plan_hash

    def leaving(self, releases: list[Release]) -> list[Release]:
        """The releases that the old plan made too."""
        if self._is_same:
            return releases
        return [item for item in releases if self._knew(item)]

    def pane_rows(self, plain: list[Any]) -> list[Any]:
        """Panes as `ShardPanes.restore` takes them: those of metrics that still are. What the
        coordinator remembered was of the old plan, and windows count from now on.
        """
        if self._is_same:
            return plain
        index_of = {
            (one.name, one.size_ms): index for index, one in enumerate(self._program.metrics)
        }
        old = [index_of.get((name, size_ms)) for name, size_ms in self._facts["metrics"]]
        return [None, None, list(_renumbered(plain[2], old))]

    def _knew(self, release: Release) -> bool:
        if release.kind == "session":
            return bool(self._facts["sessions"])
        if release.kind == "window":
            return release.record["feature"] in self._facts["windows"]
        now = {one.name: one.version for one in self._program.triggers}
        before = self._facts["triggers"].get(release.trigger)
        return bool(before == now.get(release.trigger))


def _renumbered(rows: Iterable[list[Any]], index_of: list[int | None]) -> Iterable[list[Any]]:
    """Pane rows with the metrics' numbers of another plan."""
    for key_group, metric, *rest in rows:
        index = index_of[metric]
        if index is not None:
            yield [key_group, index, *rest]
