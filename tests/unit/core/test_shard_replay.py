"""A shard made of its files is the shard that wrote them."""

from typing import Any

import msgpack
import pytest
from tests.simulation.test_cluster import PLAN
from tests.unit.core import shard_story
from tests.unit.core.shard_story import BEGIN_MS, UNITS, Owned, ShardStory
from tests.unit.native.kernels import event, key_of, mark

from augenblick import limits
from augenblick.binding.kernel import Kernel
from augenblick.core.effects import Append
from augenblick.link.messages import Kind
from augenblick.plan.compiler import compile_plan
from augenblick.plan.load import load_plan
from augenblick.plan.program import Program

SEEDS = range(60)


def story_program(plan: str = PLAN) -> Program:
    """The simulation's plan, with little lateness, a cooldown of the custom trigger, quiet hours
    that are over at different times of a story.
    """
    text = plan.replace("lateness: 60s, clock: event", "lateness: 2s, dedup: 10s")
    text = text.replace('Custom", event: buy,', 'Custom", event: buy, cooldown: 5s,')
    ends = {"views >= 3": 2, "[view, cart]": 23, "{not: buy}]": 43, "spender.enters": 63}
    for name, end in ends.items():
        hours = f"{{from: 22h, to: {80_000 + end}s}}"
        text = text.replace(name, f"{name}, quiet_hours: {hours}")
    text = text.replace("values: [spend]", "values: [spend], expires: 30s")
    return compile_plan(load_plan(text))


@pytest.fixture(scope="module")
def program() -> Program:
    return story_program()


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of the checkpoint every few batches."""
    monkeypatch.setattr(limits, "checkpoint_replay_events_max", 80)
    monkeypatch.setattr(limits, "checkpoint_set_ms_max", 100)
    monkeypatch.setattr(limits, "checkpoint_tick_bytes_max", 4000)
    monkeypatch.setattr(limits, "journal_unanswered_bytes_max", 4000)
    monkeypatch.setattr(limits, "savepoint_step_bytes", 2000)


def same(program: Program, seed: int) -> tuple[ShardStory, Owned]:
    """One story, and its last owner compared with one made of the files."""
    story = ShardStory(program, seed)
    story.live(250)
    successor = story.successor()
    live = story.owner
    successor.core.on_recovered(story.now_ms)
    state = story.chance.getstate()
    wanted: dict[str, Any] = story.probe(live)
    story.chance.setstate(state)
    found = story.probe(successor)
    for key in story.answered & wanted["records"].keys() - found["records"].keys():
        del wanted["records"][key]  # one of two equal firings is final: both are
    for name, value in wanted.items():
        assert found[name] == value, name
    return story, successor


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_recovered_is_what_was(
    program: Program, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    same(program, seed)


@pytest.mark.parametrize("seed", range(10))
def test_without_a_checkpoint_the_journal_is_enough(program: Program, seed: int) -> None:
    _, successor = same(program, seed)
    assert successor.checkpoint.positions == {}


def test_the_stories_have_what_they_are_about(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    found = [same(program, seed)[1] for seed in range(10)]
    assert sum(one.tail > 0 for one in found) > 7
    assert sum(one.replayed > len(UNITS) + 1 for one in found) > 7
    assert sum(bool(one.replay.records) for one in found) > 7
    assert sum(bool(one.replay.letters) for one in found) > 3
    assert sum(one.tail < one.checkpoint.reach for one in found) > 7


def test_a_mark_that_had_no_record_made_an_event_late() -> None:
    """The mark of one gateway moves the clock, and nothing else; the other is behind it."""
    program = compile_plan(
        load_plan("""
