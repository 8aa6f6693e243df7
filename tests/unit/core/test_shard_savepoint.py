"""A savepoint of one shard: everything as it stood, whatever comes meanwhile."""

from typing import Any

import msgpack
import pytest
from tests.simulation.disk import SimulatedFiles
from tests.unit.core.shard_story import OWNER, UNITS, Owned, ShardStory
from tests.unit.core.test_shard_replay import hurry, story_program
from tests.unit.native.kernels import KEY

from augenblick import limits
from augenblick.binding.keys import key_group_of
from augenblick.binding.releases import record_key
from augenblick.core.effects import Append, DropSave, Save, Send
from augenblick.core.routing import KEY_GROUPS
from augenblick.core.savepoint_units import OldUnit, split_units
from augenblick.core.shard_records import split_record
from augenblick.core.shard_state import decode_state
from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.formats.packs import SHARD_UNIT
from augenblick.link.messages import Kind
from augenblick.plan.program import Program

ALL = (0, KEY_GROUPS - 1)


@pytest.fixture(scope="module")
def program() -> Program:
    return story_program()


def group_of(user: str) -> int:
    return key_group_of(KEY, user)


def from_savepoint(program: Program, units: dict[int, bytes]) -> Owned:
    """A shard that begins with these units."""
    disk = SimulatedFiles(1)
    checkpoint = Checkpoint(disk, OWNER)
    checkpoint.open(1)
    (shard,) = split_units([OldUnit(0, units[SHARD_UNIT])], [ALL], group_of)
    for unit, data in {**units, SHARD_UNIT: shard}.items():
        checkpoint.add(unit, 0, data)
    checkpoint.commit()
    return Owned(program, disk, 2)


def same_as_then(program: Program, seed: int) -> None:
    """Two equal lives, one of which ends with a savepoint."""
    story, saving = (ShardStory(program, seed) for _ in range(2))
    for one in (story, saving):
        one.live(150)
    saved = from_savepoint(program, dict(saving.save()))
    saved.carry_out(saved.core.on_recovered(story.now_ms), story.now_ms)
    saved.commit(story.now_ms)
    state = story.chance.getstate()
    wanted: dict[str, Any] = story.probe(story.owner)
    story.chance.setstate(state)
    found = story.probe(saved)
    for key in story.answered & wanted["records"].keys() - found["records"].keys():
        del wanted["records"][key]  # one of two equal firings is final: both are
    for name, value in wanted.items():
        assert found[name] == value, name


