"""What holds firings back, seen from the kernel: counts, warm-up, other plans, custom triggers."""

import pytest
from tests.unit.native.kernels import Run, event, firings, group_of, mark

PLAN = """plan: p
sessions: {gap: 1s}
time: {lateness: 1s}
actions: {out: {log: {}}}
"""


def run_of(triggers: str, policies: str = "{}") -> Run:
    return Run(f"{PLAN}policies: {policies}\ntriggers: {triggers}\n")


def left(run: Run, *times_ms: int, **options: object) -> list[int]:
    """The times of what leaves of these events, in one call."""
    out = run.apply(mark(-2000), *(event(at, **options) for at in times_ms))
    return [record["time"] for record in firings(out)]


ONE_EACH = [
    ("{t: {event: a, cooldown: 10ms}}", "{}", "cooldown"),
    ("{t: {event: a, cap: {n: 1, per: 10ms}}}", "{}", "cap"),
    ("{t: {event: a, then: out}}", "{contact_cap: {n: 1, per: 10ms}}", "contact_cap"),
]


@pytest.mark.parametrize(("triggers", "policies", "reason"), ONE_EACH)
def test_what_is_held_back_is_counted_by_trigger_and_reason(triggers, policies, reason):
    run = run_of(triggers, policies)
    assert left(run, 0, 3, 9, 10) == [0, 10]
    assert run.kernel.suppressed() == {"t": {reason: 2}}
    assert run.count("firings") == 2


def test_a_lost_slot_is_counted():
    run = run_of("{l: {event: a, slot: s}, h: {event: a, slot: s, priority: 1}}")
    assert [one["trigger"] for one in firings(run.apply(mark(0), event(0), event(1)))] == ["h"] * 2
    assert run.kernel.suppressed() == {"l": {"slot": 2}}


def test_losers_leave_no_gap_between_the_rows():
    run = run_of(
        "{a: {event: a}, l: {event: a, slot: s}, b: {event: a},"
        " h: {event: a, slot: s, priority: 1},"
        " c: {event: a}, l2: {event: a, slot: s}}"
    )
    out = run.apply(mark(0), event(0), event(1, "bob"))
    assert [one["trigger"] for one in firings(out)] == ["a", "b", "h", "c"] * 2


@pytest.mark.parametrize(("triggers", "policies", "reason"), ONE_EACH)
def test_warm_events_use_up_nothing(triggers, policies, reason):
    run = run_of(triggers, policies)
    assert left(run, 0, 1, 2, warm=True) == []
    assert run.count("firings_warm") == 3
    assert left(run, 3, 4) == [3]
    assert run.kernel.suppressed() == {"t": {reason: 1}}


def test_a_user_keeps_no_more_than_twice_as_many_times():
    run = run_of("{t: {event: a, cap: {n: 5, per: 10ms}}}")
    left(run, *range(40))
    before = run.kernel.memory_bytes
    assert len(left(run, *range(40, 4000))) == 1980
    assert run.kernel.memory_bytes == before


def test_another_plan_keeps_what_was_used_up():
    run = run_of(
        "{t: {event: a, cap: {n: 2, per: 100ms}}, u: {event: a, then: out}}",
        "{contact_cap: {n: 1, per: 100ms}}",
    )
    run.apply(mark(0), event(0), event(1))
    assert [one["trigger"] for one in run.records] == ["t", "u", "t"]
    changed = "triggers: {v: {event: a}, t: {event: a, cap: {n: 3, per: 50ms}, then: out}}\n"
    run.move([group_of("ann")], f"{PLAN}policies: {{contact_cap: {{n: 2, per: 1s}}}}\n{changed}")
    out = run.apply(mark(1), event(2), event(3))
    assert [(one["trigger"], one["time"]) for one in firings(out)] == [
        ("v", 2), ("t", 2), ("v", 3),
    ]  # fmt: skip
    assert run.kernel.suppressed() == {"t": {"cap": 1}}


def test_ids_do_not_change_with_policies():
    plain = run_of("{t: {event: a}}")
    held = run_of("{t: {event: a, cap: {n: 9, per: 1d}, slot: s, priority: 3, control: 10%}}")
    ids = [
        [one["id"] for one in firings(run.apply(mark(0), event(0), event(0), event(1)))]
        for run in (plain, held)
    ]
    assert ids[0] == ids[1]


def test_a_custom_trigger_sees_every_event_whatever_its_cooldown():
    run = run_of('{t: {actor: "m:C", event: a, cooldown: 10ms, control: 100%}}')
    out = run.apply(mark(0), event(0), event(1), event(2))
    assert [one["time"] for one in out.matches["t"]] == [0, 1, 2]
    assert {one["variant"] for one in out.matches["t"]} == {"control"}
    assert run.kernel.suppressed() == {}


def test_control_is_recorded_and_does_nothing():
    run = run_of("{t: {event: a, then: out, control: 50%}}")
    out = run.apply(mark(0), *(event(0, f"u{index}") for index in range(200)))
    by_variant = {None: 0, "control": 0}
    for release in out.releases:
        variant = release.record["variant"]
        by_variant[variant] += 1
        assert release.plain["actions"] == ([] if variant else ["out"])
    assert min(by_variant.values()) > 70


def test_a_larger_share_keeps_who_was_in_it():
    def control(share):
        run = run_of(f"{{t: {{event: a, control: {share}%}}}}")
        out = run.apply(mark(0), *(event(0, f"u{index}") for index in range(300)))
        return {one["user"] for one in firings(out) if one["variant"]}

    assert control(10) < control(20) < control(60)
