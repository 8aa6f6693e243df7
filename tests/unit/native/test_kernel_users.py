"""One user of a kernel: shown, erased, and nobody else touched."""

from tests.unit.native.kernels import Run, event, firings, group_of, key_of, mark

PLAN = """plan: p
sessions: {gap: 30s, max: 1h}
time: {lateness: 0ms}
features:
  total: {sum: a.v, over: lifetime}
  by_g: {count: "*", by: g, over: session}
  tumble: {max: a.v, over: {tumbling: 20s}}
segments: {rich: total >= 3}
triggers:
  each: {event: a, values: [total]}
  pair: {sequence: [a, b], within: 30s, match: g}
  absent: {sequence: [a, {not: b}], within: 12s}
"""


def lived(*users: str) -> Run:
    run = Run(PLAN)
    for number, user in enumerate(users):
        first = event(1000 + number, user, "a", number=2 * number + 1, v=2, g="x")
        second = event(21_000 + number, user, "a", number=2 * number + 2, v=5, g="y")
        run.apply(mark(500), first, second)
    return run


def test_all_that_is_held_is_shown_and_showing_changes_nothing() -> None:
    run = lived("ann")
    before = run.kernel.snapshot(group_of("ann"))
    shown = run.kernel.show_user(key_of("ann"), "ann")
    assert shown is not None
    assert run.kernel.snapshot(group_of("ann")) == before
    assert (shown["user"], shown["last_event"], shown["at"]) == ("ann", 21_000, 21_000)
    assert shown["sessions"] == [{"start": 1000, "last": 21_000, "events": 2}]
    assert [one["value"] for one in shown["features"]["total"]] == [7.0]
    groups = {one["group"]: one["value"] for one in shown["features"]["by_g"]}
    assert groups == {"x": 1, "y": 1}
    (tumble,) = shown["features"]["tumble"]
    windows = [{"start": 0, "value": 2}, {"start": 20_000, "value": 5}]
    assert (tumble["value"], tumble["windows"]) == (5, windows)
    assert shown["segments"]["rich"]["is_member"]
    assert [one["match"] for one in shown["sequences"]["pair"]["begun"]] == ["x", "y"]
    waiting = shown["sequences"]["absent"]["waiting"]  # for the watermark
    assert [(one["time"], one["cause"]["props"]["v"]) for one in waiting] == [
        (1000, 2),
        (21_000, 5),
    ]
    assert shown["triggers"]["each"] == {"last_fired": 21_000}
    assert run.kernel.show_user(key_of("bob"), "bob") is None
    run.advance(21_500)
    shown = run.kernel.show_user(key_of("ann"), "ann")
    assert shown is not None
    (absence,) = shown["sequences"]["absent"]["absences"]
    assert (absence["deadline"], absence["cause"]["props"]["v"]) == (33_000, 5)
    assert shown["next_timer"] is not None


def test_alarms_and_schedules_are_shown() -> None:
    plan = """plan: p
features: {due: {last: a.due, by: g, over: lifetime}}
triggers:
  ring:  {at: due}
  daily: {every: day + 9h}
"""
    run = Run(plan)
    run.apply(mark(0), event(1000, "ann", "a", g="x", due=50_000, note="kept"))
    shown = run.kernel.show_user(key_of("ann"), "ann")
    assert shown is not None
    (alarm,) = shown["triggers"]["ring"]["alarms"]
    assert (alarm["group"], alarm["at"]) == ("x", 50_000)
    assert alarm["cause"]["props"]["note"] == "kept"
    assert shown["schedules_from"] is not None
    run.advance(60_000)
    shown = run.kernel.show_user(key_of("ann"), "ann")
    assert shown is not None
    (alarm,) = shown["triggers"]["ring"]["alarms"]
    assert (alarm["at"], alarm["cause"]) == (None, None)


def test_an_erased_user_is_new_again_and_the_others_are_not() -> None:
    run, other = lived("ann", "bob"), lived("bob")
    assert run.kernel.users_with(key_of("ann")) == ["ann"]
    assert run.kernel.erase_user(key_of("ann"), "ann")
    assert not run.kernel.erase_user(key_of("ann"), "ann")
    assert run.kernel.users_with(key_of("ann")) == []
    assert run.kernel.users == 1
    assert run.kernel.changed_groups()[group_of("ann")]
    assert b"ann" not in run.kernel.snapshot(group_of("ann"))
    shown = run.kernel.show_user(key_of("bob"), "bob")
    assert shown is not None
    made = run.advance(100_000)
    assert {one["user"] for one in firings(made)} <= {"bob"}
    assert len(firings(made)) == len(firings(other.advance(100_000)))
    made = run.apply(mark(100_000), event(100_001, "ann", "a", number=3, v=1, g="x"))
    assert firings(made)[0]["values"] == {"total": 1.0}


def test_of_two_users_with_one_key_the_other_stays() -> None:
    run = Run(PLAN)
    key = key_of("ann")
    run.apply(
        mark(500),
        event(1000, "ann", "a", number=1, key=key, v=1, g="x"),
        event(1001, "eve", "a", number=2, key=key, v=1, g="x"),
    )
    assert sorted(run.kernel.users_with(key)) == ["ann", "eve"]
    assert run.kernel.erase_user(key, "ann")
    assert run.kernel.users_with(key) == ["eve"]
