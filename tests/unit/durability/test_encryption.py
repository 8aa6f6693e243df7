"""Journals, checkpoints and manifests under keys: rotation, missing keys, damage, no leaks."""

import random
import re
from dataclasses import replace
from typing import Any

import pytest
from tests.simulation.disk import SimulatedFiles
from tests.unit.durability.journals import bodies, commit_all, new_journal, opened
from tests.unit.durability.key_rings import key, ring

from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.formats.head import (
    JOURNAL_MAGIC,
    MANIFEST_MAGIC,
    PACK_MAGIC,
    Head,
    HEAD_bytes,
    Owner,
    decode_head,
    encode_head,
)
from augenblick.durability.formats.sealing import Cipher, KeyRing, key_id, show_key_id
from augenblick.errors import CheckpointCorrupt, JournalCorrupt, KeyMissing, StorageFull

OWNER = Owner("c1", "shard-0")
SECRET = b"grace@example.test looked at cameras"
ONE, TWO, THREE = (show_key_id(key_id(key(number))) for number in (1, 2, 3))


def checkpoint(disk: SimulatedFiles, epoch: int = 1, **settings: Any) -> Checkpoint:
    made = Checkpoint(disk, OWNER, **{"pack_bytes_max": 1000, **settings})
    made.open(epoch)
    return made


def heads(disk: SimulatedFiles, folder: str) -> list[Head]:
    magics = {JOURNAL_MAGIC, PACK_MAGIC, MANIFEST_MAGIC}
    contents = [disk.content(f"{folder}/{name}") for name in disk.list(folder)]
    return [
        decode_head(magic, data) for data in contents for magic in magics if data.startswith(magic)
    ]


def keys_of(disk: SimulatedFiles, folder: str) -> list[str]:
    return [show_key_id(head.key) for head in heads(disk, folder)]


def everything(disk: SimulatedFiles) -> bytes:
    names = [
        f"{folder}/{name}" for folder in ("journal", "checkpoint") for name in disk.list(folder)
    ]
    return b"".join(map(disk.content, names))


def test_records_come_back_and_nothing_of_them_is_on_the_disk() -> None:
    disk = SimulatedFiles(1)
    journal = opened(disk, keys=ring(1))
    written = [SECRET + b"%d" % number for number in range(200)]
    ends = [journal.append([body[:5], memoryview(body)[5:]]) for body in written]
    assert commit_all(journal) == ends[-1]
    assert bodies(journal) == written
    assert bodies(journal, ends[99]) == written[100:]
    journal.append(())
    commit_all(journal)
    again = opened(disk, 2, keys=ring(1, seed=1))
    assert bodies(again) == written
    assert SECRET[:8] not in everything(disk)
    assert len({head.salt for head in heads(disk, "journal")}) == len(disk.list("journal")) > 3


def test_snapshots_come_back_and_nothing_of_them_is_on_the_disk() -> None:
    disk = SimulatedFiles(1)
    made = checkpoint(disk, keys=ring(1))
    for unit in range(40):
        made.add(unit, unit * 8, SECRET * (unit % 3))
    made.commit()
    again = checkpoint(disk, 2, keys=ring(1))
    assert {unit: again.read(unit) for unit in again.positions} == {
        unit: (unit * 8, SECRET * (unit % 3)) for unit in range(40)
    }
    assert SECRET[:8] not in everything(disk)


def test_without_keys_the_files_name_none() -> None:
    disk = SimulatedFiles(1)
    journal, made = opened(disk), checkpoint(disk)
    journal.append([b"x"])
    commit_all(journal)
    made.add(1, 8, b"x")
    made.commit()
    assert {head.key for folder in ("journal", "checkpoint") for head in heads(disk, folder)} == {0}


