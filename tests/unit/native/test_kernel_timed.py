"""`at` and `every` in the kernel: moved at any step, put off, and how long they keep a user."""

from random import Random

import pytest
from tests.unit.native.kernels import Run, event, firings, group_of, mark

DAY_MS = 86_400_000
USERS = ("ann", "bob", "cat", "dan", "eve")
PLAN = """plan: p
sessions: {gap: 2h, max: 20h}
time: {lateness: 0ms, dedup: 50ms, ttl: 30d}
features:
  due: {last: a.due, by: g, over: lifetime}
  lag: {last: b.v, over: lifetime}
  n: {count: "*", over: {calendar: day}}
  by_g: {count: a, by: g, over: {sliding: 12h}}
triggers:
  at: {at: due + lag * 1000, when: n >= 1, values: [due, n]}
  skip: {at: due, past: skip}
  daily: {every: day + 9h, values: [n]}
  each: {every: day + 6h, when: by_g >= 1}
  absent: {sequence: [a, {not: b}], within: 5h}
"""
PLAIN = "plan: p\ntime: {ttl: 10d}\nfeatures: {due: {last: a.due, over: lifetime}}\n"


def steps():
    """Events hours apart, and the clock between them."""
    random = Random(7)
    now = 0
    for step in range(80):
        now += random.choice((0, 600_000, 3_600_000, 9 * 3_600_000))
        time = max(0, now - random.choice((0, 0, 60_000)))
        due = time + random.choice((-3_600_000, 0, 3_600_000, DAY_MS))
        props = {"g": random.choice("xy"), "due": due, "v": random.choice((0, 60, 3600))}
        name = random.choice("aabc")
        yield mark(now, step), event(time, random.choice(USERS), name, **props)


def ids(run):
    return [(one["id"], one["values"]) for one in run.records]


@pytest.mark.parametrize("event_clock", [True, False], ids=["event clock", "wall clock"])
def test_moved_at_any_step_nothing_changes(event_clock):
    groups = {group_of(user) for user in USERS}
    stays = Run(PLAN, stamp_ingest=event_clock)
    moves = Run(PLAN, stamp_ingest=event_clock)
    for at, item in steps():
        stays.apply(at, item)
        moves.apply(at, item)
        moves.move(groups)
    for run in (stays, moves):
        run.advance(40 * DAY_MS)
    assert ids(moves) == ids(stays)
    assert len({one["trigger"] for one in stays.records}) == 5
    assert len(stays.records) > 100


def test_the_wall_clock_fires_the_same():
    """Users have their turn later, and before their next event."""
    found = []
    for event_clock in (True, False):
        run = Run(PLAN, stamp_ingest=event_clock)
        for at, item in steps():
            run.apply(at, item)
        run.advance(20 * DAY_MS)
        found.append(sorted(ids(run), key=str))
    assert found[0] == found[1]


def test_turns_are_spread_over_a_minute():
    run = Run("plan: p\ntriggers: {t: {every: day}}\n")
    users = [f"u{index}" for index in range(600)]
    run.apply(mark(0), *(event(0, user) for user in users))
    # the epoch itself was passed by none of them
    counts = [len(firings(run.advance(second * 1000 + 1))) for second in range(61)]
    assert sum(counts) == len(users)
    assert max(counts) < 40
    assert {one["time"] for one in run.records} == {0}


def test_an_event_waits_for_nobodys_turn():
    run = Run("plan: p\nfeatures: {n: {count: a, over: lifetime}}\n"
              "triggers: {t: {every: day, values: [n]}}\n")  # fmt: skip
    users = [f"u{index}" for index in range(50)]
    run.apply(mark(DAY_MS - 5000), *(event(DAY_MS - 1, user) for user in users))
    run.apply(mark(DAY_MS + 1), *(event(DAY_MS + 1, user) for user in users))
    assert [one["values"] for one in run.records] == [{"n": 1}] * 50
    assert not firings(run.advance(DAY_MS + 70_000))


def test_a_schedule_keeps_nobody():
    run = Run(f"{PLAIN}triggers: {{t: {{every: day}}}}\n", stamp_ingest=True)
    run.apply(mark(1000), event(1000))
    run.advance(30 * DAY_MS)
    assert run.kernel.users == 0
    assert [one["time"] // DAY_MS for one in run.records] == list(range(1, 11))


def test_an_alarm_keeps_its_user_until_ttl_after_it():
    run = Run(f"{PLAIN}triggers: {{t: {{at: due}}}}\n", stamp_ingest=True)
    run.apply(mark(0), event(0, due=40 * DAY_MS))
    assert not firings(run.advance(40 * DAY_MS))
    assert len(firings(run.advance(40 * DAY_MS + 1))) == 1
    run.advance(50 * DAY_MS)
    assert run.kernel.users == 1
    run.advance(50 * DAY_MS + 1)
    assert run.kernel.users == 0


def test_an_alarm_that_moved_nearer_keeps_its_user_no_longer():
    run = Run(f"{PLAIN}triggers: {{t: {{at: due}}}}\n", stamp_ingest=True)
    run.apply(mark(0), event(0, due=400 * DAY_MS), event(1, due=2 * DAY_MS))
    run.advance(13 * DAY_MS)
    assert run.kernel.users == 0
    assert [one["time"] for one in run.records] == [2 * DAY_MS]


def test_a_new_schedule_begins_where_the_clock_stands():
    run = Run(PLAIN, stamp_ingest=True)
    run.apply(mark(DAY_MS + 5), event(DAY_MS + 5))
    run.move([group_of("ann")], f"{PLAIN}triggers: {{t: {{every: day}}}}\n")
    run.advance(DAY_MS + 10)
    run.advance(3 * DAY_MS)
    assert [one["time"] for one in run.records] == [2 * DAY_MS]


def test_what_warm_events_set_goes_off():
    run = Run(f"{PLAIN}triggers: {{t: {{at: due}}}}\n", stamp_ingest=True)
    run.apply(mark(10), event(10, due=5, warm=True), event(10, due=20, warm=True))
    assert run.records == []
    assert run.count("firings_warm") == 1
    run.advance(21)
    assert [one["time"] for one in run.records] == [20]


def test_long_lists_of_many_groups_are_read_one_after_the_other() -> None:
    """Together they take more than the memory that one call works with."""
    plan = """plan: p
time: {clock: event, lateness: 0s}
sessions: {max: 30d}
features:
  items: {list: a.sku, max: 1000, by: shop, by_max: 200, over: lifetime}
triggers:
  each: {every: day + 9h, when: "'needle' in items", values: [items]}
  any:  {when: any('needle' in items), values: [items]}
"""
    run = Run(plan)
    name, filler, shops = "a", "x" * 200, 100
    run.apply(
        mark(0),
        *(
            event(1 + n, name=name, shop=shop, sku="needle" if n == 149 else f"{filler}{n}")
            for shop in range(shops)
            for n in range(150)
        ),
    )
    out = run.advance(10 * 3_600_000)
    fired = [one for one in firings(out) if one["trigger"] == "each"]
    assert len(fired) == shops
    assert all(len(one["values"]["items"]) == 150 for one in fired)
