"""Applied once: numbers and incarnations, fingerprints; the clock with two gateways."""

import pytest
from tests.unit.native.kernels import Run, event, firings, group_of, mark, reasons, values

PLAN = """plan: p
sessions: {gap: 10ms}
time: {dedup: 50ms}
features: {n: {count: "*", over: lifetime}}
triggers: {t: {event: "*", values: [n]}}
"""


@pytest.fixture
def run():
    return Run(PLAN)


def counts(out):
    return [found["n"] for found in values(out)]


def test_what_is_sent_again_is_counted_and_not_applied(run):
    assert counts(run.apply(mark(0), event(0, number=1), event(1, number=2))) == [1, 2]
    assert counts(run.apply(mark(0), event(0, number=1), event(1, number=2))) == []
    assert run.count("resent") == 2
    assert counts(run.apply(mark(0), event(1, number=2), event(2, number=3))) == [3]
    assert run.count("resent") == 3


def test_a_gap_is_refused_and_the_right_number_still_goes(run):
    run.apply(mark(0), event(0, number=1))
    out = run.apply(mark(0), event(1, number=3), event(2, number=2), event(3, number=3))
    assert reasons(out) == ["gap"]
    assert out.refused == [0]
    assert counts(out) == [2, 3]


def test_an_older_incarnation_is_refused(run):
    run.apply(mark(0), event(0, number=1), incarnation=5)
    assert reasons(run.apply(mark(0), event(1, number=2), incarnation=4)) == ["old_incarnation"]
    assert counts(run.apply(mark(0), event(1, number=1), incarnation=6)) == [2]
    assert reasons(run.apply(mark(0), event(1, number=3), incarnation=5)) == ["old_incarnation"]
    assert counts(run.apply(mark(0), event(1, number=2), incarnation=6)) == [3]


def test_gateways_have_numbers_of_their_own(run):
    assert counts(run.apply(mark(0), event(0, number=1), gateway=1)) == [1]
    assert counts(run.apply(mark(0), event(0, number=1), gateway=2)) == [2]
    assert counts(run.apply(mark(0), event(0, number=2), gateway=1)) == [3]
    assert run.count("resent") == 0


def test_key_groups_have_numbers_of_their_own(run):
    assert group_of("ann") != group_of("bob")
    out = run.apply(mark(0), event(0, number=1), event(0, "bob", number=1))
    assert reasons(out) == []
    assert counts(out) == [1, 1]


def test_more_gateways_than_a_key_group_remembers(run):
    for gateway in range(64):
        run.apply(mark(0), event(0, number=1), gateway=gateway)
    assert reasons(run.apply(mark(0), event(0, number=1), gateway=64)) == ["no_memory"]
    assert counts(run.apply(mark(0), event(0, number=2), gateway=63)) == [65]


def test_numbers_stay_with_a_key_group_that_moves(run):
    run.apply(mark(0), event(0, number=1), event(1, number=2), gateway=7, incarnation=3)
    run.move([group_of("ann")])
    out = run.apply(
        mark(0), event(1, number=2), event(3, number=3), event(5, number=5), gateway=7,
        incarnation=3,
    )  # fmt: skip
    assert counts(out) == [3]
    assert reasons(out) == ["gap"]
    assert run.count("resent") == 1
    assert reasons(run.apply(mark(0), event(9, number=1), gateway=7)) == ["old_incarnation"]


def test_fingerprints_hold_for_dedup_of_ingest_time(run):
    assert counts(run.apply(mark(0, 100), event(0, fingerprint=9))) == [1]
    assert counts(run.apply(mark(0, 150), event(0, fingerprint=9))) == []
    assert run.count("duplicates") == 1
    assert counts(run.apply(mark(0, 151), event(0, fingerprint=9))) == [2]


def test_fingerprints_move_with_their_key_group(run):
    run.apply(mark(0, 100), *(event(0, fingerprint=number) for number in range(1, 300)))
    run.move([group_of("ann")])
    out = run.apply(mark(0, 150), *(event(0, fingerprint=number) for number in range(1, 301)))
    assert counts(out) == [300]
    assert run.count("duplicates") == 299


def test_fingerprints_are_bounded_and_the_oldest_leave(run):
    prints = range(1, 5001)
    run.apply(mark(0, 100), *(event(0, fingerprint=number << 20) for number in prints))
    assert 5000 - 1024 <= run.count("prints_dropped") < 4500
    latest = prints[-250:]
    assert counts(run.apply(mark(0, 100), *(event(0, fingerprint=n << 20) for n in latest))) == []
    assert counts(run.apply(mark(0, 100), event(0, fingerprint=1 << 20))) == [5001]


def test_a_refused_event_is_not_remembered(run):
    run.apply(mark(100, 100), event(100))
    only_sessions = Run("plan: p\nsessions: {gap: 10ms}\n")
    only_sessions.apply(mark(100, 100), event(100, "bob"))
    assert reasons(only_sessions.apply(mark(100, 100), event(50, fingerprint=3))) == ["late"]
    only_sessions.apply(mark(100, 100), event(100, fingerprint=3))
    assert only_sessions.count("duplicates") == 0


def test_a_cap_holds_the_clock():
    run = Run("plan: p\nsessions: {gap: 10ms}\n", emit_sessions=True)
    run.apply(mark(0), event(0), gateway=1, cap_ms=0)
    assert firings(run.apply(mark(100), event(100, "bob"), gateway=1, cap_ms=10)) == []
    assert run.kernel.clock_ms == 10
    out = run.apply(mark(100), event(5, "bob"), gateway=2, cap_ms=10)
    assert reasons(out) == ["late"]
    out = run.apply(mark(100), event(11, "cat"), gateway=2, cap_ms=11)
    assert [record["end"] for record in firings(out)] == [0]


def test_the_clock_never_goes_back(run):
    run.apply(mark(50), event(50))
    run.apply(mark(20), event(50), gateway=1)
    assert run.kernel.clock_ms == 50
    run.advance(30)
    assert run.kernel.clock_ms == 50


@pytest.mark.parametrize("cut", [1, 23, 24, 40, 63])
def test_a_cut_stream_is_refused_and_the_kernel_goes_on(run, cut):
    stream = mark(0) + event(0)
    with pytest.raises(ValueError, match="cut short"):
        run.apply(stream[:cut] if cut != 24 else event(0))
    assert counts(run.apply(mark(0), event(0))) == [1]


def test_two_users_with_one_key_are_two_users(run):
    out = run.apply(mark(0), event(0, key=7), event(0, "bob", key=7), event(1, key=7))
    assert counts(out) == [1, 1, 2]
    assert run.kernel.users == 2


def test_a_warm_event_builds_state_and_fires_nothing(run):
    assert firings(run.apply(mark(0), event(0, warm=True))) == []
    assert run.count("firings_warm") == 1
    assert counts(run.apply(mark(0), event(1))) == [2]


def test_users_beyond_the_memory_are_refused_and_known_ones_go_on():
    run = Run(PLAN, memory_bytes_max=4096)
    out = run.apply(mark(0), *(event(0, f"u{number}") for number in range(200)))
    known = run.kernel.users
    assert 0 < known < 200
    assert reasons(out) == ["users_full"] * (200 - known)
    out = run.apply(mark(0), *(event(1, f"u{number}") for number in range(known)))
    assert counts(out) == [2] * known
    assert run.kernel.users == known