@pytest.mark.parametrize("given", [None, ring(2)])
def test_a_missing_key_is_named_with_file_and_key_file(given: KeyRing | None) -> None:
    disk = SimulatedFiles(1)
    journal, made = opened(disk, keys=ring(1)), checkpoint(disk, keys=ring(1))
    journal.append([b"x"])
    commit_all(journal)
    made.add(1, 8, b"x")
    made.commit()
    held = "name the file" if given is None else f"keys.txt does not hold (it holds {TWO})"
    for name, start in (
        ("journal/000000000001-000000000001", lambda: new_journal(disk, keys=given).open(2)),
        ("checkpoint/manifest", lambda: checkpoint(disk, 2, keys=given)),
    ):
        with pytest.raises(KeyMissing, match=f"disk:{name} is encrypted with key {ONE}") as error:
            start()
        assert held in str(error.value)


def test_a_key_is_told_from_its_look_alike() -> None:
    """An id is made of its key, so that no other key can be taken for it."""
    assert len({key_id(key(number)) for number in range(256)}) == 256
    head = ring(1).mark(Head(OWNER, 1, 1))
    assert head.key == key_id(key(1))


def test_encryption_begins_where_the_journal_was_not() -> None:
    """What goes over from the last segment keeps its places, and so stays as it is."""
    disk = SimulatedFiles(1)
    journal = opened(disk)
    first = journal.append([b"first"])
    journal.commit()
    end = journal.append([b"second"])
    journal.commit()
    again = new_journal(disk, keys=ring(1))
    found = again.open(2)
    assert (found.end, found.carried) == (end, end - first)
    later = again.append([SECRET])
    assert commit_all(again) == later
    assert keys_of(disk, "journal") == ["00000000", "00000000", ONE]
    for epoch in (3, 4):
        successor = opened(disk, epoch, keys=ring(1))
        assert bodies(successor) == [b"first", b"second", SECRET]
        assert bodies(successor, end) == [SECRET]
    assert SECRET not in everything(disk)
    successor.truncate_below(later)
    assert set(keys_of(disk, "journal")) == {ONE}


def test_a_new_key_takes_over_and_the_old_one_can_go() -> None:
    disk = SimulatedFiles(1)
    journal, made = opened(disk, keys=ring(1)), checkpoint(disk, keys=ring(1))
    ends = []
    for number in range(30):
        ends.append(journal.append([b"%d" % number * 100]))
        commit_all(journal)
        made.add(number, ends[-1], b"%d" % number * 100)
    made.commit()
    assert set(keys_of(disk, "journal") + keys_of(disk, "checkpoint")) == {ONE}
    journal, made = opened(disk, 2, keys=ring(1, 2)), checkpoint(disk, 2, keys=ring(1, 2))
    assert keys_of(disk, "journal")[-1] == TWO
    assert len(bodies(journal)) == 30
    journal.append([b"last"])
    commit_all(journal)
    before = keys_of(disk, "checkpoint").count(ONE)
    for commits in range(1, 100):
        made.commit()
        left = keys_of(disk, "checkpoint").count(ONE)
        assert left == before - commits, "one pack moves with each commit"
        if not left:
            break
    journal.truncate_below(journal.durable)
    assert set(keys_of(disk, "journal") + keys_of(disk, "checkpoint")) == {TWO}
    again = checkpoint(disk, 3, keys=ring(2, 3))
    assert {unit: again.read(unit)[1] for unit in again.positions} == {
        number: b"%d" % number * 100 for number in range(30)
    }
    assert new_journal(disk, keys=ring(2)).open(3).end == journal.durable


