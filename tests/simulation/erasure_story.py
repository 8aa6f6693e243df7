"""An erasure from its request to its receipt, while processes and machines end at any step.

Made of a seed. The user who is erased sends no more events afterwards, so that every byte of the
id is one of before. What has to hold: once the request is answered nothing that the shard holds or
sends knows the user, whoever owns it; a receipt is issued when no file and no dead letter holds
the id; and it is issued once nothing ends any more.
"""

import json
from typing import Any

import msgpack
from tests.unit.core.shard_story import UNITS, USERS, ShardStory

from augenblick.binding.user_marks import UserMarks
from augenblick.core.effects import Send
from augenblick.core.erasure import Eraser
from augenblick.link.messages import Kind
from augenblick.plan.program import Program

MARKS = UserMarks()
FOLDERS = ("journal", "checkpoint")
ROUNDS_MAX = 400


class ErasureStory(ShardStory):
    """`live` first, then `erase_one`; `crashes` counts the ends that came in between."""

    def __init__(self, program: Program, seed: int) -> None:
        super().__init__(program, seed)
        self.victim = ""
        self.since_ms = 0.0
        self.is_answered = False
        self.receipts = 0
        self.done: set[tuple[str, int]] = set()
        self.crashes = 0
        self.letters: list[dict[str, Any]] = []  # as delivery has them in its files
        self.coming: list[Send] = []  # to delivery
        self.seen = 0

    def erase_one(self, steps: int) -> None:
        """All of it; raises AssertionError."""
        self.owner.commit(self.now_ms)
        self._deliver()
        self.victim = self.chance.choice(USERS)
        self.since_ms = self.now_ms
        self.users = [user for user in USERS if user != self.victim]
        self.batches.clear()
        assert self._files_with_victim()
        for _ in range(steps):
            self._step(self.chance.randrange(12))
            self._check()
            if self.receipts:
                break
        for _ in range(ROUNDS_MAX):
            for kind in (1, 2, 3, 4, 5, 6, 7, 8):
                self._step(kind)
            self._check()
            if self.receipts:
                break
        assert self.receipts, "no receipt"
        self.disk.crash_machine()
        assert not self._files_with_victim(), "it came back"
        self.owner = self.successor()
        running = {one.name for one in self.owner.core.users.running}
        assert not running & self.done, "an erasure runs on after its receipt"

    # ---- inside ------------------------------------------------------------------------------

    def _step(self, kind: int) -> None:
        self.now_ms += self.chance.choice((1, 10, 100))
        owner, core = self.owner, self.owner.core
        if kind == 0:
            self._crash()
        elif kind == 1 and not self.is_answered:
            self.erase(self.victim)
        elif kind == 2:
            owner.commit(self.now_ms)
        elif kind == 3:
            owner.carry_out(core.on_tick(self.now_ms), self.now_ms)
        elif kind == 4:
            self._deliver()
        elif kind == 5:
            owner.journal.renew()
            owner.journal.commit()
            core.renew()
        elif kind == 6:
            self._clean()
        elif kind == 7 and owner.issued:
            self._on_issued()
        elif kind == 8:
            self.now_ms += 20_000  # delivery is asked again
        elif kind == 9:
            self._batch()
        elif kind == 10:
            self._answer()

    def _clean(self) -> None:
        owner = self.owner
        owner.set.renew()
        oldest = {group: owner.set.oldest(group) for group in UNITS}
        end = owner.journal.position
        owner.carry_out(owner.core.users.on_files(end, oldest, self.now_ms), self.now_ms)

    def _on_issued(self) -> None:
        for erasure in self.owner.issued:
            if erasure.user == MARKS.of(self.victim) and erasure.asked_ms >= self.since_ms:
                assert not self._files_with_victim(), "a receipt, and a file holds the user"
                assert not self._letters_of_victim(), "a receipt, and a dead letter holds the user"
                self.receipts += 1
            self.done.add(erasure.name)
            effects = self.owner.core.on_receipt(erasure, self.now_ms)
            self.owner.carry_out(effects, self.now_ms)
        self.owner.issued = []
        self.owner.commit(self.now_ms)

    def _crash(self) -> None:
        self.crashes += 1
        if self.chance.random() < 0.5:
            self.disk.crash_process()
        else:
            self.disk.crash_machine()
        self.coming.clear()
        self.seen = self.sends_seen = 0
        self.owner = self.successor()
        self.owner.carry_out(self.owner.core.on_recovered(self.now_ms), self.now_ms)
        for number in (0, 1):
            self._connect(number)
        hello = {"role": "delivery"}
        effects = self.owner.core.on_peer_connected("delivery", hello, self.now_ms)
        self.owner.carry_out(effects, self.now_ms)

    def _deliver(self) -> None:
        """What was sent to delivery arrives, in order."""
        new, self.seen = self.owner.sent[self.seen :], len(self.owner.sent)
        for one in new:
            if one.kind == Kind.DEAD_LETTERS:
                self.letters += msgpack.unpackb(one.payload)
            elif one.kind == Kind.ERASE:
                eraser = Eraser(MARKS, one.header["user"])
                left = map(eraser.letter, self.letters)
                self.letters = [letter for letter in left if letter is not None]
                effects = self.owner.core.on_message(
                    "delivery", Kind.LETTERS_ERASED, one.header, b"", self.now_ms
                )
                self.owner.carry_out(effects, self.now_ms)
            elif one.kind == Kind.RESPONSE:
                done = json.loads(bytes(one.payload))
                is_ours = done["user"] == MARKS.of(self.victim) and done["asked"] >= self.since_ms
                self.is_answered |= one.header["status"] == 202 and is_ours

    def _check(self) -> None:
        if not self.is_answered:
            return
        body, header = (
            json.dumps({"user": self.victim}).encode(),
            {"id": 7, "path": "/v1/users/show"},
        )
        core = self.owner.core
        (answer,) = core.on_message("gateway-0", Kind.REQUEST, header, body, self.now_ms)
        assert isinstance(answer, Send)
        shown = json.loads(bytes(answer.payload))
        for name in ("state", "outbox", "dead_letters_leaving", "custom_triggers"):
            assert not shown[name], f"{name} of an erased user"

    def _files_with_victim(self) -> list[str]:
        names = [f"{folder}/{name}" for folder in FOLDERS for name in self.disk.list(folder)]
        return [name for name in names if self.victim.encode() in self.disk.content(name)]

    def _letters_of_victim(self) -> bool:
        return self.victim in json.dumps(self.letters, default=repr)


def erased(program: Program, seed: int) -> ErasureStory:
    """One story."""
    story = ErasureStory(program, seed)
    story.live(60)
    story.erase_one(60)
    return story
