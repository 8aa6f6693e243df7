"""`late_by`: which firings have it after a start of the whole engine, and how much."""

from augenblick.binding.kernel import Outputs
from augenblick.binding.releases import Release
from augenblick.core.shard_late import LateTimers

DAY = 86_400_000
NOW = 1_700_000_000_000


def outputs(*times, timed=None):
    releases = [Release.of({"kind": "firing", "id": str(at_ms), "time": at_ms}) for at_ms in times]
    releases.append(Release.of({"kind": "session", "end": times[0]}))
    indexes = range(len(releases)) if timed is None else timed
    return Outputs(releases, timed=list(indexes))


def started():
    """The clock stood 5 s behind the wall when the engine went away, an hour before NOW."""
    late = LateTimers()
    late.after(Outputs(), NOW - 3_605_000, NOW - 3_600_000)
    late.on_start(NOW - 3_605_000)
    return late


def late_by(made):
    return [one.record.get("late_by") for one in made.releases]


def test_what_was_due_is_late_and_in_time_order():
    late = started()
    assert late.is_standing
    made = outputs(NOW - 1000, NOW - 1_000_000, timed=[0, 1, 2])
    assert late.after(made, NOW + 25_000, NOW + 30_000)
    times = [one.record.get("time") for one in made.releases]
    assert times == [NOW - 1_000_000, NOW - 1000, None]
    assert late_by(made) == [1_025_000, 26_000, None]
    assert not late.is_standing


def test_metrics_are_told_where_the_clock_went_on_and_up_to_where_it_was_behind():
    late = started()
    assert late.away is None
    late.after(Outputs(), NOW - 100_000, NOW + 30_000)
    assert late.away == (-5_000, NOW + 25_000)
    again = LateTimers()
    again.restore(late.snapshot())
    assert again.away == late.away


def test_what_an_event_decided_is_not_late():
    made = outputs(NOW - 1000, timed=[])
    started().after(made, NOW + 25_000, NOW + 30_000)
    assert late_by(made) == [None, None]


def test_nothing_is_late_once_the_clock_is_where_it_would_have_been():
    late = started()
    assert late.after(outputs(NOW), NOW - 100_000, NOW + 30_000)
    made = outputs(NOW + 24_999, NOW + 25_000)
    assert not late.after(made, NOW + 25_001, NOW + 31_000)
    assert late_by(made) == [1_001, None, None]
    made = outputs(NOW + 24_000)
    late.after(made, NOW + 40_000, NOW + 45_000)
    assert late_by(made) == [None, None]


def test_without_a_start_nothing_is_late():
    late = LateTimers()
    late.after(Outputs(), NOW - DAY, NOW - DAY)
    made = outputs(NOW - 1000)
    assert not late.after(made, NOW, NOW + 30_000)
    assert late_by(made) == [None, None]
    assert not late.is_standing


def test_a_start_without_a_clock_changes_nothing():
    late = LateTimers()
    late.on_start(-(2**63))
    assert not late.is_standing


def test_it_outlives_a_crash():
    late, other = started(), LateTimers()
    other.restore(late.snapshot())
    made, again = outputs(NOW - 1000), outputs(NOW - 1000)
    late.after(made, NOW + 25_000, NOW + 30_000)
    other.after(again, NOW + 25_000, NOW + 30_000)
    assert made == again
