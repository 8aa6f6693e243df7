"""Mutated segments, packs and manifests, encrypted and not: refused with their file, or read as
they were written.

Where the checksums are put right again, only encryption tells; without it the bytes may say
anything, and nothing but a clear error or other records may come of it.
"""

import json
import random
from collections.abc import Callable

import pytest
from tests.fuzz.storage_mutations import WatchedFiles, mutated, put_right
from tests.unit.durability.journals import bodies, new_journal, opened
from tests.unit.durability.key_rings import ring

from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.cluster_file import Cluster
from augenblick.durability.dead_letters import DeadLetterStore
from augenblick.durability.formats.checksum import Damage
from augenblick.durability.formats.frames import search_frames
from augenblick.durability.formats.head import Owner, UnknownFormat
from augenblick.durability.formats.manifest import decode_manifest
from augenblick.durability.formats.sealing import KeyRing
from augenblick.durability.identity import ShardIdentity
from augenblick.errors import (
    CheckpointCorrupt,
    JournalCorrupt,
    KeyMissing,
    StorageError,
)

OWNER = Owner("c1", "shard-0")
ROUNDS = 150
KEYS = [None, ring(1)]


def journal_disk(keys: KeyRing | None) -> tuple[WatchedFiles, list[bytes]]:
    disk = WatchedFiles(1)
    chance = random.Random(1)
    journal = opened(disk, keys=keys, segment_bytes=1024)
    written = [chance.randbytes(chance.randrange(1, 200)) for _ in range(20)]
    for body in written:
        journal.append([body])
        journal.commit()
    return disk, written


def checkpoint_disk(keys: KeyRing | None) -> tuple[WatchedFiles, dict[int, tuple[int, bytes]]]:
    disk = WatchedFiles(1)
    chance = random.Random(1)
    checkpoint = Checkpoint(disk, OWNER, keys=keys, pack_bytes_max=500)
    checkpoint.open(1)
    written = {unit: (unit * 8, chance.randbytes(chance.randrange(200))) for unit in range(12)}
    for unit, (position, snapshot) in written.items():
        checkpoint.add(unit, position, snapshot)
    checkpoint.commit()
    return disk, written


