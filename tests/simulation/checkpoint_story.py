"""The life of a checkpoint on a simulated disk, made of a seed, and what has to hold all along.

Whatever crashes, fails or is full: each start finds one whole state, the one of the last commit
that succeeded or of one tried since, and every snapshot of it can be read.
"""

import random

from tests.simulation.disk import Crashed, SimulatedFiles
from tests.simulation.journal_story import keys_of_owner

from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.formats.head import Owner
from augenblick.errors import StorageError, StorageFull

OWNER = Owner("c1", "shard-0")
UNITS = range(12)
State = dict[int, tuple[int, bytes]]


class CheckpointStory:
    """`wanted`: what was asked for so far; `candidates`: what a start may find."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = random.Random(f"checkpoint/{seed}")
        self.disk = SimulatedFiles(seed)
        self.epoch = 0
        self.position = 0
        self.wanted: State = {}
        self.candidates: list[State] = [{}]
        self.crashes = 0
        self.failures = 0
        self.is_calm = False  # no crash while it starts
        self.start()

    def start(self) -> None:
        """A new owner, who may crash while it begins."""
        while True:
            self.epoch += 1
            keys = keys_of_owner(self.seed, self.epoch)
            self.checkpoint = Checkpoint(self.disk, OWNER, keys=keys, pack_bytes_max=600)
            if not self.is_calm and self.chance.random() < 0.2:
                self.disk.crash_at = self.chance.randrange(6)
            try:
                self.checkpoint.open(self.epoch)
            except Crashed:
                self.crash()
                continue
            self.disk.crash_at = None
            self.wanted = self.read()
            assert self.wanted in self.candidates
            self.candidates = [dict(self.wanted)]
            return

    def read(self) -> State:
        """Everything as it is on disk."""
        found = {unit: self.checkpoint.read(unit) for unit in self.checkpoint.positions}
        assert {unit: one[0] for unit, one in found.items()} == self.checkpoint.positions
        return found

    def live(self, steps: int) -> None:
        """So many random steps."""
        for _ in range(steps):
            try:
                self._step()
            except Crashed:
                self.crash()
                self.start()

    def end(self) -> None:
        """No more faults: everything is written."""
        self.disk.crash_at = self.disk.room_bytes = None
        self.disk.failing_syncs = 0
        self.checkpoint.commit()
        self.candidates = [dict(self.wanted)]
        assert self.read() == self.wanted

    def crash(self) -> None:
        """Process or machine."""
        self.crashes += 1
        self.disk.failing_syncs = 0
        self.disk.room_bytes = None
        if self.chance.random() < 0.5:
            self.disk.crash_process()
        else:
            self.disk.crash_machine()

    def _step(self) -> None:
        chance, checkpoint = self.chance, self.checkpoint
        unit, kind = chance.choice(UNITS), chance.randrange(100)
        self.position += 8
        if kind < 50:
            data = chance.randbytes(chance.choice([0, 1, 30, 200, 900]))
            checkpoint.add(unit, self.position, data)
            self.wanted[unit] = (self.position, data)
        elif kind < 58:
            checkpoint.confirm(unit, self.position)
            if unit in self.wanted:
                self.wanted[unit] = (self.position, self.wanted[unit][1])
        elif kind < 60:
            checkpoint.forget(unit)
            self.wanted.pop(unit, None)
        elif kind < 84:
            self._commit()
        elif kind < 88:
            self.disk.room_bytes = chance.randrange(8_000)
        elif kind < 92:
            self.disk.failing_syncs = 1
        elif kind < 98:
            self.disk.crash_at = chance.randrange(10)
        else:
            self.crash()
            self.start()

    def _commit(self) -> None:
        self.candidates.append(dict(self.wanted))
        try:
            self.checkpoint.commit()
        except StorageFull:
            self.failures += 1
            self.disk.room_bytes = None
        except StorageError:
            self.failures += 1
        else:
            self.candidates = [dict(self.wanted)]
            assert self.read() == self.wanted
            tail = self.checkpoint.tail(UNITS)
            assert tail[1] == min(self.wanted.get(unit, (0,))[0] for unit in UNITS)
