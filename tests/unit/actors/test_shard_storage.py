"""The threads around a shard's disk, on a real event loop and a real disk."""

import asyncio
from pathlib import Path

from augenblick.actors.shard_storage import ShardStorage
from augenblick.durability.formats.head import Owner
from augenblick.durability.formats.packs import SHARD_UNIT

UNITS = [1, 2]


class Read:
    """Takes what is recovered."""

    def __init__(self) -> None:
        self.units: dict[int, bytes] = {}
        self.records: list[bytes] = []

    def progress(self) -> dict[str, int]:
        return {"restored": len(self.units), "events": len(self.records)}

    def restore(self, unit: int, data: bytes) -> None:
        self.units[unit] = data

    def replay(self, position: int, body: bytes) -> None:
        self.records.append(body)


async def _owner(directory: Path, epoch: int, bodies: list[bytes], *, keeps: bool) -> Read:
    """Recover, append the bodies, keep a set of snapshots half-way, and end."""
    storage = ShardStorage(directory, Owner("c", "shard-0"), epoch, "fsync", UNITS)
    read = Read()
    await storage.recover(read, lambda: None)  # type: ignore[arg-type]
    status = storage.status()
    assert status["recovered"] == 1.0
    assert status["recovery"] == {**status["recovery"], "key_groups": 2, **read.progress()}
    written = asyncio.Event()
    appended = asyncio.Event()
    storage.begin(on_full=print, on_broken=print, on_written=written.set)
    for number, body in enumerate(bodies):
        if keeps and number == len(bodies) // 2:
            for unit in (*UNITS, SHARD_UNIT):
                storage.keep(unit, b"%d of epoch %d" % (unit, epoch))
        last = number == len(bodies) - 1
        storage.append(number, (body,), lambda _, last=last: appended.set() if last else None)  # type: ignore[misc]
    async with asyncio.timeout(10):
        await appended.wait()
        while keeps and not written.is_set():
            storage.tick()
            await asyncio.sleep(0.01)
    status = storage.status()
    assert status["waiting_bytes"] == 0
    assert not keeps or 0 < status["replay_bytes"] < status["position"]
    storage.close()
    return read


def test_the_next_owner_reads_the_checkpoint_and_what_follows_it(tmp_path: Path) -> None:
    first = [b"record %d" % number for number in range(10)]
    asyncio.run(_owner(tmp_path, 1, first, keeps=False))
    read = asyncio.run(_owner(tmp_path, 2, [b"a", b"b"], keeps=True))
    assert (read.units, read.records) == ({}, first)
    read = asyncio.run(_owner(tmp_path, 3, [b"c"], keeps=False))
    assert read.units == {unit: b"%d of epoch 2" % unit for unit in (*UNITS, SHARD_UNIT)}
    assert read.records == [b"b"]
