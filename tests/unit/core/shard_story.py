"""The life of one shard core with its real kernel, journal and checkpoint, made of a seed.

Two gateways send events at different speeds, delivery answers some of what leaves, the disk is
sometimes slow; `recovered` is a second core, made of the files alone.
"""

import json
import random
import struct
from collections import Counter
from typing import Any

import msgpack
from tests.simulation.disk import SimulatedFiles
from tests.unit.native.kernels import event, group_of, mark

from augenblick.binding.kernel import Kernel
from augenblick.binding.releases import record_key
from augenblick.core.effects import (
    Append,
    Confirm,
    Effect,
    IssueReceipt,
    Save,
    Send,
    Snapshot,
)
from augenblick.core.erasure import Erasure
from augenblick.core.shard import ShardCore
from augenblick.core.shard_rolling import RollingSnapshots
from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.formats.head import Owner
from augenblick.durability.formats.packs import SHARD_UNIT
from augenblick.durability.journal import SegmentJournal
from augenblick.durability.recovery import recover
from augenblick.durability.snapshot_set import SnapshotSet
from augenblick.link.messages import Kind
from augenblick.plan.program import Program

USERS = [f"user-{number}" for number in range(10)]
MEMORY_bytes_max = 0  # of a story's shard
UNITS = sorted({group_of(user) for user in USERS})
BEGIN_MS = 1_700_000_000_000
OWNER = Owner("c", "shard-0")
GATEWAY = {"role": "gateway", "incarnation": 1}
_WATERMARK = struct.Struct("<8xq")


class Owned:
    """One owner of the directory: its files open, its core recovered."""

    def __init__(
        self, program: Program, disk: SimulatedFiles, epoch: int, is_start: bool = False
    ) -> None:
        self.disk = disk
        self.kernel = Kernel(program, source="shard-0", memory_bytes_max=MEMORY_bytes_max)
        self.core = ShardCore(
            program, self.kernel, index=0, incarnation=epoch, epoch=epoch, is_start=is_start
        )
        self.checkpoint = Checkpoint(disk, OWNER, pack_bytes_max=20_000)
        self.checkpoint.open(epoch)
        self.journal = SegmentJournal(disk, OWNER, segment_bytes=8192)
        self.journal.open(epoch, reach=self.checkpoint.reach)
        self.set = SnapshotSet(self.journal, self.checkpoint, UNITS)
        self.tail = self.set.tail
        positions = self.checkpoint.positions
        self.replay = self.core.begin_recovery(RollingSnapshots(UNITS, positions), positions)
        self.replayed = sum(
            1 for _ in recover(self.replay, self.journal, self.checkpoint, self.set.tail)
        )
        self.tokens: list[int] = []
        self.sent: list[Send] = []
        self.written = 0
        self.saved: dict[int, bytes] = {}
        self.issued: list[Erasure] = []

    def carry_out(self, effects: list[Effect], now_ms: float) -> None:
        for effect in effects:
            if isinstance(effect, Append):
                self.journal.append(effect.parts)
                self.tokens.append(effect.token)
            elif isinstance(effect, Snapshot | Confirm):
                self.set.keep(effect.unit, getattr(effect, "data", None))
            elif isinstance(effect, IssueReceipt):
                self.issued.append(effect.erasure)
            elif isinstance(effect, Save):
                self.saved[effect.unit] = effect.data
            elif isinstance(effect, Send):
                self.sent.append(effect)

    def commit(self, now_ms: float) -> None:
        """Everything appended becomes durable and is released, with what comes of that."""
        while self.tokens:
            while self.journal.durable < self.journal.position:
                self.journal.commit()
            token, self.tokens = self.tokens[-1], []
            self.carry_out(self.core.on_appended(token, now_ms), now_ms)
        if self.set.is_ready:
            self.set.hand_over()
            self.set.write()
            self.written += 1
            self.carry_out(self.core.on_checkpointed(now_ms), now_ms)