plan: late
time: {lateness: 0s}
features: {views: {count: view, over: {tumbling: 1s}}}
triggers: {seen: {when: views >= 1}}
""")
    )
    story = ShardStory(program, 1)
    header = {"incarnation": 1, "epoch": 1, "received_us": 0}
    for name, seq, is_running, at_ms, body in (
        ("gateway-0", 1, True, BEGIN_MS, b""),
        ("gateway-1", 1, False, BEGIN_MS, b""),
        ("gateway-0", 2, True, BEGIN_MS + 9000, b""),
        ("gateway-1", 2, False, BEGIN_MS + 10, event(BEGIN_MS + 10, "ann", "view", number=1)),
    ):
        stream = mark(at_ms) + body
        facts = {"gateway": name, "seq": seq, "is_running": is_running, "watermark_ms": at_ms}
        effects = story.owner.core.on_message(
            name, Kind.BATCH, {**header, **facts}, stream, story.now_ms
        )
        assert any(isinstance(one, Append) for one in effects) == (at_ms < BEGIN_MS + 9000)
        story.owner.carry_out(effects, story.now_ms)
        story.owner.commit(story.now_ms)
    found = story.successor().replay
    assert [one["reason"] for one in found.letters.values()] == ["late"]
    assert found.records == {}


def test_a_new_rule_of_a_changed_plan_starts_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the old rules made leaves all the same; metrics go by their names."""
    hurry(monkeypatch)
    text = PLAN.replace("lateness: 60s, clock: event", "lateness: 2s, dedup: 10s")
    old = compile_plan(load_plan(text))
    text = text.replace("triggers:", "triggers:\n  fresh: {event: view, then: hook}")
    text = text.replace("metrics:", "metrics:\n  first: {count: buy, over: {tumbling: 5s}}")
    new = compile_plan(
        load_plan(text.replace("third:     {when: views >= 3", "third: {when: views >= 2"))
    )
    for seed in range(8):
        story = ShardStory(old, seed)
        story.live(150)
        same = story.successor().replay.records
        story.program = new
        changed = story.successor()
        found = changed.replay.records
        names = {one.trigger for one in found.values()}
        assert "fresh" not in names
        third = {key for key, one in same.items() if one.trigger == "third"}
        assert same.keys() - found.keys() <= third  # those that had left stay
        assert found.keys() <= same.keys()
        metrics = {row[1] for row in changed.core._panes.snapshot()[2]}
        assert metrics <= {0, 1, 2}


@pytest.mark.parametrize("seed", range(6))
def test_after_an_orderly_stop_nothing_is_replayed(
    program: Program, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    story = ShardStory(program, seed)
    story.live(150)
    assert story.stop()
    replay = story.successor().replay
    assert replay.progress()["events"] == 0
    assert replay.restored == len(UNITS)


def test_a_crash_while_the_clock_stands_after_a_start_leaves_it_standing(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    story = ShardStory(program, 0)
    story.live(150)
    assert story.stop()
    started = story.successor(is_start=True)
    started.carry_out(started.core.on_recovered(story.now_ms), story.now_ms)
    started.commit(story.now_ms)
    assert started.core.facts()["is_standing"]
    again = story.successor()
    again.carry_out(again.core.on_recovered(story.now_ms), story.now_ms)
    assert again.core.facts()["is_standing"]


FULL_bytes = 3_000  # of the ten users' 6,000 to 15,000


def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory for some of the users."""
    hurry(monkeypatch)
    monkeypatch.setattr(shard_story, "MEMORY_bytes_max", FULL_bytes)


@pytest.mark.parametrize("seed", range(10))
def test_a_full_memory_refuses_the_same_users_again(
    program: Program, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    full(monkeypatch)
    story, successor = same(program, seed)
    sent = [one for one in story.owner.sent if one.kind == Kind.DEAD_LETTERS]
    letters = [letter for one in sent for letter in msgpack.unpackb(one.payload)]
    letters += successor.replay.letters.values()
    assert any(letter["reason"] == "users_full" for letter in letters)


def test_the_limit_of_memory_is_looked_at_before_a_batch(program: Program) -> None:
    kernel = Kernel(program, memory_bytes_max=1)
    users = [event(BEGIN_MS, user, "view", number=1, key=key_of(user)) for user in ("ann", "bob")]
    assert not kernel.decide_users()
    kernel.apply(mark(BEGIN_MS) + users[0], 0, 1, 2**63 - 1, 0)
    assert kernel.decide_users()
    known = event(BEGIN_MS + 1, "ann", "view", number=2)
    made = kernel.apply(mark(BEGIN_MS) + known + users[1], 0, 1, 2**63 - 1, 0)
    assert [one["reason"] for one in made.dead_letters] == ["users_full"]
    assert (kernel.users, kernel.counters()["events"]) == (1, 2)
    kernel.refuse_users(False)
    again = event(BEGIN_MS + 2, "bob", "view", number=2)
    assert kernel.apply(mark(BEGIN_MS) + again, 0, 1, 2**63 - 1, 0).dead_letters == []
    assert kernel.users == 2
