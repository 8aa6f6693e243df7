"""Mutated segments, packs and manifests: refused with their file, or read as they were written."""

import random
from collections.abc import Callable

import pytest
from tests.simulation.disk import SimulatedFiles
from tests.unit.durability.journals import bodies, new_journal, opened

from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.formats.checksum import Damage
from augenblick.durability.formats.frames import search_frames
from augenblick.durability.formats.head import Owner, UnknownFormat
from augenblick.durability.formats.manifest import decode_manifest
from augenblick.errors import CheckpointCorrupt, JournalCorrupt

OWNER = Owner("c1", "shard-0")
ROUNDS = 150


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, cut out, put in, copied, or the end cut off."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 5])):
        at, kind = chance.randrange(len(changed) + 1), chance.randrange(6)
        count = chance.choice([1, 4, 8, 16, 300])
        if kind == 0:
            changed[at : at + count] = chance.randbytes(len(changed[at : at + count]))
        elif kind == 1:
            changed[at:at] = chance.randbytes(count)
        elif kind == 2:
            del changed[at : at + count]
        elif kind == 3:
            begin = chance.randrange(len(changed) + 1)
            changed[at : at + count] = changed[begin : begin + count]
        elif kind == 4:
            changed[at : at + count] = b"\xff" * len(changed[at : at + count])
        else:
            del changed[at:]
    return bytes(changed)


def journal_disk() -> tuple[SimulatedFiles, list[bytes]]:
    disk = SimulatedFiles(1)
    chance = random.Random(1)
    journal = opened(disk, segment_bytes=1024)
    written = [chance.randbytes(chance.randrange(1, 200)) for _ in range(20)]
    for body in written:
        journal.append([body])
        journal.commit()
    return disk, written


def checkpoint_disk() -> tuple[SimulatedFiles, dict[int, tuple[int, bytes]]]:
    disk = SimulatedFiles(1)
    chance = random.Random(1)
    checkpoint = Checkpoint(disk, OWNER, pack_bytes_max=500)
    checkpoint.open(1)
    written = {unit: (unit * 8, chance.randbytes(chance.randrange(200))) for unit in range(12)}
    for unit, (position, snapshot) in written.items():
        checkpoint.add(unit, position, snapshot)
    checkpoint.commit()
    return disk, written


def with_one_mutated(make: Callable[[], tuple], folder: str, chance: random.Random) -> tuple:
    disk, written = make()
    name = f"{folder}/{chance.choice(disk.list(folder))}"
    disk.overwrite(name, mutated(disk.content(name), chance))
    return disk, written


@pytest.mark.parametrize("seed", range(6))
def test_journals(seed: int) -> None:
    chance = random.Random(seed)
    refused = []
    journal = opened(journal_disk()[0], 2)
    last = journal._segments[-2].start
    whole = sum(record.end <= last for record in journal.read_from(0))
    assert whole > 10
    for _ in range(ROUNDS):
        disk, written = with_one_mutated(journal_disk, "journal", chance)
        journal = new_journal(disk, segment_bytes=1024)
        try:
            journal.open(2)
            found = bodies(journal)
        except JournalCorrupt as error:
            refused.append(error.file)
            continue
        assert found == written[: len(found)]
        assert len(found) >= whole, "all but the last segment is known durable"
    assert 0 < len(refused) < ROUNDS
    assert all(file.startswith("disk:journal/") for file in refused)


@pytest.mark.parametrize("seed", range(6))
def test_checkpoints(seed: int) -> None:
    chance = random.Random(seed)
    refused = []
    for _ in range(ROUNDS):
        disk, written = with_one_mutated(checkpoint_disk, "checkpoint", chance)
        checkpoint = Checkpoint(disk, OWNER)
        try:
            checkpoint.open(2)
            found = {unit: checkpoint.read(unit) for unit in checkpoint.positions}
        except CheckpointCorrupt as error:
            refused.append(error.file)
            continue
        assert found == written
    assert len(refused) > ROUNDS // 2
    assert all(file.startswith("disk:checkpoint/") for file in refused)


@pytest.mark.parametrize("seed", range(3))
def test_manifests(seed: int) -> None:
    chance = random.Random(seed)
    data = checkpoint_disk()[0].content("checkpoint/manifest")
    for _ in range(1_000):
        changed = mutated(data, chance)
        if changed == data:
            continue
        with pytest.raises((Damage, UnknownFormat)):
            decode_manifest(changed)


@pytest.mark.parametrize("seed", range(3))
def test_the_search_behind_damage_finds_nothing_in_noise(seed: int) -> None:
    """Also where every word looks like a durable position, as a stranger's events could have it."""
    chance = random.Random(seed)
    base = 1 << 20
    for _ in range(100):
        words = [chance.choice([base + 8, base + 16, 40, 1 << 33]) for _ in range(300)]
        data = b"".join(word.to_bytes(8, "little") for word in words)
        assert list(search_frames(data + chance.randbytes(5), 7, base)) == []
