"""Key groups as bytes: moved at any step nothing changes; damaged bytes change nothing."""

import struct
import zlib
from random import Random

import google_crc32c
import pytest
from tests.unit.native.kernels import END_ms, Run, event, firings, group_of, mark, reasons, values

USERS = ("ann", "bob", "cat")
PLAN = """plan: p
sessions: {gap: 10ms, max: 60ms}
time: {lateness: 0ms, dedup: 50ms, ttl: 1d}
features:
  total: {sum: a.v, over: lifetime}
  kept: {list: a.v, max: 3, over: {since: c}}
  by_g: {count: "*", by: g, over: session}
  tumble: {max: a.v, over: {tumbling: 20ms}}
  hop: {avg: a.v, over: {hopping: 20ms, every: 5ms}}
  slide: {count: "*", over: {sliding: 30ms}}
  values_s: {distinct: a.v, by: g, over: session}
  values_h: {distinct: a.v, over: {hopping: 20ms, every: 5ms}}
  middle: {quantile: a.v, q: 0.5, over: {tumbling: 20ms}}
  often: {top: a.v, max: 2, over: {since: c}}
  often_l: {top: b.v, over: {sliding: 30ms}}
  fading: {decay: a, half_life: 9ms, over: session}
  pace: {rate: a.v, over: {sliding: 30ms}}
  idle: {time_since: a, over: lifetime}
segments:
  busy: slide >= 3
  quiet: idle > 9ms
metrics:
  each: {count: "*", by: g, over: {tumbling: 25ms}}
  worth: {sum: a.v, over: {tumbling: 40ms}}
triggers:
  look:
    event: [a, busy.enters, session.end]
    values: [total, kept, by_g, tumble, hop, slide, values_s, values_h, middle, often, often_l,
      fading, pace, idle]
  leaves: {event: [busy.leaves, quiet.leaves, quiet.enters]}
  rises: {when: slide >= 2, cooldown: 7ms}
  once: {when: total >= 3, fire: once}
  pair: {sequence: [a, b], within: 30ms, match: g}
  plain: {sequence: [a, b], within: 30ms}
  absent: {sequence: [a, {not: b}], within: 12ms, timer: each}
  absent_g: {sequence: [b, {not: a}], within: 12ms, match: g}
  capped: {event: [a, b], cap: {n: 2, per: 30ms}, then: out, priority: 1}
  low: {event: a, slot: s, then: out, variants: {x: 50%, y: 50%}, control: 30%}
  high: {event: [a, b], slot: s, then: out, cooldown: 9ms, priority: 2}
policies: {contact_cap: {n: 6, per: 40ms}}
actions: {out: {log: {}}}
emit:
  session: out
  window: {tumble: out, hop: out, values_h: out, middle: out}
  metric: {each: out}
"""


def steps():
    """Streams of one gateway, one event each: near ties, some late, some twice."""
    random = Random(5)
    number = dict.fromkeys(USERS, 0)
    now = 0
    for step in range(60):
        user = random.choice(USERS)
        number[user] += 1
        now += random.choice((0, 1, 3, 7, 12))
        back_ms = 4 if step % 11 == 3 else 0
        yield (
            mark(now - 2, now),
            event(
                now - back_ms, user, random.choice("aabbc"), number=number[user],
                fingerprint=1 + step - (step % 13 == 5), v=step % 4, g=random.choice("xy"),
            ),
        )  # fmt: skip


def outcome(moved_at: frozenset[int], **options: bool) -> tuple[list, list, list, dict[str, int]]:
    """Everything that came out; moved to a fresh kernel before these steps."""
    run = Run(PLAN, **options)
    counted: dict[str, int] = {}
    for index, items in enumerate(steps()):
        if index in moved_at:
            for name, count in run.kernel.counters().items():
                counted[name] = counted.get(name, 0) + count
            run.move(group_of(user) for user in USERS)
        run.apply(*items)
    run.advance(END_ms)
    for name, count in run.kernel.counters().items():
        counted[name] = counted.get(name, 0) + count
    assert run.kernel.users == 0
    assert run.kernel.memory_bytes == 0
    refused = [reason for out in run.out for reason in reasons(out)]
    return run.records, sorted(run.panes, key=repr), refused, counted