@pytest.mark.parametrize("seed", range(40))
def test_a_savepoint_is_what_was(
    program: Program, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    same_as_then(program, seed)


def test_what_a_later_clock_makes_due_leaves_when_it_is_a_record(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unit's clock is that of another shard of before, which was ahead."""
    hurry(monkeypatch)
    story = ShardStory(program, 3)
    story.live(150)
    units = dict(story.save())
    content = msgpack.unpackb(units[SHARD_UNIT], strict_map_key=False)
    units[SHARD_UNIT] = msgpack.packb({**content, "clock_ms": content["clock_ms"] + 3_600_000})
    saved = from_savepoint(program, units)
    effects = saved.core.on_recovered(story.now_ms)
    kinds = [
        split_record(b"".join(one.parts))[0]["kind"] for one in effects if isinstance(one, Append)
    ]
    assert kinds[:2] == ["advance", "plan"]
    saved.carry_out(effects, story.now_ms)
    before = len(_records(saved))
    saved.commit(story.now_ms)
    assert len(_records(saved)) > before
    again = Owned(program, saved.disk, 3)
    assert set(again.replay.records) == _records(saved)


def _records(owned: Owned) -> set[str]:
    return {
        record_key(item["record"])
        for one in owned.sent
        if one.kind == Kind.RECORDS
        for item in msgpack.unpackb(one.payload, strict_map_key=False)
    }


def test_a_savepoint_that_failed_elsewhere_ends_the_hold(program: Program) -> None:
    story = ShardStory(program, 1)
    story.live(60)
    core = story.owner.core
    while not story.owner.tokens:  # the savepoint begins when this is durable
        story._batch()
    request = {"name": "one", "url": "x", "ranges": [[0, 4095]]}
    core.on_message("coordinator", Kind.SAVEPOINT, request, b"", story.now_ms)
    story._batch()
    assert core.status(story.now_ms)["held_batches"] == 1
    effects = core.on_message(
        "coordinator", Kind.SAVEPOINT_DROPPED, {"name": "another"}, b"", story.now_ms
    )
    assert effects == []
    effects = core.on_message(
        "coordinator", Kind.SAVEPOINT_DROPPED, {"name": "one"}, b"", story.now_ms
    )
    assert isinstance(effects[0], DropSave)
    assert core.status(story.now_ms)["held_batches"] == 0


def test_units_are_dealt_out_by_user_and_nothing_is_lost(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    some = 0
    for seed in range(12):
        story = ShardStory(program, seed)
        story.live(150)
        unit = story.save()[SHARD_UNIT]
        bounds = sorted(UNITS)[3], sorted(UNITS)[6]
        ranges = [(0, bounds[0]), (bounds[0] + 1, bounds[1]), (bounds[1] + 1, KEY_GROUPS - 1)]
        parts = split_units([OldUnit(0, unit)], ranges, group_of)
        for (low, high), part in zip(ranges, parts, strict=True):
            content = decode_state(part)
            assert all(low <= row[0] <= high for row in content["panes"][2])
            for _, batches, fired in content["actors"]:
                users = {match["user"] for batch in batches for match in batch}
                users |= {one[0] for one in fired}
                assert all(low <= group_of(user) <= high for user in users)
                some += len(batches)
        old = [OldUnit(low, part) for (low, _), part in zip(ranges, parts, strict=True)]
        (joined,) = split_units(old, [ALL], group_of)
        (whole,) = split_units([OldUnit(0, unit)], [ALL], group_of)
        assert _counts(joined) == _counts(whole)
    assert some > 10


def _counts(unit: bytes) -> dict[str, Any]:
    content = decode_state(unit)
    return {
        "records": sum(len(indexes) for _, indexes in content["records"]),
        "letters": sum(len(indexes) for _, indexes in content["letters"]),
        "rows": sorted(content["panes"][2], key=repr),
        "clock": content["clock_ms"],
        "fired": sorted((one for actor in content["actors"] for one in actor[2]), key=repr),
        "matches": sorted(
            match["id"] for actor in content["actors"] for batch in actor[1] for match in batch
        ),
    }


def _request(name: str) -> dict[str, Any]:
    return {"name": name, "url": "x", "ranges": [[UNITS[0], UNITS[-1]]]}


def _ends(effects: list[Any]) -> list[dict[str, Any]]:
    saved = [one for one in effects if isinstance(one, Send) and one.kind == Kind.SAVED]
    return [one.header for one in saved if one.header["is_done"]]


def test_a_place_that_is_too_slow_ends_the_savepoint_and_not_the_shard(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "savepoint_step_bytes", 600)
    story = ShardStory(program, 3)
    core = story.owner.core
    story.owner.commit(story.now_ms)
    effects = core.on_message("coordinator", Kind.SAVEPOINT, _request("a"), b"", story.now_ms)
    assert any(isinstance(one, Save) for one in effects)
    full = limits.savepoint_waiting_bytes_max
    assert core.on_saving(full, story.now_ms + 1000) == []
    story._batch()
    assert core.status(story.now_ms)["held_batches"] == 1
    effects = core.on_tick(story.now_ms + limits.savepoint_hold_ms_max + 1)
    assert [one["name"] for one in _ends(effects)] == ["a"]
    assert "too slow" in _ends(effects)[0]["error"]
    assert DropSave("a") in effects
    assert core.status(story.now_ms)["held_batches"] == 0


def test_the_latest_request_counts_and_a_failure_is_reported(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "savepoint_step_bytes", 600)
    story = ShardStory(program, 3)
    core = story.owner.core
    core.on_message("coordinator", Kind.SAVEPOINT, _request("a"), b"", story.now_ms)
    effects = core.on_message("coordinator", Kind.SAVEPOINT, _request("b"), b"", story.now_ms)
    assert DropSave("a") in effects
    assert core.on_saved("a", 5, "", story.now_ms) == []
    (end,) = _ends(core.on_saved("b", 0, "no room", story.now_ms))
    assert (end["name"], end["error"]) == ("b", "no room")
    story._batch()
    assert core.status(story.now_ms)["held_batches"] == 0


def test_a_shard_that_recovers_takes_no_savepoint(program: Program) -> None:
    core = ShardStory(program, 1).successor().core
    (end,) = _ends(core.on_message("coordinator", Kind.SAVEPOINT, _request("a"), b"", 0.0))
    assert "recovering" in end["error"]
