"""What is bounded, what expires, and that nothing stays behind."""

import random

import pytest
from tests.unit.native.kernels import END_ms, Run, event, firings, group_of, mark, reasons, values

DAY_ms = 86_400_000


def emptied(run):
    """Time ends: no user and no byte is left."""
    run.advance(END_ms)
    assert run.kernel.users == 0
    assert run.kernel.memory_bytes == 0


SLIDING = """plan: p
sessions: {gap: 10ms}
features:
  exact_count: {count: a, over: {sliding: 640ms}, sliding_max: 4096}
  exact_sum: {sum: a.v, over: {sliding: 640ms}, sliding_max: 4096}
  exact_max: {max: a.v, over: {sliding: 640ms}, sliding_max: 4096}
  near_count: {count: a, over: {sliding: 640ms}, sliding_max: 8}
  near_sum: {sum: a.v, over: {sliding: 640ms}, sliding_max: 8}
  near_max: {max: a.v, over: {sliding: 640ms}, sliding_max: 8}
triggers:
  exact: {event: a, values: [exact_count, exact_sum, exact_max]}
  near: {event: a, values: [near_count, near_sum, near_max]}
"""


@pytest.mark.parametrize("seed", range(4))
def test_a_folded_sliding_window_is_never_too_low_and_at_most_one_pane_too_high(seed):
    """A pane of size/64 leaves when its newest event does. Read for an event out of order, the pane
    that holds the instant may have newer events too.
    """
    chance = random.Random(seed)
    run = Run(SLIDING)
    now, times = 0, []
    approximate = 0
    for _ in range(1500):
        now += chance.choice((0, 0, 1, 1, 2, 5, 40))
        time_ms = now - chance.choice((0, 0, 0, 3, 9))
        out = run.apply(mark(now - 10), event(time_ms, v=chance.randrange(5)))
        times.append(time_ms)
        exact, near = firings(out)
        approximate += near.get("approximate", False)
        assert "approximate" not in exact
        pairs = list(zip(exact["values"].values(), near["values"].values(), strict=True))
        assert all(high >= low for low, high in pairs)
        (count, near_count), (total, near_total), _ = pairs
        edge_ms = time_ms - 640
        pane = [
            one for one in times if edge_ms - 10 < one <= edge_ms or time_ms < one < time_ms + 10
        ]
        assert near_count - count <= len(pane)
        assert near_total - total <= 4 * len(pane)
        if any(low != high for low, high in pairs):
            assert near["approximate"]
    assert approximate > 0
    assert run.count("sliding_folded") > 0
    emptied(run)


def test_the_least_recently_touched_group_leaves():
    run = Run(
        "plan: p\nfeatures: {n: {count: a, by: g, by_max: 3, over: lifetime}}\n"
        "triggers: {t: {event: b, values: [n]}}\n"
    )
    groups = ["x", "y", "z", "x", "w"]
    run.apply(mark(0), *(event(0, g=group) for group in groups))
    (found,) = values(run.apply(mark(0), event(0, name="b")))
    assert found["n"] == {"x": 2, "z": 1, "w": 1}
    assert run.count("groups_evicted") == 1


def test_the_oldest_partial_leaves():
    run = Run("plan: p\ntriggers: {t: {sequence: [a, b], within: 1h, partial_max: 2}}\n")
    out = run.apply(mark(0), *(event(at) for at in range(3)), event(5, name="b"))
    assert run.count("partials_dropped") == 1
    assert [one["cause"]["time"] for one in firings(out)] == [5]
    emptied(run)


def test_too_many_waiting_events_are_taken_early():
    run = Run(
        "plan: p\ntriggers: {t: {sequence: [a, {not: b}], within: 10ms, timer: each, "
        "partial_max: 4096}}\n"
    )
    run.apply(mark(-1000), *(event(at) for at in range(400)))
    assert run.count("waiting_forced") == 400 - 256
    run.advance(10_000)
    assert [one["time"] for one in run.records] == [at + 10 for at in range(400)]
    emptied(run)


def test_the_groups_of_a_metric_are_bounded():
    run = Run("plan: p\nmetrics: {m: {count: a, by: g, over: {tumbling: 10ms}}}\n")
    run.apply(mark(0), *(event(1, g=f"g{number}") for number in range(1500)))
    run.apply(mark(0), event(1, g="g1"), event(1, g="g1499"))
    panes = {group: count for _, _, _, group, count, _ in run.advance(20).panes}
    assert len(panes) == 1001
    assert panes["other"] == 501
    assert panes["g1"] == 2
    assert sum(panes.values()) == 1502
    assert run.count("metric_groups_other") == 501


TTL = """plan: p
sessions: {gap: 1m}
time: {ttl: 10d}
features:
  short: {count: a, over: lifetime}
  long: {count: keeper, over: lifetime, keep: 30d}
  ever: {count: forever, over: lifetime, keep: always}
triggers:
  t: {event: "*", values: [short, long, ever]}
  absent: {sequence: [promise, {not: a}], within: 5d}
"""


