"""Planted mistakes in journal, checkpoint and recovery of a shard: some seed has to find each."""

import struct
import sys
from collections.abc import Callable
from typing import Any

import google_crc32c
import pytest
from tests.unit.core.test_shard_replay import FULL_bytes, full, hurry, same, story_program
from tests.unit.core.test_shard_savepoint import same_as_then

from augenblick.binding.kernel import Kernel
from augenblick.core import savepoint_units, shard, shard_replay
from augenblick.core.leaving import LeavingPolicies
from augenblick.core.shard import ShardCore
from augenblick.core.shard_late import LateTimers
from augenblick.core.shard_replay import ShardReplay
from augenblick.core.shard_rolling import RollingSnapshots
from augenblick.core.shard_savepoint import SavepointDuty
from augenblick.durability.snapshot_set import SnapshotSet
from augenblick.errors import StorageError

SEEDS = range(120)
Patch = pytest.MonkeyPatch


def _header(name: str, value: int) -> Callable[[Patch], None]:
    """Replay another number than the one recorded."""

    def plant(monkeypatch: Patch) -> None:
        split = shard_replay.split_record

        def other(body: bytes) -> Any:
            header, payload = split(body)
            return {**header, **({name: value} if name in header else {})}, payload

        monkeypatch.setattr(shard_replay, "split_record", other)

    return plant


def _instead(owner: Any, name: str, value: Any) -> Callable[[Patch], None]:
    return lambda monkeypatch: monkeypatch.setattr(owner, name, value)


def _stands_where_it_is_written(monkeypatch: Patch) -> None:
    hand_over = SnapshotSet.hand_over

    def late(self: SnapshotSet) -> None:
        end = self._journal.position
        self._kept = [(unit, end, snapshot) for unit, _, snapshot in self._kept]
        hand_over(self)

    monkeypatch.setattr(SnapshotSet, "hand_over", late)


def _truncates_too_early(monkeypatch: Patch) -> None:
    def greedy(self: SnapshotSet) -> None:
        self._checkpoint.commit()
        self._journal.truncate_below(self._journal.synced)

    monkeypatch.setattr(SnapshotSet, "write", greedy)


def _confirms_what_has_changed(monkeypatch: Patch) -> None:
    monkeypatch.setattr(Kernel, "changed_groups", lambda self: bytes(4096))


def _snapshot_without(part: str) -> Callable[[Patch], None]:
    """A snapshot that lacks the gateways' numbers or the fingerprints."""

    def plant(monkeypatch: Patch) -> None:
        whole = Kernel.snapshot

        def poorer(self: Kernel, key_group: int) -> bytes:
            data = whole(self, key_group)
            at = 12 + 2 + 8
            (slots,) = struct.unpack_from("<H", data, at)
            at += 2
            for _ in range(slots):
                at += 3
                for _ in range(2):
                    at += 2 + struct.unpack_from("<H", data, at)[0]
            for name, size in (("numbers", 20), ("fingerprints", 16)):
                (count,) = struct.unpack_from("<I", data, at)
                if name == part:
                    data = data[:at] + bytes(4) + data[at + 4 + count * size :]
                    count = 0
                at += 4 + count * size
            return data[:8] + struct.pack("<I", google_crc32c.value(data[12:])) + data[12:]

        monkeypatch.setattr(Kernel, "snapshot", poorer)

    return plant


def _reads_everything_twice(monkeypatch: Patch) -> None:
    make = ShardReplay.__init__

    def from_the_begin(self: ShardReplay, *arguments: Any) -> None:
        make(self, *arguments)
        self._shard_position = 0

    monkeypatch.setattr(ShardReplay, "__init__", from_the_begin)


def _ends_a_set_too_early(monkeypatch: Patch) -> None:
    """SHARD_UNIT comes first, so that it is older than key groups of its set."""
    encode = shard.encode_state
    last: list[bytes] = []

    def stale(*arguments: Any, **named: Any) -> bytes:
        last.append(encode(*arguments, **named))
        return last[-2] if len(last) > 1 else last[-1]

    monkeypatch.setattr(shard, "encode_state", stale)


def _letters_begin_anew(monkeypatch: Patch) -> None:
    restore = ShardReplay.restore

    def forgetful(self: ShardReplay, unit: int, data: bytes) -> None:
        restore(self, unit, data)
        self._kernel.letters_made = 0

    monkeypatch.setattr(ShardReplay, "restore", forgetful)


def _decides_anew(monkeypatch: Patch) -> None:
    """A replay looks at its own memory."""
    full(monkeypatch)
    monkeypatch.setattr(Kernel, "refuse_users", _refuse_by_memory)


def _refuse_by_memory(self: Kernel, is_full: bool) -> None:
    is_replay = sys._getframe(1).f_code.co_name == "_on_batch"
    is_full = self.memory_bytes >= FULL_bytes if is_replay else is_full
    self._native.limit_memory(1 if is_full else 0)


