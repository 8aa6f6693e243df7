"""Erasures with crashes at every step; planted mistakes that these stories have to find."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.simulation.erasure_story import erased
from tests.simulation.test_cluster import PLAN
from tests.unit.core.test_shard_replay import hurry, story_program

from augenblick.binding.kernel import Kernel
from augenblick.core.effects import IssueReceipt
from augenblick.core.erasure import Eraser
from augenblick.core.outbox import Outbox
from augenblick.core.shard_actors import ShardActors
from augenblick.core.shard_replay import ShardReplay
from augenblick.core.shard_rolling import RollingSnapshots
from augenblick.core.shard_users import ShardUsers
from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.journal import SegmentJournal
from augenblick.durability.snapshot_set import SnapshotSet
from augenblick.errors import StorageError
from augenblick.plan.program import Program

Patch = pytest.MonkeyPatch


def erasure_program() -> Program:
    """The stories' plan; a metric by user would name the user until its windows are closed."""
    return story_program(PLAN.replace("by: user", "by: event"))


@pytest.fixture(scope="module")
def program() -> Program:
    return erasure_program()


@pytest.mark.parametrize("seed", range(40))
def test_a_receipt_comes_when_nothing_is_left(
    program: Program, seed: int, monkeypatch: Patch
) -> None:
    hurry(monkeypatch)
    erased(program, seed)


def test_the_stories_have_crashes_between_request_and_receipt(
    program: Program, monkeypatch: Patch
) -> None:
    hurry(monkeypatch)
    assert sum(erased(program, seed).crashes for seed in range(8)) > 8


def _instead(owner: Any, name: str, value: Any) -> Callable[[Patch], None]:
    return lambda monkeypatch: monkeypatch.setattr(owner, name, value)


def _nothing(*_: Any) -> None:
    """Not done."""


def _clean(*_: Any) -> int:
    return 2**63


def _renews_nothing(self: SnapshotSet) -> None:
    self._journal.truncate_below(self.tail)


def _trusts_packs(monkeypatch: Patch) -> None:
    monkeypatch.setattr(Checkpoint, "oldest", _clean)
    monkeypatch.setattr(Checkpoint, "_gather", _nothing)
    monkeypatch.setattr(SnapshotSet, "renew", _renews_nothing)


def _any_letters(self: ShardUsers, header: Any, now_ms: float) -> list[Any]:
    """A receipt as soon as the dead letters are clean."""
    name = (header["user"], header["asked_ms"])
    erasure = self._state.erasures.get(name)
    if erasure is None or name in self._issued:
        return []
    self._issued.add(name)
    return [IssueReceipt(erasure)]


@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(_instead(ShardReplay, "_on_erase", _nothing), id="not-replayed"),
        pytest.param(_trusts_packs, id="receipt-before-the-last-pack-is-gone"),
        pytest.param(
            _instead(SegmentJournal, "begin", property(lambda self: 2**63)),
            id="journal-not-looked-at",
        ),
        pytest.param(
            _instead(ShardUsers, "on_letters_clean", _any_letters),
            id="receipt-at-the-first-letters",
        ),
        pytest.param(_instead(Outbox, "rewrite", _nothing), id="outbox-kept"),
        pytest.param(_instead(ShardActors, "erase", lambda *_: []), id="matches-kept"),
        pytest.param(_instead(Kernel, "erase_user", _nothing), id="state-kept"),
        pytest.param(_instead(Eraser, "letter", lambda self, letter: letter), id="letters-kept"),
        pytest.param(_instead(SnapshotSet, "renew", _renews_nothing), id="packs-not-renewed"),
        pytest.param(_instead(RollingSnapshots, "hurry", _nothing), id="no-round"),
    ],
)
def test_a_planted_mistake_is_found(monkeypatch: Patch, plant: Callable[[Patch], None]) -> None:
    hurry(monkeypatch)
    plant(monkeypatch)
    program = erasure_program()
    for seed in range(40):
        try:
            erased(program, seed)
        except (AssertionError, StorageError):
            return
    pytest.fail("40 seeds do not notice")