@pytest.mark.parametrize(
    ("name", "days"), [("a", 10), ("keeper", 30), ("promise", 15), ("forever", None)]
)
def test_time_to_live(name, days):
    run = Run(TTL)
    run.apply(mark(0), event(0, name=name))
    if days is None:
        run.advance(END_ms)
        assert run.kernel.users == 1
        return
    run.advance(days * DAY_ms)
    assert run.kernel.users == 1
    run.advance(days * DAY_ms + 1)
    assert run.kernel.users == 0
    assert run.kernel.memory_bytes == 0
    assert run.count("users_expired") == 1
    out = run.apply(mark(days * DAY_ms + 1), event(days * DAY_ms + 1))
    assert values(out)[0]["short"] == 1


def test_an_event_keeps_its_user():
    run = Run(TTL)
    for day in (0, 9, 18, 27):
        out = run.apply(mark(day * DAY_ms), event(day * DAY_ms))
    assert values(out)[0]["short"] == 4
    emptied(run)


def test_a_user_that_holds_nothing_expires_too():
    run = Run("plan: p\ntime: {ttl: 1d}\nfeatures: {n: {count: a, over: {tumbling: 1m}}}\n")
    run.apply(mark(10), event(9))
    assert run.kernel.users == 1
    emptied(run)


FULL = """plan: p
sessions: {gap: 1h}
features:
  keeps: {list: a.text, max: 1024, by: g, by_max: 4096, over: lifetime}
  n: {count: a, over: lifetime}
triggers:
  t: {event: look, values: [n, keeps]}
  pairs: {sequence: [a, {not: never}], within: 1h, timer: each, partial_max: 4096}
"""


def test_a_full_record_is_counted_and_stays_whole():
    run = Run(FULL)
    text = "x" * 1000
    for start in range(0, 6000, 500):
        run.apply(
            mark(start - 1), *(event(at, g=at % 7, text=text) for at in range(start, start + 500))
        )
    assert run.count("state_full") > 0
    assert run.kernel.memory_bytes < 8 << 20
    run.apply(mark(5999), event(6000, "bob", g=1, text=text))
    (found,) = values(run.apply(mark(5999), event(6000, name="look")))
    assert found["n"] == 6000
    assert set(found["keeps"]) == {"0", "1", "2", "3", "4", "5", "6"}
    assert all(one == text for kept in found["keeps"].values() for one in kept)
    run.move([group_of("ann"), group_of("bob")])
    (again,) = values(run.apply(mark(5999), event(6000, name="look")))
    assert again == found
    emptied(run)


def test_a_value_too_long_is_not_kept():
    run = Run(
        "plan: p\nfeatures: {l: {last: a.text, over: lifetime}, n: {count: a, by: text, "
        "over: lifetime}}\ntriggers: {t: {event: b, values: [l, n]}}\n"
    )
    run.apply(mark(0), event(0, text="x" * 1024), event(1, text="y" * 1025), event(2, text="z"))
    (found,) = values(run.apply(mark(0), event(3, name="b")))
    assert found == {"l": "z", "n": {"z": 1}}
    assert run.count("values_too_long") == 3


def test_churn_leaves_nothing_behind():
    run = Run(
        "plan: p\nsessions: {gap: 5ms}\ntime: {ttl: 50ms}\n"
        "features: {s: {list: a.g, max: 9, over: session}, h: {count: a, by: g, over: lifetime}}\n"
        "triggers: {m: {sequence: [a, b], within: 9ms, match: g}, "
        "w: {sequence: [a, {not: b}], within: 9ms, match: g}}\n",
        emit_sessions=True,
    )
    chance = random.Random(1)
    for now in range(3000):
        who = f"u{chance.randrange(400)}"
        name = chance.choice("ab")
        out = run.apply(mark(now - 3), event(now, who, name, g=chance.randrange(30)))
        assert reasons(out) == []
    assert run.count("users_expired") > 1000
    emptied(run)
    starts = [one for one in run.records if one["kind"] == "session"]
    assert sum(one["events"] for one in starts) == 3000


MATCHED = """plan: p
sessions: {gap: 10ms}
time: {ttl: 1h}
triggers:
  bought: {sequence: [a, b], WITHINmatch: v}
"""


@pytest.mark.parametrize("within", ["", "within: 1s, ", "within: 30d, "])
def test_partials_of_a_user_who_left_never_come_back_and_leave_no_byte(within):
    """A user who returns after the time to live, in the very batch in which the time passes, gets
    records of partials of the same names again.
    """
    run = Run(MATCHED.replace("WITHIN", within))
    far_ms = 0
    for round_number in range(5):
        far_ms += DAY_ms
        items = [mark(far_ms)]
        for number in range(40):
            items.append(event(far_ms + number, v=number % 8))
        items += [mark(far_ms + 50), event(far_ms + 60, name="b", v=round_number)]
        run.apply(*items)
        assert run.kernel.users == 1
    assert len(run.records) == 5
    emptied(run)