def test_no_number_is_used_twice_under_one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a full disk makes the journal write the same record again."""
    used: set[tuple[int, int]] = set()
    seal = Cipher.seal

    def noting(self: Cipher, number: int, data: bytes, bound: bytes = b"") -> bytes:
        assert (id(self), number) not in used
        used.add((id(self), number))
        ciphers.append(self)  # so that no id is given anew
        return seal(self, number, data, bound)

    ciphers: list[Cipher] = []
    monkeypatch.setattr(Cipher, "seal", noting)
    disk = SimulatedFiles(1)
    keys = ring(1)
    journal, made = opened(disk, keys=keys), checkpoint(disk, keys=keys)
    refused = 0
    for number in range(200):
        journal.append([b"x" * (1 + number % 60)])
        made.add(number % 7, number * 8, b"y" * (number % 50))
        if number % 5 == 0:
            disk.room_bytes = random.Random(number).randrange(9_000)
        for one in (journal, made):
            try:
                one.commit()
            except StorageFull:
                refused += 1
                disk.room_bytes = None
    commit_all(journal)
    made.commit()
    assert refused > 10
    assert len(bodies(journal)) == 200


@pytest.mark.parametrize("seed", range(20))
def test_a_flipped_bit_is_reported_with_its_place(seed: int) -> None:
    chance = random.Random(seed)
    disk = SimulatedFiles(1)
    journal, made = opened(disk, keys=ring(1)), checkpoint(disk, keys=ring(1))
    for number in range(9):
        journal.append([SECRET + b"%d" % number])
        made.add(number, 8, SECRET)
        commit_all(journal)
    made.commit()
    name = "journal/000000000001-000000000001"
    disk.flip(name, (HEAD_bytes + chance.randrange(journal.durable - 100)) * 8)
    with pytest.raises(JournalCorrupt, match=re.escape(name)):
        new_journal(disk, keys=ring(1)).open(2)
    name = f"checkpoint/{chance.choice(disk.list('checkpoint'))}"
    size = len(disk.content(name))
    disk.flip(name, chance.randrange(size * 8))
    again = Checkpoint(disk, OWNER, keys=ring(1))
    try:
        again.open(2)
        found = [again.read(unit) for unit in again.positions]
    except CheckpointCorrupt as error:
        damaged = error.file
    else:
        damaged = f"disk:{name}" if found == [(8, SECRET)] * 9 else "padding may change, no more"
    assert damaged == f"disk:{name}"


def test_the_head_is_part_of_the_key() -> None:
    """A segment whose head says something else, with a right checksum, is not read."""
    disk = SimulatedFiles(1)
    journal = opened(disk, keys=ring(1))
    journal.append([SECRET])
    commit_all(journal)
    journal.append(())
    commit_all(journal)
    (name,) = [f"journal/{one}" for one in disk.list("journal")]
    data = disk.content(name)
    head = decode_head(JOURNAL_MAGIC, data, "start", "durable", "size")
    other = replace(head, owner=replace(head.owner, plan_hash=b"other plan......"))
    disk.overwrite(name, encode_head(JOURNAL_MAGIC, other) + data[HEAD_bytes:])
    with pytest.raises(JournalCorrupt, match=f"byte {HEAD_bytes}"):
        new_journal(disk, keys=ring(1)).open(2)


def test_a_frame_with_a_right_checksum_and_a_wrong_seal_is_damage() -> None:
    """Whoever can write the disk knows how to make a checksum, not how to make a seal."""
    disk = SimulatedFiles(1)
    journal = opened(disk, keys=ring(1))
    for body in (b"a" * 40, b"b" * 40):
        journal.append([body])
        commit_all(journal)
    name = "journal/000000000001-000000000001"
    size = 16 + 24 + 40
    data = disk.content(name)
    forged = Cipher(key(2), data[:HEAD_bytes])
    other = SimulatedFiles(2)
    fake = new_journal(other, keys=ring(1))
    fake.open(1)
    fake._sealer._cipher = forged
    fake.append([b"z" * 40])
    commit_all(fake)
    frame = other.content(name)[HEAD_bytes : HEAD_bytes + size]
    disk.overwrite(name, data[:HEAD_bytes] + frame + data[HEAD_bytes + size :])
    with pytest.raises(JournalCorrupt, match=f"byte {HEAD_bytes}"):
        new_journal(disk, keys=ring(1)).open(2)
