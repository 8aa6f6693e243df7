import errno
import os
from pathlib import Path

import pytest
from tests.simulation.disk import SimulatedFiles
from tests.unit.durability.journals import bodies, commit_all, new_journal, opened

from augenblick import limits
from augenblick.durability.disk import DiskFile, DiskFiles
from augenblick.durability.formats.head import Owner
from augenblick.durability.journal import SegmentJournal
from augenblick.durability.store import Journal, TornTail
from augenblick.errors import (
    DirectoryForeign,
    JournalBroken,
    JournalCorrupt,
    JournalFenced,
    OurError,
    StorageError,
    StorageFull,
)

FIRST = "journal/000000000001-000000000001"


def test_records_come_back_in_order_with_their_places(tmp_path: Path) -> None:
    journal: Journal = opened(tmp_path)
    ends = [journal.append([b"head", memoryview(b"body")]), journal.append([b"x" * 100])]
    assert (journal.position, journal.durable, journal.synced) == (ends[1], 0, 0)
    assert list(journal.read_from(0)) == []
    assert journal.commit() == journal.durable == journal.synced == ends[1]
    found = list(journal.read_from(0))
    assert [record.body for record in found] == [b"headbody", b"x" * 100]
    assert [(record.position, record.end) for record in found] == [(0, ends[0]), tuple(ends)]
    assert list(journal.read_from(ends[0])) == found[1:]
    assert list(journal.read_from(ends[1])) == []
    assert all(end % 8 == 0 for end in ends)


def test_many_records_share_one_sync() -> None:
    disk = SimulatedFiles(1)
    journal = opened(disk)
    before = disk.syncs
    for number in range(50):
        journal.append([b"%d" % number])
    journal.commit()
    assert disk.syncs == before + 1
    assert len(bodies(journal)) == 50


def test_a_commit_is_bounded() -> None:
    journal = opened(SimulatedFiles(1), commit_bytes_max=100)
    for _ in range(5):
        journal.append([b"x" * 60])
    assert journal.commit() == 80
    journal.append([b"y" * 500])
    assert commit_all(journal) == 5 * 80 + 520
    assert bodies(journal) == [b"x" * 60] * 5 + [b"y" * 500]


def test_without_syncs_what_is_written_counts_as_durable_until_it_is_synced() -> None:
    disk = SimulatedFiles(1)
    journal = opened(disk, durability="os")
    before = disk.syncs
    journal.append([b"x"])
    assert journal.commit() == 24
    assert (disk.syncs, journal.synced) == (before, 0)
    journal.sync()
    journal.sync()
    assert (disk.syncs, journal.synced) == (before + 1, 24)


