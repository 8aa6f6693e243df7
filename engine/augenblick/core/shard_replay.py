"""Recovery of a shard: its checkpoint's units, then one pass over its journal.

The unit SHARD_UNIT is never older than any key group (each set of snapshots ends with it). So the
pass has two halves. Up to that unit's position records only bring key groups forward that stand
further back: what came of them has left, or is in that unit. Behind it every record counts for all:
it is applied as it was, and what has no final outcome in the journal is to leave again, with the
same ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgpack

from augenblick.binding.kernel import Outputs
from augenblick.binding.releases import Release, record_key
from augenblick.binding.user_marks import group_of_key
from augenblick.core.erasure import Erasure, from_plain
from augenblick.core.metrics import NO_CLOCK
from augenblick.core.outbox import unpack_open
from augenblick.core.routing import KEY_GROUPS
from augenblick.core.shard_kernel import ShardKernel
from augenblick.core.shard_plan import ReplayedPlan
from augenblick.core.shard_records import (
    ADVANCE,
    ANSWER,
    BATCH,
    ERASE,
    ERASED,
    LEFT,
    OUTCOMES,
    PANES,
    PLAN,
    QUIET,
    START,
    split_record,
)
from augenblick.core.shard_state import Gateway, ShardState, decode_state
from augenblick.core.shard_users import ShardUsers
from augenblick.durability.formats.packs import SHARD_UNIT
from augenblick.errors import OurError
from augenblick.plan.program import Program


class ShardReplay:
    """One recovery; `restore` for each unit of the checkpoint, `replay` for each record from the
    smallest position on, then the core asks for what is `open`.

    `positions`: of the units in the checkpoint; those without a snapshot stand at the begin.
    """

    def __init__(
        self,
        state: ShardState,
        kernel: ShardKernel,
        program: Program,
        positions: Mapping[int, int],
        users: ShardUsers,
    ) -> None:
        self.records: dict[str, Release] = {}
        self.letters: dict[str, dict[str, Any]] = {}
        self.restored = 0
        self.applied = 0
        self._state = state
        self._kernel = kernel
        self._users = users
        self._plan = ReplayedPlan(program)
        self._positions = dict(positions)
        self._shard_position = positions.get(SHARD_UNIT, 0)
        self._clock_ms = NO_CLOCK
        self._mask = bytes(KEY_GROUPS)
        self._mask_until = -1

    def progress(self) -> dict[str, int]:
        """How far it is, for `status` and the log."""
        events = self._kernel.counters()["events"]
        facts = {"restored": self.restored, "records": self.applied, "events": events}
        return {**facts, "users": self._kernel.users}

    def restore(self, unit: int, data: bytes) -> None:
        """A unit of the checkpoint."""
        if unit != SHARD_UNIT:
            self._kernel.restore(data)
            self.restored += 1
            return
        content = decode_state(data)
        state = self._state
        for name, incarnation, last_seq in content["gateways"]:
            state.gateways[name] = Gateway(incarnation, _number(name), last_seq)
        state.clocks.restore(content["clocks"])
        state.late.restore(content["late"])
        self._plan.on_plan(content["plan"])
        state.panes.restore(self._plan.pane_rows(content["panes"]))
        state.actors.restore(content["actors"])
        state.leaving.restore(content["quiet"])
        for item in unpack_open(content["records"]):
            release = Release.from_plain(item)
            self.records[release.key] = release
        for letter in unpack_open(content["letters"]):
            self.letters[letter["id"]] = letter
        for plain in content["erasures"]:
            erasure = from_plain(plain)
            state.erasures[erasure.name] = erasure
        self._clock_ms = content["clock_ms"]
        self._kernel.letters_made = content["letters_made"]
        for outputs in content["held"]:
            self._take(outputs)

    def replay(self, position: int, body: bytes) -> None:
        """A record of the journal; `position` is where it begins."""
        header, payload = split_record(body)
        self.applied += 1
        is_old = position < self._shard_position
        kind = header["kind"]
        if kind == BATCH:
            self._on_batch(position, header, payload, is_old)
        elif kind == ADVANCE:
            outputs = self._kernel.advance(header["watermark_ms"], header["now_ms"])
            if not is_old:
                self._take_at(outputs, header["now_ms"])
        elif kind == PLAN:
            self._plan.on_plan(msgpack.unpackb(payload))
        elif kind == ERASE:
            self._on_erase(position, header, is_old)
        elif not is_old:
            self._on_shard_record(kind, header, payload)

    def finish(self, now_ms: float) -> Outputs | None:
        """The end of the journal: peers are away, and gateways may have got acks without record.

        Where no record stands behind the checkpoint, the clock moves to where that one saw it: the
        outputs of that, which are to leave once it is a record (None: it did not move).
        """
        moved = None
        if self._clock_ms > self._kernel.clock_ms:
            moved = self._kernel.advance(self._clock_ms, int(now_ms))
            self._state.late.after(moved, self._kernel.clock_ms, int(now_ms))
            moved.releases = self._state.leaving.sift(self._plan.leaving(moved.releases))
        for gateway in self._state.gateways.values():
            gateway.may_jump = True
        self._state.clocks.on_recovered(now_ms)
        return moved

    # ---- inside ------------------------------------------------------------------------------

    def _on_batch(
        self, position: int, header: dict[str, Any], payload: memoryview, is_old: bool
    ) -> None:
        kernel = self._kernel
        now_ms = header["now_ms"]
        number = _number(header["gateway"])
        moved = Outputs()
        if header["clock_ms"] > kernel.clock_ms:  # by marks that had no record
            moved = kernel.advance(header["clock_ms"], now_ms)
        kernel.refuse_users(header.get("is_full", False))
        call = (number, header["incarnation"], header["cap_ms"], now_ms)
        if is_old:
            kernel.apply_some(payload, *call, self._mask_at(position))
            return
        state, name = self._state, header["gateway"]
        gateway = state.gateways.get(name)
        if gateway is None or gateway.incarnation < header["incarnation"]:
            gateway = state.gateways[name] = Gateway(header["incarnation"], number)
            state.clocks.on_new(name)
        gateway.last_seq = header["seq"]
        state.panes.on_stream(payload)
        self._take_at(moved, now_ms)
        self._take_at(kernel.apply(payload, *call), now_ms)
        state.clocks.on_batch(name, header)

    def _mask_at(self, position: int) -> bytes:
        """Which key groups stand at or below this position: 4,096 bytes of 0 and 1.

        Positions only rise, and so does the set: it is made anew when one more joins.
        """
        if position >= self._mask_until:
            stands = [self._positions.get(group, 0) for group in range(KEY_GROUPS)]
            self._mask = bytes(at <= position for at in stands)
            self._mask_until = min((at for at in stands if at > position), default=2**63)
        return self._mask

    def _on_erase(self, position: int, header: dict[str, Any], is_old: bool) -> None:
        user, key = header["user"], header["key"]
        if is_old:
            if self._positions.get(group_of_key(key), 0) <= position:
                self._users.erase_in_kernel(user, key)
            return
        erasure = Erasure(user, key, header["asked_ms"], position + 1, is_durable=True)
        self._users.apply(erasure, ())
        eraser = self._users.eraser(user)
        self.records = {at: one for at, one in self.records.items() if not eraser.owns(one)}
        left = {at: eraser.letter(one) for at, one in self.letters.items()}
        self.letters = {at: one for at, one in left.items() if one is not None}

    def _on_shard_record(self, kind: str, header: dict[str, Any], payload: memoryview) -> None:
        if kind == OUTCOMES:
            content = msgpack.unpackb(payload)
            for key in content["records"]:
                self.records.pop(key, None)
            self._state.leaving.forget(content["records"])
            for letter_id in content["letters"]:
                self.letters.pop(letter_id, None)
        elif kind == LEFT:
            for key in msgpack.unpackb(payload):
                release = self.records.pop(key, None)
                if release is not None:
                    self._keep_letter(outbox_full(release.plain, header["now_ms"]))
        elif kind == ANSWER:
            content = msgpack.unpackb(payload, strict_map_key=False)
            self._state.actors.replay(header["trigger"], header["first"], content["fired"])
            releases = [Release.from_plain(one) for one in content["releases"]]
            self._take(Outputs(self._state.leaving.sift(self._plan.leaving(releases))))
        elif kind == QUIET:
            at = (header["clock_ms"], header["now_ms"], header["count"])
            self._take(Outputs(self._state.leaving.due(*at)))
        elif kind == START:
            # where no record has come before it, the kernel's clock is still that of no event
            self._state.late.on_start(max(self._kernel.clock_ms, self._clock_ms))
        elif kind == ERASED:
            self._users.end((header["user"], header["asked_ms"]))
        elif kind == PANES:
            self._state.panes.on_done(header["open_from"], bytes(payload))
        else:
            raise OurError(f"a journal record of the unknown kind {kind!r}")

    def _take_at(self, outputs: Outputs, now_ms: int) -> None:
        """Of a call of the kernel."""
        self._state.late.after(outputs, self._kernel.clock_ms, now_ms)
        outputs.releases = self._state.leaving.sift(self._plan.leaving(outputs.releases))
        self._take(outputs)

    def _take(self, outputs: Outputs) -> None:
        """Keep what is to leave once the recovery is over."""
        self._state.panes.add(outputs.panes)
        for release in self._plan.leaving(outputs.releases):
            self.records[release.key] = release
        for letter in outputs.dead_letters:
            self._keep_letter(letter)
        for trigger, matches in outputs.matches.items():
            self._state.actors.replay_matches(trigger, matches)

    def _keep_letter(self, letter: dict[str, Any]) -> None:
        self.letters[letter["id"]] = letter


def _number(gateway: str) -> int:
    """The number in a gateway's name."""
    return int(gateway.rpartition("-")[2])


def outbox_full(item: dict[str, Any], now_ms: float) -> dict[str, Any]:
    """The dead letter of a record that had to leave the outbox."""
    record = item["record"]
    return {
        "kind": "dead_letter",
        "id": record_key(record),
        "reason": "outbox_full",
        "detail": "delivery was away or too slow",
        "source": "shard",
        "time": int(now_ms),
        "firing": record,
        "action": ", ".join(item["actions"]),
        "attempts": 0,
    }
