"""Planted mistakes in journal and checkpoint: each has to be found, or the disk is too kind."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.simulation.checkpoint_story import CheckpointStory
from tests.simulation.disk import SimulatedFile, SimulatedFiles
from tests.simulation.journal_story import JournalStory

from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.journal import SegmentJournal, _segment, segments
from augenblick.errors import CheckpointCorrupt, JournalCorrupt

SEEDS = range(1, 400)
FOUND = (AssertionError, JournalCorrupt, CheckpointCorrupt)


def _nothing(*_: Any) -> None:
    return None


def _never_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    def pretend(self: SegmentJournal, end: int) -> None:
        self._synced = end

    monkeypatch.setattr(SegmentJournal, "_sync", pretend)


def _syncs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def insist(self: SegmentJournal, end: int) -> None:
        for _ in range(3):
            try:
                self._file.sync()  # type: ignore[union-attr]
            except OSError:
                continue
            break
        self._synced = end

    monkeypatch.setattr(SegmentJournal, "_sync", insist)


def _reads_what_may_vanish(monkeypatch: pytest.MonkeyPatch) -> None:
    def trusting(files: Any, segment: Any) -> Any:
        found = _FIND_END(files, segment)
        return _segment.End(found.position, found.position, (), found.torn_bytes)

    monkeypatch.setattr(segments, "find_end", trusting)


def _leaves_what_is_whole_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(files: Any, segment: Any) -> Any:
        found = _FIND_END(files, segment)
        return _segment.End(found.durable, found.durable, (), found.torn_bytes)

    monkeypatch.setattr(segments, "find_end", forgetful)


def _does_not_sync_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimulatedFiles, "sync_folder", _nothing)


def _does_not_sync_new_files(monkeypatch: pytest.MonkeyPatch) -> None:
    sync = SimulatedFile.sync

    def only_old(self: SimulatedFile) -> None:
        if self._inode not in [one for _, one in self._disk._changes]:
            sync(self)

    monkeypatch.setattr(SimulatedFile, "sync", only_old)


def _drops_the_batch_when_full(monkeypatch: pytest.MonkeyPatch) -> None:
    def dropping(self: SegmentJournal, error: OSError) -> Any:
        self._batch.clear()
        return _FAILED(self, error)

    monkeypatch.setattr(SegmentJournal, "_failed", dropping)


def _removes_one_segment_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(self: SegmentJournal, position: int) -> int:
        return _TRUNCATE(self, position + 2048)

    monkeypatch.setattr(SegmentJournal, "truncate_below", greedy)


def _encrypts_what_goes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets longer, and every position behind it moves."""

    def eager(self: SegmentJournal, *places: int, is_plain: bool = False) -> Any:
        return _NEXT_HEAD(self, *places)

    monkeypatch.setattr(SegmentJournal, "_next_head", eager)


def _goes_on_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    """The segment that took over what was unencrypted takes more."""

    def lasting(self: SegmentJournal, *arguments: int) -> Any:
        found = _OPEN(self, *arguments)
        self._must_roll = False
        return found

    monkeypatch.setattr(SegmentJournal, "_open", lasting)


def _trusts_a_manifest_that_may_vanish(monkeypatch: pytest.MonkeyPatch) -> None:
    put = Checkpoint._put_manifest

    def sparing(self: Checkpoint) -> None:
        if self._places != self._written or not self._files.list("checkpoint"):
            put(self)

    monkeypatch.setattr(Checkpoint, "_put_manifest", sparing)


def _forgets_what_a_failed_commit_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def dropping(self: Checkpoint, error: OSError) -> Any:
        self._filling = {}
        return _CHECKPOINT_FAILED(self, error)

    monkeypatch.setattr(Checkpoint, "_failed", dropping)


def _names_packs_before_they_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimulatedFile, "sync", lambda self: self._disk._step())


_FIND_END: Callable[..., Any] = _segment.find_end
_FAILED: Callable[..., Any] = SegmentJournal._failed
_TRUNCATE: Callable[..., Any] = SegmentJournal.truncate_below
_NEXT_HEAD: Callable[..., Any] = SegmentJournal._next_head
_OPEN: Callable[..., Any] = SegmentJournal._open
_CHECKPOINT_FAILED: Callable[..., Any] = Checkpoint._failed


def _tell(kind: type[JournalStory] | type[CheckpointStory]) -> None:
    for seed in SEEDS:
        story = kind(seed)
        story.live(80)
        story.end()
        story.start()


Plant = Callable[[pytest.MonkeyPatch], None]


@pytest.mark.parametrize(
    "plant",
    [
        _never_syncs,
        _syncs_again,
        _reads_what_may_vanish,
        _leaves_what_is_whole_behind,
        _does_not_sync_folders,
        _does_not_sync_new_files,
        _drops_the_batch_when_full,
        _removes_one_segment_too_many,
        _encrypts_what_goes_over,
        _goes_on_in_clear,
    ],
)
def test_a_mistake_in_the_journal_is_found(monkeypatch: pytest.MonkeyPatch, plant: Plant) -> None:
    plant(monkeypatch)
    with pytest.raises(FOUND):
        _tell(JournalStory)


@pytest.mark.parametrize(
    "plant",
    [
        _does_not_sync_folders,
        _names_packs_before_they_are_whole,
        _trusts_a_manifest_that_may_vanish,
        _forgets_what_a_failed_commit_had,
    ],
)
def test_a_mistake_in_the_checkpoint_is_found(
    monkeypatch: pytest.MonkeyPatch, plant: Plant
) -> None:
    plant(monkeypatch)
    with pytest.raises(FOUND):
        _tell(CheckpointStory)