@pytest.fixture(scope="module")
def unmoved():
    return outcome(frozenset())


def test_the_script_reaches_everything(unmoved):
    records, panes, _, counted = unmoved
    seen = {record.get("trigger", record["kind"]) for record in records}
    assert seen == {
        "look", "leaves", "rises", "once", "pair", "plain", "absent", "absent_g", "session",
        "window", "capped", "low", "high",
    }  # fmt: skip
    assert panes
    assert counted["duplicates"] > 0
    assert counted["late"] > 0


@pytest.mark.parametrize("step", range(1, 60, 4))
def test_a_move_at_any_step_changes_nothing(unmoved, step):
    assert outcome(frozenset([step])) == unmoved


def test_a_move_before_each_step_changes_nothing(unmoved):
    assert outcome(frozenset(range(60))) == unmoved


def test_a_snapshot_of_what_was_restored_is_the_same():
    run = Run(PLAN)
    for items in steps():
        run.apply(*items)
    before = {user: run.kernel.snapshot(group_of(user)) for user in USERS}
    run.move(group_of(user) for user in USERS)
    assert {user: run.kernel.snapshot(group_of(user)) for user in USERS} == before


def test_an_empty_key_group_moves_too():
    run = Run(PLAN)
    run.apply(mark(5), event(5))
    empty = group_of("bob")
    run.move([empty])
    assert run.kernel.users == 0
    out = run.apply(mark(3), event(4, "bob"))
    assert reasons(out) == []
    assert firings(out)[0]["time"] == 4


def test_restoring_replaces_what_is_there():
    run = Run(PLAN)
    run.apply(mark(0), event(0, v=1))
    kept = run.kernel.snapshot(group_of("ann"))
    run.apply(mark(1), event(1, v=1))
    run.kernel.restore(kept)
    assert values(run.apply(mark(1), event(1, v=1)))[0]["total"] == 2.0
    assert run.kernel.users == 1


def test_dropping_forgets():
    run = Run(PLAN)
    run.apply(mark(0), event(0, v=1), event(0, "bob", v=1))
    run.kernel.drop(group_of("ann"))
    assert run.kernel.users == 1
    assert values(run.apply(mark(1), event(1, v=1)))[0]["total"] == 1.0


OLD = """plan: p
sessions: {gap: 100ms}
features:
  gone: {count: a, over: lifetime}
  same: {count: a, over: lifetime}
  changed: {sum: a.v, over: lifetime}
triggers:
  old: {event: a}
  pair: {sequence: [a, b], within: 50ms}
  other: {sequence: [a, b], within: 50ms}
  first: {when: same >= 1, fire: once}
"""
NEW = """plan: p
sessions: {gap: 100ms}
features:
  fresh: {count: a, over: lifetime}
  changed: {sum: a.v, where: v > 0, over: lifetime}
  same: {count: a, over: lifetime}
triggers:
  first: {when: same >= 1, fire: once}
  look: {event: a, values: [fresh, changed, same]}
  other: {sequence: [a, b], within: 60ms}
  pair: {sequence: [a, b], within: 50ms}
"""


def test_a_changed_plan_keeps_what_did_not_change():
    run = Run(OLD, emit_sessions=True)
    run.apply(mark(0), event(0, v=1), event(1, v=1))
    run.move([group_of("ann")], plan_text=NEW)
    (look,) = [
        one for one in firings(run.apply(mark(2), event(2, v=1))) if one["trigger"] == "look"
    ]
    assert look["values"] == {"fresh": 1, "changed": 1.0, "same": 3}
    assert look["session"] == 0
    run.kernel.advance(3, 0)
    again = Run(OLD)
    again.apply(mark(0), event(0, v=1))
    again.move([group_of("ann")], plan_text=NEW)
    found = [one["trigger"] for one in firings(again.apply(mark(2), event(2, name="b")))]
    assert found == ["pair"]  # `other` is another sequence now: what it had begun is gone


def test_a_plan_without_rules_keeps_the_sessions():
    run = Run(OLD, emit_sessions=True)
    run.apply(mark(0), event(0, v=1))
    run.move([group_of("ann")], plan_text="plan: p\nsessions: {gap: 100ms}\n")
    assert [(one["start"], one["events"]) for one in firings(run.advance(END_ms))] == [(0, 1)]