class ShardStory:
    """`live` a while, then compare `owner` with `successor()`."""

    def __init__(self, program: Program, seed: int) -> None:
        self.chance = random.Random(f"shard/{seed}")
        self.program = program
        self.disk = SimulatedFiles(seed)
        self.now_ms = float(BEGIN_MS)
        self.epoch = 1
        self.owner = Owned(program, self.disk, self.epoch)
        self.owner.carry_out(self.owner.core.on_recovered(self.now_ms), self.now_ms)
        self.number: Counter[tuple[int, int]] = Counter()
        self.events = 0
        self.latest_ms = [BEGIN_MS, BEGIN_MS]
        self.batches: list[tuple[int, dict[str, Any], bytes]] = []
        self.seq = [0, 0]
        self.is_running = [True, True]
        self.sends_seen = 0
        self.answered: set[str] = set()
        self.users = USERS  # who sends

    def live(self, steps: int) -> None:
        for _ in range(steps):
            self.now_ms += self.chance.choice((1, 5, 10, 40))
            kind = self.chance.randrange(100)
            core, owner = self.owner.core, self.owner
            if kind < 50:
                self._batch()
            elif kind < 70:
                owner.carry_out(core.on_tick(self.now_ms), self.now_ms)
            elif kind < 90:
                owner.commit(self.now_ms)
                self._answer()
            elif kind < 91:
                self.erase(self.chance.choice(USERS))
            elif kind < 93:
                number = self.chance.randrange(2)
                core.on_peer_lost(f"gateway-{number}", self.now_ms)
                self._connect(number)
            elif kind < 95 and self.batches:
                self._send(*self.chance.choice(self.batches))  # again: applied before
            elif kind < 98:
                self._succeed()
            elif kind >= 98:
                self.save()
        owner = self.owner
        owner.commit(self.now_ms)

    def stop(self) -> bool:
        """The orderly stop, with peers that come back until they have answered all."""
        owner, core = self.owner, self.owner.core
        owner.carry_out(core.on_stop(self.now_ms), self.now_ms)
        for _ in range(300):
            self.now_ms += 10
            for peer in ("delivery", "trigger-custom"):
                hello = {"role": peer, "incarnation": 1}
                owner.carry_out(core.on_peer_connected(peer, hello, self.now_ms), self.now_ms)
            self._answer()
            owner.carry_out(core.on_tick(self.now_ms), self.now_ms)
            owner.commit(self.now_ms)
            if any(one.kind == Kind.STOPPED for one in owner.sent):
                return True
        return False

    def erase(self, user: str) -> None:
        """Somebody asks that a user be erased."""
        body, header = json.dumps({"user": user}).encode(), {"id": 1, "path": "/v1/users/erase"}
        core = self.owner.core
        effects = core.on_message("gateway-0", Kind.REQUEST, header, body, self.now_ms)
        self.owner.carry_out(effects, self.now_ms)

    def save(self) -> dict[int, bytes]:
        """A savepoint's units; batches, ticks and answers come meanwhile."""
        owner = self.owner
        owner.saved = {}
        request = {"name": f"at {self.now_ms}", "url": "x", "ranges": [[one, one] for one in UNITS]}
        effects = owner.core.on_message("coordinator", Kind.SAVEPOINT, request, b"", self.now_ms)
        owner.carry_out(effects, self.now_ms)
        while SHARD_UNIT not in owner.saved:
            self.now_ms += 1
            self._batch()
            owner.carry_out(owner.core.on_tick(self.now_ms), self.now_ms)
            owner.commit(self.now_ms)
            owner.carry_out(owner.core.on_saving(0, self.now_ms), self.now_ms)
        owner.carry_out(owner.core.on_saved(request["name"], 1, "", self.now_ms), self.now_ms)
        return owner.saved

    def successor(self, is_start: bool = False) -> Owned:
        """Another owner, made of the files alone; `is_start`: with the whole engine."""
        self.epoch += 1
        return Owned(self.program, self.disk, self.epoch, is_start)

    def probe(self, owned: Owned) -> dict[str, Any]:
        """What a core would do and send from here on: everything that can be seen of its state."""
        core, kernel = owned.core, owned.kernel
        sent = [
            *core.on_peer_connected("delivery", {"role": "delivery"}, self.now_ms),
            *core.on_peer_connected("trigger-custom", {"role": "host", "incarnation": 1}, 0.0),
        ]
        panes = core._panes.snapshot()
        found: dict[str, Any] = {
            "records": self._open(_items(sent, Kind.RECORDS)),
            "letters": sorted(_items(sent, Kind.DEAD_LETTERS), key=repr),
            "columns": sorted(_items(sent, Kind.ACTOR_BATCH), key=repr),
            "gateways": {name: one.incarnation for name, one in core._gateways.items()},
            "panes": [panes[0], panes[1], sorted(panes[2], key=repr)],
            "fired": core._actors.snapshot()[0][2],
            "held": sorted(ms for ms, _ in core._leaving._held.values()),
            "held_keys": sorted(core._leaving._held),
            "users": kernel.users,
            "erasures": sorted(one.name for one in core.users.running),
        }
        for gateway, _, stream in self.batches[-40:]:  # again, as if by a mistake of the link
            applied = kernel.apply(stream, gateway, 1, 2**63 - 1, int(self.now_ms))
            found.setdefault("again", []).append(_plain(applied))
        later_ms = max(self.latest_ms) + 20
        for gateway in (0, 1):
            stream = mark(later_ms - 60_000, later_ms)
            for user in USERS:
                stream += self._event(gateway, user, "buy", later_ms, self.number.copy())
                stream += event(later_ms + 1, user, "view", props_sku="a")
            outputs = kernel.apply(stream, gateway, 1, 2**63 - 1, int(self.now_ms))
            found[f"after {gateway}"] = _plain(outputs)
        found["end"] = _plain(kernel.advance(2**62, int(self.now_ms)))
        return found

    # ---- inside ------------------------------------------------------------------------------

    def _open(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        """By key: equal ones are one firing. Those of the custom trigger differ in their cause."""
        found = {record_key(item["record"]): item for item in items}
        return {key: one["record"].get("trigger") == "custom" or one for key, one in found.items()}

    def _succeed(self) -> None:
        """Another owner after a crash, or after an orderly stop of the whole engine."""
        is_start = self.chance.random() < 0.5
        if is_start:
            self.owner.commit(self.now_ms)
            self.now_ms += 20_000
        elif self.owner.tokens:
            return
        self.owner = self.successor(is_start)
        self.owner.carry_out(self.owner.core.on_recovered(self.now_ms), self.now_ms)
        self.sends_seen = 0
        for number in (0, 1):
            self._connect(number)

    def _connect(self, number: int) -> None:
        """A gateway sends again what is not acknowledged, and more."""
        name = f"gateway-{number}"
        core = self.owner.core
        core.on_peer_connected(name, GATEWAY, self.now_ms)
        known = core._gateways.get(name)
        first = max(1, known.last_seq - 2 if known else 1)
        for gateway, header, stream in self.batches:
            if gateway == number and header["seq"] >= first:
                self._send(gateway, header, stream)

    def _batch(self) -> None:
        gateway = self.chance.randrange(2)
        parts = []
        for _ in range(self.chance.choice((0, 0, 1, 3, 8))):
            step_ms = self.chance.choice((0, 1, 40, 300, 3000)) * (1 + gateway)
            self.latest_ms[gateway] += step_ms
            name = self.chance.choice(("view", "view", "view", "cart", "buy"))
            at_ms = self.latest_ms[gateway] - self.chance.choice((0, 0, 0, 0, 700, 90_000))
            parts.append(mark(self.latest_ms[gateway] - 2000, int(self.now_ms)))
            user = self.chance.choice(self.users)
            parts.append(self._event(gateway, user, name, at_ms, self.number))
            if self.chance.random() < 0.05:  # an event is missing before it: refused
                gap = self.number + Counter({(gateway, group_of(user)): 5})
                parts.append(self._event(gateway, user, name, at_ms, gap))
        self.latest_ms[gateway] += self.chance.choice((0, 5, 500, 4000))
        parts.append(mark(self.latest_ms[gateway] - 2000, int(self.now_ms)))
        self.seq[gateway] += 1
        if self.chance.random() < 0.05:
            self.is_running[gateway] = not self.is_running[gateway]
        header = {
            "seq": self.seq[gateway],
            "gateway": f"gateway-{gateway}",
            "incarnation": 1,
            "watermark_ms": self.latest_ms[gateway] - 2000,
            "is_running": self.is_running[gateway],
            "received_us": 0,
        }
        self.batches.append((gateway, header, b"".join(parts)))
        self._send(*self.batches[-1])

    def _send(self, gateway: int, header: dict[str, Any], stream: bytes) -> None:
        core = self.owner.core
        full = {**header, "epoch": core.epoch}
        effects = core.on_message(f"gateway-{gateway}", Kind.BATCH, full, stream, self.now_ms)
        self.owner.carry_out(effects, self.now_ms)

    def _event(
        self, gateway: int, user: str, name: str, at_ms: int, numbers: Counter[tuple[int, int]]
    ) -> bytes:
        key = (gateway, group_of(user))
        numbers[key] += 1
        self.events += 1
        prints = self.chance.choice((0, 7, 8, 9)) if self.chance.random() < 0.2 else self.events
        props = {"sku": self.chance.choice("abc"), "value": self.chance.randrange(1, 40)}
        return event(at_ms, user, name, number=numbers[key], fingerprint=prints, **props)

    def _answer(self) -> None:
        """Delivery and the custom trigger answer some of what has been sent."""
        new, self.sends_seen = self.owner.sent[self.sends_seen :], len(self.owner.sent)
        for one in new:
            if self.chance.random() < 0.3 or one.kind not in _ANSWERS:
                continue
            header: dict[str, Any] = {"seq": one.header["seq"]}
            payload = b""
            if one.kind == Kind.RECORDS:
                keys = [record_key(item["record"]) for item in _items([one], Kind.RECORDS)]
                final = [index for index in range(len(keys)) if self.chance.random() < 0.8]
                header["outcomes"] = [[index, "delivered"] for index in final]
                self.answered.update(keys[index] for index in final)
            if one.kind == Kind.ACTOR_BATCH:
                rows = len(msgpack.unpackb(one.payload)["user"])
                payload = msgpack.packb([[row, "k", {}] for row in range(rows)])
            effects = self.owner.core.on_message(
                one.peer, _ANSWERS[one.kind], header, payload, self.now_ms
            )
            self.owner.carry_out(effects, self.now_ms)


_ANSWERS = {
    int(Kind.RECORDS): int(Kind.RECORDS_DONE),
    int(Kind.DEAD_LETTERS): int(Kind.DEAD_LETTERS_DONE),
    int(Kind.ACTOR_BATCH): int(Kind.ACTOR_FIRINGS),
}


def _items(effects: list[Effect], kind: int) -> list[Any]:
    found: list[Any] = []
    for one in effects:
        if isinstance(one, Send) and one.kind == kind:
            items = msgpack.unpackb(one.payload, strict_map_key=False)
            found += items if isinstance(items, list) else [items]
    return found


def _plain(outputs: Any) -> list[Any]:
    rows = [
        [one.plain for one in outputs.releases],
        outputs.matches.get("custom", []),
        outputs.panes,
    ]
    return [sorted(one, key=repr) for one in [*rows, outputs.dead_letters]]