def with_one_mutated(
    make: Callable[[KeyRing | None], tuple],
    keys: KeyRing | None,
    folder: str,
    chance: random.Random,
    repair: Callable[[bytes], bytes] = bytes,
) -> tuple:
    disk, written = make(keys)
    name = f"{folder}/{chance.choice(disk.list(folder))}"
    before = disk.content(name)
    data = repair(mutated(before, chance))
    disk.overwrite(name, data)
    return disk, written, data == before


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("seed", range(6))
def test_journals(seed: int, keys: KeyRing | None) -> None:
    chance = random.Random(seed)
    refused = []
    journal = opened(journal_disk(keys)[0], 2, keys=keys)
    last = journal._segments[-2].start
    whole = sum(record.end <= last for record in journal.read_from(0))
    assert whole > 10
    for _ in range(ROUNDS):
        disk, written, _ = with_one_mutated(journal_disk, keys, "journal", chance)
        journal = new_journal(disk, keys=keys, segment_bytes=1024)
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


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("seed", range(6))
def test_checkpoints(seed: int, keys: KeyRing | None) -> None:
    chance = random.Random(seed)
    refused = []
    for _ in range(ROUNDS):
        disk, written, _ = with_one_mutated(checkpoint_disk, keys, "checkpoint", chance)
        checkpoint = Checkpoint(disk, OWNER, keys=keys)
        try:
            checkpoint.open(2)
            found = {unit: checkpoint.read(unit) for unit in checkpoint.positions}
        except CheckpointCorrupt as error:
            refused.append(error.file)
            continue
        assert found == written
    assert len(refused) > ROUNDS // 2
    assert all(file.startswith("disk:checkpoint/") for file in refused)


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("seed", range(6))
def test_journals_with_right_checksums(seed: int, keys: KeyRing | None) -> None:
    chance = random.Random(f"right/{seed}")
    refused: list[str] = []
    read = 0
    for _ in range(ROUNDS):
        disk, written, is_same = with_one_mutated(journal_disk, keys, "journal", chance, put_right)
        journal = new_journal(disk, keys=keys, segment_bytes=1024)
        try:
            journal.open(2)
            found = bodies(journal, journal._segments[0].start)
        except StorageError as error:
            refused.append(str(error))
            continue
        read += not is_same
        assert keys is None or found == written[: len(found)]
    assert len(refused) > 10
    assert all("disk:journal" in text for text in refused)
    assert read > 3, "some damage is only a shorter end"


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("seed", range(6))
def test_checkpoints_with_right_checksums(seed: int, keys: KeyRing | None) -> None:
    chance = random.Random(f"right/{seed}")
    refused: list[str] = []
    for _ in range(ROUNDS):
        disk, written, _ = with_one_mutated(checkpoint_disk, keys, "checkpoint", chance, put_right)
        checkpoint = Checkpoint(disk, OWNER, keys=keys)
        try:
            checkpoint.open(2)
            found = {unit: checkpoint.read(unit) for unit in checkpoint.positions}
            checkpoint.commit()
        except StorageError as error:
            refused.append(str(error))
            continue
        assert keys is None or found == written
    assert len(refused) > (10 if keys is None else ROUNDS // 2)
    assert all("disk:checkpoint" in text for text in refused)


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("seed", range(3))
def test_manifests(seed: int, keys: KeyRing | None) -> None:
    chance = random.Random(seed)
    data = checkpoint_disk(keys)[0].content("checkpoint/manifest")
    whole = decode_manifest(data, keys)
    for _ in range(1_000):
        changed = mutated(data, chance)
        if changed == data:
            continue
        with pytest.raises((Damage, UnknownFormat)):
            decode_manifest(changed, keys)
        changed = put_right(changed)
        try:
            found = decode_manifest(changed, keys)
        except (Damage, UnknownFormat, KeyMissing):
            continue
        assert keys is None or found == whole


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("seed", range(4))
def test_dead_letters(seed: int, keys: KeyRing | None, tmp_path) -> None:
    """Whole lines are read, whatever else is in the file."""
    chance = random.Random(seed)
    store = DeadLetterStore(tmp_path, keys=keys)
    letters = [{"kind": "dead_letter", "id": f"l{n}", "detail": "x" * n} for n in range(20)]
    store.append(letters)
    store.close()
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for _ in range(ROUNDS):
        path.write_bytes(mutated(whole, chance))
        try:
            found = list(DeadLetterStore(tmp_path, keys=keys).read())
        except KeyMissing:
            continue
        assert keys is None or all(one in letters for one in found)


@pytest.mark.parametrize("seed", range(3))
def test_small_files(seed: int) -> None:
    chance = random.Random(seed)
    cluster = Cluster("c" * 16, bytes(16))
    identity = ShardIdentity("c" * 16, "shard-0", ((0, 2047), (3000, 4095)), "127.0.0.1:1")
    for whole, decode in (
        (cluster.encode(), Cluster.decode),
        (identity.encode(), ShardIdentity.decode),
    ):
        refused = 0
        for number in range(500):
            data = mutated(whole, chance)
            if number % 3 == 0:
                content = json.loads(whole)
                values = [None, 0, -1, "x", [], {}, [[0]], [[1, 0]], 10**30, 1.5, "é" * 999]
                content[chance.choice(list(content))] = chance.choice(values)
                data = json.dumps(content).encode()
            try:
                decode(data)
            except StorageError:
                refused += 1
        assert refused > 200


@pytest.mark.parametrize("seed", range(3))
def test_the_search_behind_damage_finds_nothing_in_noise(seed: int) -> None:
    """Also where every word looks like a durable position, as a stranger's events could have it."""
    chance = random.Random(seed)
    base = 1 << 20
    for _ in range(100):
        words = [chance.choice([base + 8, base + 16, 40, 1 << 33]) for _ in range(300)]
        data = b"".join(word.to_bytes(8, "little") for word in words)
        assert list(search_frames(data + chance.randbytes(5), 7, base)) == []