def test_segments_follow_each_other_and_leave_when_nobody_reads_them(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    ends = []
    for number in range(40):
        ends.append(journal.append([b"%04d" % number * 150]))
        journal.commit()
    names = sorted(os.listdir(tmp_path / "journal"))
    assert names[0] == Path(FIRST).name
    assert len(names) > 5
    assert len(bodies(journal)) == 40
    begin = journal.truncate_below(ends[20])
    assert 0 < begin <= ends[20]
    assert len(os.listdir(tmp_path / "journal")) < len(names)
    assert [body[:4] for body in bodies(journal, ends[20])] == [b"%04d" % n for n in range(21, 40)]
    with pytest.raises(JournalCorrupt, match="holds"):
        bodies(journal, 0)
    journal.truncate_below(ends[39])
    assert len(os.listdir(tmp_path / "journal")) == 1
    journal.close()
    again = new_journal(tmp_path)
    assert again.open(2).end == ends[39]


def test_a_record_larger_than_a_segment_gets_one_of_its_own(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    for body in (b"a", b"b" * 10_000, b"c"):
        journal.append([body])
        journal.commit()
    assert bodies(journal) == [b"a", b"b" * 10_000, b"c"]


def test_another_plan_begins_a_segment_where_it_was_announced(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append([b"old"])
    journal.roll(Owner("c1", "shard-0", plan_hash=b"q" * 16))
    journal.append([b"new"])
    commit_all(journal)
    names = sorted(os.listdir(tmp_path / "journal"))
    contents = [(tmp_path / "journal" / name).read_bytes() for name in names]
    assert [(b"p" * 16 in data, b"q" * 16 in data) for data in contents] == [
        (True, False),
        (False, True),
    ]
    assert [(b"old" in data, b"new" in data) for data in contents] == [(True, False), (False, True)]
    assert bodies(journal) == [b"old", b"new"]


def test_files_are_made_whole(tmp_path: Path) -> None:
    opened(tmp_path)
    status = (tmp_path / FIRST).stat()
    assert status.st_size == 4096
    assert status.st_blocks * 512 >= 4096
    assert status.st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path / "journal") == [Path(FIRST).name]


def test_a_later_owner_fences_an_earlier_one_off(tmp_path: Path) -> None:
    opened(tmp_path, 5)
    for epoch in (4, 5):
        with pytest.raises(JournalFenced):
            opened(tmp_path, epoch)
    opened(tmp_path, 6)


def test_what_is_whole_goes_over_to_the_next_owner_and_the_rest_is_cut() -> None:
    disk = SimulatedFiles(1)
    journal = opened(disk)
    durable = journal.append([b"durable"])
    journal.commit()
    end = journal.append([b"last"])
    journal.commit()
    data = bytearray(disk.content(FIRST))
    data[256 + end : 256 + end + 30] = b"\7" * 30  # of a write that did not get through
    disk.overwrite(FIRST, bytes(data))
    again = new_journal(disk)
    found = again.open(2)
    assert (found.begin, found.end, found.carried) == (0, end, end - durable)
    assert found.torn == TornTail(f"disk:{FIRST}", 256 + end, 30)
    assert bodies(again) == [b"durable", b"last"]
    assert len(disk.content(FIRST)) == 256 + durable
    assert new_journal(disk).open(3).torn is None


def test_a_journal_that_ends_before_what_was_durable_is_corrupt() -> None:
    disk = SimulatedFiles(1)
    journal = opened(disk)
    journal.append([b"x"])
    journal.commit()
    with pytest.raises(JournalCorrupt, match="ends at 24; it was durable up to 32"):
        new_journal(disk).open(2, reach=32)
    with pytest.raises(JournalCorrupt, match="ends at 0"):
        new_journal(SimulatedFiles(1)).open(1, reach=8)


def test_a_missing_segment_is_corruption() -> None:
    disk = SimulatedFiles(1)
    journal = opened(disk)
    for _ in range(20):
        journal.append([b"x" * 500])
        journal.commit()
    disk.delete("journal/000000000001-000000000002")
    again = new_journal(disk)
    again.open(2)
    with pytest.raises(JournalCorrupt) as caught:
        bodies(again)
    assert caught.value.file == f"disk:{FIRST}"


def test_a_shortened_segment_is_corruption() -> None:
    disk = SimulatedFiles(1)
    opened(disk)
    disk.overwrite(FIRST, disk.content(FIRST)[:3000])
    with pytest.raises(JournalCorrupt, match=r"000001 at byte 3000: the file ends there"):
        opened(disk, 2)


def test_segments_of_another_shard_are_refused() -> None:
    disk = SimulatedFiles(1)
    opened(disk)
    for owner in (Owner("c1", "shard-1"), Owner("c2", "shard-0")):
        with pytest.raises(DirectoryForeign, match="belongs to shard-0 of cluster c1"):
            SegmentJournal(disk, owner).open(2)


def test_a_copied_segment_is_noticed() -> None:
    disk = SimulatedFiles(1)
    opened(disk)
    disk.overwrite("journal/000000000001-000000000002", disk.content(FIRST))
    with pytest.raises(JournalCorrupt, match="written as 000000000001-000000000001"):
        opened(disk, 2)


@pytest.mark.parametrize("room", [4096, 4500, 6000])
def test_a_full_disk_loses_nothing_and_goes_on(room: int) -> None:
    disk = SimulatedFiles(1)
    journal = opened(disk)
    disk.room_bytes = room
    for number in range(12):
        journal.append([b"%04d" % number * 125])
    with pytest.raises(StorageFull) as caught:
        commit_all(journal)
    assert caught.value.retryable
    reported = journal.durable
    assert len(bodies(journal)) == reported // 520
    journal.append([b"later"])
    disk.room_bytes = None
    commit_all(journal)
    assert [body[:4] for body in bodies(journal)] == [b"%04d" % n for n in range(12)] + [b"late"]
    assert not [name for name in disk.list("journal") if name.startswith(".")]


def test_a_queue_that_no_disk_empties_is_bounded() -> None:
    journal = opened(SimulatedFiles(1), pending_bytes_max=1000)
    position = journal.append([b"x" * 2000])
    with pytest.raises(StorageFull):
        journal.append([b"x"])
    assert journal.position == position
    journal.commit()
    journal.append([b"x"])


def test_a_failed_sync_is_never_tried_again() -> None:
    disk = SimulatedFiles(1)
    journal = opened(disk)
    journal.append([b"x"])
    disk.failing_syncs = 1
    with pytest.raises(JournalBroken, match="Input/output error"):
        journal.commit()
    syncs = disk.syncs
    for call in (journal.commit, journal.sync, lambda: bodies(journal)):
        with pytest.raises(JournalBroken):
            call()
    assert disk.syncs == syncs
    assert journal.durable == 0


def test_a_failed_write_breaks_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(tmp_path)
    journal.append([b"x"])

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(DiskFile, "write", fail)
    with pytest.raises(JournalBroken):
        journal.commit()


def test_a_mark_names_what_was_durable_and_is_not_read() -> None:
    disk = SimulatedFiles(1)
    journal = opened(disk)
    end = journal.append([b"x"])
    journal.commit()
    journal.append(())
    journal.commit()
    assert bodies(journal) == [b"x"]
    disk.flip(FIRST, (256 + end - 1) * 8)
    with pytest.raises(JournalCorrupt, match="at byte 256: damaged, and known durable up to"):
        opened(disk, 2)


def test_what_the_caller_does_wrong() -> None:
    with pytest.raises(OurError):
        new_journal(SimulatedFiles(1)).commit()
    with pytest.raises(OurError):
        opened(SimulatedFiles(1)).append([bytes(limits.journal_record_bytes_max + 1)])


def test_a_later_format_is_refused_and_no_corruption(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SimulatedFiles(1)
    monkeypatch.setattr("augenblick.durability.formats.head.FORMAT_VERSION", 2)
    opened(disk)
    monkeypatch.undo()
    with pytest.raises(StorageError, match="format 2; this version reads 1") as caught:
        opened(disk, 2)
    assert not isinstance(caught.value, JournalCorrupt)


def test_the_real_disk_writes_more_buffers_than_one_call_takes(tmp_path: Path) -> None:
    files = DiskFiles(tmp_path)
    file = files.create("many")
    buffers = [b"%05d" % number for number in range(3000)]
    file.write(buffers, 7)
    assert file.read(20_000, 7) == b"".join(buffers)
    file.close()