def snapshot_of_all() -> bytes:
    run = Run(PLAN)
    for index, items in enumerate(steps()):
        if index == 40:
            break
        run.apply(*items)
    return max((run.kernel.snapshot(group_of(user)) for user in USERS), key=len)


def assert_usable(run):
    """The kernel goes on: an event is applied, and time frees everything."""
    assert reasons(run.apply(mark(10**6), event(10**6, "zoe", v=1))) == []
    run.advance(END_ms)
    assert run.kernel.users == 0
    assert run.kernel.memory_bytes == 0


def test_damaged_bytes_are_refused():
    whole = snapshot_of_all()
    run = Run(PLAN)
    for at in [*range(200), *range(200, len(whole), 37)]:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        with pytest.raises(ValueError):
            run.kernel.restore(bytes(damaged))
    assert_usable(run)


def resealed(whole: bytes, body: bytes) -> bytes:
    """A body under a checksum that is right."""
    return whole[:8] + struct.pack("<I", google_crc32c.value(body)) + body


def test_cut_bytes_are_refused_even_with_a_right_checksum():
    whole = snapshot_of_all()
    run = Run(PLAN)
    for end in [*range(200), *range(200, len(whole), 37)]:
        with pytest.raises(ValueError):
            run.kernel.restore(whole[:end])
        if end >= 12:
            with pytest.raises(ValueError):
                run.kernel.restore(resealed(whole, whole[12:end]))
    with pytest.raises(ValueError):
        run.kernel.restore(resealed(whole, whole[12:] + b"\0"))
    assert_usable(run)


def test_another_format_is_named():
    whole = snapshot_of_all()
    with pytest.raises(ValueError, match="this build reads"):
        Run(PLAN).kernel.restore(whole[:7] + b"0" + whole[8:])
    with pytest.raises(ValueError, match="no snapshot"):
        Run(PLAN).kernel.restore(b"something else")


def test_a_snapshot_of_the_format_before_is_read():
    whole = snapshot_of_all()
    before = b"AUGKGRP1" + struct.pack("<I", zlib.crc32(whole[12:])) + whole[12:]
    run = Run(PLAN)
    assert run.kernel.snapshot(run.kernel.restore(before)) == whole
    with pytest.raises(ValueError, match="damaged"):
        run.kernel.restore(b"AUGKGRP1" + whole[8:])


def test_a_key_group_says_that_it_has_changed_since_its_snapshot():
    run = Run("plan: p\nsessions: {gap: 10ms}\n")
    group = group_of("ann")
    assert not any(run.kernel.changed_groups())
    run.apply(mark(0), event(0, number=1))
    assert [at for at, changed in enumerate(run.kernel.changed_groups()) if changed] == [group]
    run.kernel.snapshot(group)
    assert not any(run.kernel.changed_groups())
    run.apply(mark(0), event(0, number=1))  # it was applied before
    assert not any(run.kernel.changed_groups())
    run.advance(100)
    assert run.kernel.changed_groups()[group]
    run.move([group])
    assert not any(run.kernel.changed_groups())


EARLIER = """plan: p
time: {{clock: event}}
events: {{{events}}}
triggers:
  t: {{sequence: [{first}, {{event: cart, where: sku == view.sku}}]}}
"""


def _after_move(first: str, before: str, after: str, *steps: str) -> int:
    """Firings of a sequence whose partial was begun before the plan declared its events anew."""
    run = Run(EARLIER.format(events=before, first=first))
    run.apply(mark(0), *(event(n + 1, name=name, sku="x") for n, name in enumerate(steps)))
    run.move([group_of("ann")], EARLIER.format(events=after, first=first))
    return len(run.apply(mark(10), event(20, name="cart", sku="x")).releases)


def test_conditions_on_earlier_steps_know_their_event_by_its_name() -> None:
    declared = "view: {sku: str}, cart: {sku: str}"
    assert _after_move("view", declared, f"new: {{}}, {declared}", "view") == 1
    either = "other: {sku: str}, view: {sku: str}, cart: {sku: str}"
    turned = "view: {sku: str}, other: {sku: str}, cart: {sku: str}"
    assert _after_move("[view, other]", either, turned, "view") == 1
    assert _after_move("[view, other]", either, turned, "other") == 0
