"""The life of a journal on a simulated disk, made of a seed, and what has to hold all along.

What was reported durable is read back, exactly and in order, and behind it only what was appended,
in order; whatever crashes, fails or is full, and wherever.
"""

import contextlib
import random

from tests.simulation.disk import Crashed, SimulatedFiles
from tests.unit.durability.key_rings import ring

from augenblick.durability.formats.head import Owner
from augenblick.durability.formats.sealing import KeyRing
from augenblick.durability.journal import SegmentJournal
from augenblick.durability.journal.segments import Durability
from augenblick.errors import JournalBroken, StorageError, StorageFull

OWNER = Owner("c1", "shard-0")
SEGMENT_bytes = 2048


def keys_of_owner(seed: int, epoch: int) -> KeyRing | None:
    """Half of the stories encrypt, at first or after a while, and change their keys."""
    number = max(epoch // 3 - seed % 6 // 2 + 1, 0)
    if seed % 2 == 0 or not number:
        return None
    return ring(*range(1, min(number, 250) + 1), seed=seed * 1000 + epoch)


class JournalStory:
    """`appended`: (end, body) of what this time line holds, oldest first. `promised`: what was
    reported durable.
    """

    def __init__(self, seed: int, durability: Durability = "fsync") -> None:
        self.chance = random.Random(f"story/{seed}")
        self.disk = SimulatedFiles(seed)
        self.epoch = 0
        self.appended: list[tuple[int, bytes]] = []
        self.promised = 0
        self.synced = 0
        self.begin = 0
        self.crashes = 0
        self.carried = 0
        self.torn = 0
        self._durability = durability
        self._seed = seed
        self._keys: KeyRing | None = None
        self.journal = self.start()

    def start(self) -> SegmentJournal:
        """A new owner, who may crash while it begins."""
        while True:
            self.epoch += 1
            self._keys = keys_of_owner(self._seed, self.epoch)
            journal = self._new_journal()
            if self.chance.random() < 0.2:
                self.disk.crash_at = self.chance.randrange(12)
            try:
                opened = journal.open(self.epoch, reach=self.synced)
            except Crashed:
                self._crash()
                continue
            except JournalBroken:  # a sync failed
                self._crash()
                continue
            except StorageFull:
                self.disk.room_bytes = None
                continue
            self.disk.crash_at = None
            self.carried += opened.carried
            self.torn += opened.torn is not None
            self.check(journal)
            self.promised = self.synced = journal.durable
            assert opened.end == journal.durable == journal.position == journal.synced
            self.journal = journal
            return journal

    def check(self, journal: SegmentJournal) -> None:
        """What is read is what was appended, and all that was promised; the rest is forgotten."""
        found = [(record.end, record.body) for record in journal.read_from(self.begin)]
        wanted = [one for one in self.appended if one[0] > self.begin]
        assert found == wanted[: len(found)], "not what was appended"
        assert len(found) >= sum(end <= self.promised for end, _ in wanted), "promised, and gone"
        self.appended = found
        assert all(end <= journal.durable for end, _ in found)

    def live(self, steps: int) -> None:
        """So many random steps."""
        for _ in range(steps):
            try:
                self._step()
            except Crashed:
                self._crash()
                self.start()
            except JournalBroken:
                self._crash()
                self.start()

    def end(self) -> None:
        """No more faults: everything appended becomes durable, by name."""
        self.disk.room_bytes = None
        self.disk.crash_at = None
        self.disk.failing_syncs = 0
        for _ in range(1000):
            if self.journal.durable < self.journal.position:
                self.journal.commit()
        assert self.journal.durable == self.journal.position
        self.journal.sync()
        self.promised = self.synced = self.journal.durable
        self.check(self.journal)
        self.journal.append(())
        self.journal.commit()
        self.journal.sync()

    def _step(self) -> None:
        chance, journal = self.chance, self.journal
        kind = chance.randrange(100)
        if kind < 50:
            parts = [
                chance.randbytes(chance.choice([1, 7, 8, 40, 300, 2500]))
                for _ in range(chance.randrange(1, 4))
            ]
            body = b"".join(parts)
            self.appended.append((journal.append([parts[0], *map(memoryview, parts[1:])]), body))
        elif kind < 80:
            try:
                self.promised = max(self.promised, journal.commit())
            except StorageFull:
                if chance.random() < 0.5:
                    self.disk.room_bytes = None
            self.synced = journal.synced
        elif kind < 82:
            journal.append(())
        elif kind < 84:
            journal.roll(OWNER)
        elif kind < 86:
            journal.sync()
            self.synced = journal.synced
        elif kind < 90:
            ends = [end for end, _ in self.appended if end <= journal.synced]
            if ends:
                self.begin = max(self.begin, chance.choice(ends))
                with contextlib.suppress(StorageError):  # a failing sync of the folder: no harm
                    assert journal.truncate_below(self.begin) <= self.begin
        elif kind < 93:
            self.disk.room_bytes = chance.randrange(12_000)
        elif kind < 95:
            self.disk.failing_syncs = 1
        elif kind < 99:
            self.disk.crash_at = chance.randrange(8)
        else:
            self._crash()
            self.start()

    def _crash(self) -> None:
        self.crashes += 1
        self.disk.failing_syncs = 0
        if self.chance.random() < 0.5:
            self.disk.crash_process()
        else:
            self.disk.crash_machine()
            self.promised = self.synced

    def _new_journal(self) -> SegmentJournal:
        return SegmentJournal(
            self.disk,
            OWNER,
            durability=self._durability,
            keys=self._keys,
            segment_bytes=SEGMENT_bytes,
            commit_bytes_max=1024,
        )