def _starts_unnoticed(monkeypatch: Patch) -> None:
    on_record = ShardReplay._on_shard_record

    def blind(self: ShardReplay, kind: str, *more: Any) -> None:
        if kind != "start":
            on_record(self, kind, *more)

    monkeypatch.setattr(ShardReplay, "_on_shard_record", blind)


def _blind_to_quiet(monkeypatch: Patch) -> None:
    on_record = ShardReplay._on_shard_record

    def blind(self: ShardReplay, kind: str, *more: Any) -> None:
        if kind != "quiet":
            on_record(self, kind, *more)

    monkeypatch.setattr(ShardReplay, "_on_shard_record", blind)


def _applies_meanwhile(monkeypatch: Patch) -> None:
    """Batches do not wait for a savepoint to be whole."""
    on_batch = ShardCore._on_batch

    def hasty(self: ShardCore, *arguments: Any) -> list[Any]:
        duty, self._savepoint = self._savepoint, SavepointDuty(self._kernel)
        effects = on_batch(self, *arguments)
        self._savepoint = duty
        return effects

    monkeypatch.setattr(ShardCore, "_on_batch", hasty)


def _unit_without(part: str) -> Callable[[Patch], None]:
    """A savepoint's unit that lacks something."""

    def plant(monkeypatch: Patch) -> None:
        decode = savepoint_units.decode_state

        def poorer(data: bytes) -> dict[str, Any]:
            content = decode(data)
            return {**content, part: 0 if part == "letters_made" else []}

        monkeypatch.setattr(savepoint_units, "decode_state", poorer)

    return plant


def _nothing_noted(self: ShardCore, *_: Any, **__: Any) -> list[Any]:
    return []


def _forgotten(*_: Any) -> None:
    """Nothing is known of it."""


def _all_groups(self: ShardReplay, position: int) -> bytes:
    return bytes([1]) * 4096


@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(_header("cap_ms", 2**63 - 1), id="replay-without-cap"),
        pytest.param(_header("now_ms", 5), id="replay-without-now"),
        pytest.param(_instead(ShardCore, "_note_outcomes", _nothing_noted), id="no-outcomes"),
        pytest.param(_stands_where_it_is_written, id="snapshot-at-another-position"),
        pytest.param(_truncates_too_early, id="truncated-too-early"),
        pytest.param(_confirms_what_has_changed, id="confirmed-and-changed"),
        pytest.param(_snapshot_without("numbers"), id="numbers-not-restored"),
        pytest.param(_snapshot_without("fingerprints"), id="fingerprints-not-restored"),
        pytest.param(_reads_everything_twice, id="outcomes-before-the-unit"),
        pytest.param(_ends_a_set_too_early, id="stale-shard-unit"),
        pytest.param(_letters_begin_anew, id="letters-begin-anew"),
        pytest.param(_instead(LateTimers, "restore", _forgotten), id="late-timers-not-restored"),
        pytest.param(_starts_unnoticed, id="start-not-recorded"),
        pytest.param(_blind_to_quiet, id="end-of-quiet-hours-not-recorded"),
        pytest.param(_instead(LeavingPolicies, "restore", _forgotten), id="held-not-restored"),
        pytest.param(_decides_anew, id="users-decided-anew"),
        pytest.param(
            _instead(RollingSnapshots, "on_snapshotted", lambda self: None), id="taken-for-its-own"
        ),
    ],
)
def test_a_planted_mistake_is_found(monkeypatch: Patch, plant: Callable[[Patch], None]) -> None:
    hurry(monkeypatch)
    plant(monkeypatch)
    program = story_program()
    for seed in SEEDS:
        try:
            same(program, seed)
        except (AssertionError, StorageError):
            return
    pytest.fail(f"{len(SEEDS)} seeds do not notice")


@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(_applies_meanwhile, id="applied-meanwhile"),
        pytest.param(_snapshot_without("numbers"), id="numbers-not-saved"),
        pytest.param(_snapshot_without("fingerprints"), id="fingerprints-not-saved"),
        pytest.param(_unit_without("records"), id="records-not-saved"),
        pytest.param(_unit_without("letters"), id="letters-not-saved"),
        pytest.param(_unit_without("letters_made"), id="letters-numbered-anew"),
        pytest.param(_unit_without("quiet"), id="held-not-saved"),
        pytest.param(_unit_without("actors"), id="matches-not-saved"),
        pytest.param(_unit_without("gateways"), id="gateways-not-saved"),
    ],
)
def test_a_planted_mistake_of_savepoints_is_found(
    monkeypatch: Patch, plant: Callable[[Patch], None]
) -> None:
    hurry(monkeypatch)
    plant(monkeypatch)
    program = story_program()
    for seed in SEEDS:
        try:
            same_as_then(program, seed)
        except (AssertionError, StorageError):
            return
    pytest.fail(f"{len(SEEDS)} seeds do not notice")
