import queue
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from tests.simulation.disk import SimulatedFiles
from tests.unit.durability.journals import bodies, opened

from augenblick import limits
from augenblick.durability.committer import Committer, _Pace
from augenblick.durability.journal import SegmentJournal
from augenblick.errors import JournalBroken, StorageError


class Loop:
    """What the committer knows of an event loop, and what it told it."""

    def __init__(self, journal: SegmentJournal) -> None:
        self.appended: list[int] = []
        self.full: list[bool] = []
        self.broken: list[StorageError] = []
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.committer = Committer(
            journal, self._calls.put, on_full=self.full.append, on_broken=self.broken.append
        )

    def append(self, token: int, body: bytes) -> int:
        return self.committer.append(token, (b"h", memoryview(body)), self.appended.append)

    def run_until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            try:
                self._calls.get(timeout=0.05)()
            except queue.Empty:
                continue


def test_tokens_come_back_in_order_when_their_records_are_durable(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    loop = Loop(journal)
    for token in range(1, 101):
        end = loop.append(token, b"x" * token)
        assert end == journal.position
        if token % 10 == 0:
            loop.run_until(lambda token=token: loop.appended[-1:] == [token])  # type: ignore[misc]
    assert loop.appended == sorted(set(loop.appended))
    assert journal.durable == journal.position
    assert len(bodies(journal)) == 100
    loop.append(101, b"last")
    loop.committer.close()
    assert journal.durable == journal.position
    journal.close()


def test_a_commit_takes_what_gathered_while_the_one_before_waited() -> None:
    disk = SimulatedFiles(1)
    journal = opened(disk, segment_bytes=1 << 20)
    goes_on = threading.Event()
    commits = []
    commit = journal.commit

    def slow_commit() -> int:
        commits.append(journal.position)
        goes_on.wait(10)
        return commit()

    journal.commit = slow_commit  # type: ignore[method-assign]
    loop = Loop(journal)
    loop.append(1, b"x")
    loop.run_until(lambda: bool(commits))
    for token in range(2, 500):
        loop.append(token, b"x")
    goes_on.set()
    loop.run_until(lambda: loop.appended[-1:] == [499])
    loop.committer.close()
    assert len(commits) <= 3


def test_a_full_disk_is_told_once_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "journal_full_retry_seconds", 0.01)
    disk = SimulatedFiles(1)
    journal = opened(disk)
    disk.room_bytes = 4096
    loop = Loop(journal)
    loop.append(1, b"x" * 5000)
    loop.run_until(lambda: loop.full == [True])
    time.sleep(0.05)
    assert loop.appended == []
    disk.room_bytes = None
    loop.run_until(lambda: loop.appended == [1])
    assert loop.full == [True, False]
    loop.committer.close()


def test_a_full_disk_does_not_hold_up_the_end() -> None:
    disk = SimulatedFiles(1)
    journal = opened(disk)
    disk.room_bytes = 4096
    loop = Loop(journal)
    loop.append(1, b"x" * 5000)
    loop.committer.close()
    assert journal.durable == 0


def test_a_broken_journal_is_told_once() -> None:
    disk = SimulatedFiles(1)
    journal = opened(disk)
    disk.failing_syncs = 1
    loop = Loop(journal)
    loop.append(1, b"x")
    loop.run_until(lambda: bool(loop.broken))
    assert isinstance(loop.broken[0], JournalBroken)
    loop.append(2, b"y")
    loop.committer.close()
    assert loop.appended == []
    assert len(loop.broken) == 1


def test_an_idle_journal_names_its_last_commit() -> None:
    disk = SimulatedFiles(1)
    journal = opened(disk)
    loop = Loop(journal)
    loop.committer.settle()
    assert journal.position == 0
    end = loop.append(1, b"x")
    loop.run_until(lambda: loop.appended == [1])
    for _ in range(3):
        loop.committer.settle()
    loop.committer.close()
    assert journal.durable == journal.position == end + 16
    assert bodies(journal) == [b"hx"]


def test_without_a_sync_per_commit_one_comes_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "journal_sync_seconds", 0.02)
    journal = opened(SimulatedFiles(1), durability="os")
    loop = Loop(journal)
    end = loop.append(1, b"x")
    loop.run_until(lambda: loop.appended == [1])
    loop.run_until(lambda: journal.synced == end)
    loop.append(2, b"y")
    loop.committer.close()
    assert journal.synced == journal.position


def test_few_bytes_are_committed_at_once() -> None:
    pace = _Pace(1000, 0.0)
    for step in range(1, 500):
        assert pace.pause(1000 + 1000 * step, 1000 + 1000 * (step + 1), step * 0.001) <= 0


def test_where_many_bytes_come_commits_keep_a_distance() -> None:
    pace = _Pace(0, 0.0)
    now = durable = 0.0
    commits = []
    while now < 2:
        now += 0.0005  # the commit itself
        position = int(now * 3 * limits.journal_busy_bytes_per_second)
        now += max(pace.pause(int(durable), position, now), 0.0)
        durable = now * 3 * limits.journal_busy_bytes_per_second
        commits.append(now)
    late = [at for at in commits if at > 2 * limits.journal_busy_seconds]
    apart = [after - before for before, after in pairwise(late)]
    assert min(apart) >= limits.journal_busy_pause_seconds * 0.999
    assert max(apart) < limits.journal_busy_pause_seconds + 0.001
    while now < 4:  # and at once again when fewer come
        now += 0.0005
        pause = pace.pause(int(durable), int(durable) + 10, now)
        durable += 10
    assert pause <= 0


def test_enough_bytes_do_not_wait() -> None:
    pace = _Pace(0, 0.0)
    size = limits.journal_busy_commit_bytes + 1
    for step in range(1, 100):
        assert pace.pause(step * size, (step + 1) * size, step * 0.003) <= 0
