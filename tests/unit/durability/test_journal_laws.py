"""Every byte at which a write may have torn, every bit that may flip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulation.disk import SimulatedFiles
from tests.unit.durability.journals import bodies, new_journal, opened

from augenblick.durability.formats.head import HEAD_bytes
from augenblick.errors import JournalCorrupt

FIRST = "journal/000000000001-000000000001"
SEGMENT_bytes = 1024
SHAPE = st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4)


def _written(first: list[bytes], second: list[bytes]) -> tuple[bytes, bytes, int]:
    """A segment with a durable commit, the same after a second commit, and its first position."""
    disk = SimulatedFiles(1)
    journal = opened(disk, segment_bytes=SEGMENT_bytes)
    for body in first:
        journal.append([body])
    durable = journal.commit()
    before = disk.content(FIRST)
    for body in second:
        journal.append([body])
    journal.commit()
    return before, disk.content(FIRST), durable


def _read(data: bytes) -> list[bytes]:
    disk = SimulatedFiles(1)
    disk.overwrite(FIRST, data)
    journal = new_journal(disk, segment_bytes=SEGMENT_bytes)
    journal.open(2)
    found = bodies(journal)
    disk.crash_machine()
    again = new_journal(disk, segment_bytes=SEGMENT_bytes)
    again.open(3)
    assert bodies(again) == found  # what an owner has read once is there for good
    return found


def test_a_write_torn_at_any_byte_leaves_whole_records() -> None:
    first, second = [b"a" * 13, b"b"], [b"c" * 30, b"d" * 8, b"e" * 5]
    before, after, durable = _written(first, second)
    begin = HEAD_bytes + durable
    seen = set()
    for cut in range(begin, len(after.rstrip(b"\0")) + 9):
        found = _read(after[:cut] + before[cut:])
        assert found == (first + second)[: len(found)]
        assert len(found) >= len(first)
        seen.add(len(found))
    assert seen == {2, 3, 4, 5}


@given(SHAPE, SHAPE, st.lists(st.tuples(st.integers(0, 300), st.integers(0, 200)), max_size=4))
def test_any_part_of_an_unsynced_write_leaves_whole_records(
    first: list[bytes], second: list[bytes], parts: list[tuple[int, int]]
) -> None:
    before, after, durable = _written(first, second)
    data = bytearray(before)
    for begin, count in parts:
        at = HEAD_bytes + durable + begin
        data[at : at + count] = after[at : at + count]
    found = _read(bytes(data))
    assert found == (first + second)[: len(found)]
    assert len(found) >= len(first)


def test_every_bit_below_the_durable_position_is_guarded() -> None:
    _, data, durable = _written([b"a" * 13, b"\0" * 9], [b"c"])
    records = [HEAD_bytes + 32, HEAD_bytes, 0]  # where what a bit is part of begins
    for bit in range((HEAD_bytes + durable) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(JournalCorrupt) as caught:
            _read(bytes(flipped))
        assert caught.value.file == f"disk:{FIRST}"
        assert caught.value.offset == next(at for at in records if at <= bit // 8)


@given(SHAPE, SHAPE, st.data())
def test_any_bit_above_it_never_makes_a_record(
    first: list[bytes], second: list[bytes], data: st.DataObject
) -> None:
    _, after, durable = _written(first, second)
    bit = data.draw(st.integers((HEAD_bytes + durable) * 8, len(after) * 8 - 1))
    flipped = bytearray(after)
    flipped[bit // 8] ^= 1 << bit % 8
    found = _read(bytes(flipped))
    assert found == (first + second)[: len(found)]
    assert len(found) >= len(first)
