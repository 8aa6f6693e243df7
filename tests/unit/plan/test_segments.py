"""Segments: what they may read, the order they are computed in, circles."""

import pytest
from tests.unit.plan.plans import (
    EVENTS,
    FIRST_LINE,
    STATE,
    STATE_LINES,
    mistakes,
    program,
    the_mistake,
)

HEAD = STATE[: STATE.index("metrics:")]
LINE = HEAD.count("\n") + 1


def test_what_a_segment_reads():
    found = program(f"{HEAD}  a: mean > 2 and keen\n  b: a or open > 1\n")
    names = [one.name for one in found.features]
    by_name = {one.name: one for one in found.segments}
    assert [names[one] for one in by_name["a"].features] == ["spend", "views"] or {
        names[one] for one in by_name["a"].features
    } == {"spend", "views"}
    assert {names[one] for one in by_name["b"].features} == {"spend", "views", "open"}
    assert {found.segments[one].name for one in by_name["b"].segments} == {"a", "keen"}


def test_events_of_a_segment():
    found = program(HEAD)
    one = found.segments[0]
    assert found.event_names[one.enters_event] == "keen.enters"
    assert found.event_names[one.leaves_event] == "keen.leaves"
    assert found.event_derived[one.enters_event]
    assert found.event_derived[found.event_names.index("session.start")]
    assert not found.event_derived[found.event_names.index("view")]


def order(text):
    return [one.name for one in program(text).segments]


def test_order_by_reading():
    assert order(f"{HEAD}  a: b and keen\n  b: views > 1\n") == ["keen", "b", "a"]


def test_order_by_events():
    """`a` reads a feature that counts how often `b` was entered."""
    text = (
        f"{EVENTS}features:\n  entered: {{count: b.enters, over: lifetime}}\n"
        "  views: {count: view, over: session}\nsegments:\n  a: entered > 2\n  b: views > 3\n"
    )
    assert order(text) == ["b", "a"]


SILENCE = (
    f"{EVENTS}features:\n  idle: {{time_since: view, over: lifetime}}\n"
    "  today: {time_since: view, over: {tumbling: 1d}}\n"
    "  heat: {decay: view, half_life: 1d, over: lifetime}\n"
    "  idle_days: idle / 1d\nsegments:\n"
)


def test_a_feature_that_keeps_its_user_may_wait_longer_than_the_time_to_live():
    kept = SILENCE.replace("over: lifetime}", "over: lifetime, keep: 400d}", 1)
    assert program(f"{kept}  gone: idle > 365d\n").segments[0].limits
    assert mistakes(f"{kept}  gone: idle > 400d\n")


def test_silence_is_followed_where_it_is_compared_with_a_number():
    found = program(
        f"{SILENCE}  gone: idle > 7d or 2.5 <= idle\n  back: not gone\n  ever: exists(idle)\n"
    )
    idle = [one.name for one in found.features].index("idle")
    limits = {one.name: one.limits for one in found.segments}
    assert limits["gone"] == limits["back"] == ((idle, 7 * 86_400_000), (idle, 2))
    assert limits["ever"] == ()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("idle_days > 7", "'idle' changes at every instant, and a segment has to know when it"),
        ("idle > 2 * idle", "'idle' changes at every instant"),
        ("today > 1h", "'today' changes at every instant"),
        ("heat > 3", "'heat' changes at every instant, and a segment has to know when it changes; "
         "read it in a `when`"),
        ("idle > 90d", "after 90d (`time: ttl`) an idle user is forgotten, so 'idle' never"),
        ("exists(idle) and max(idle, 3) > 3", "'idle' changes at every instant"),
    ],
)  # fmt: skip
def test_what_changes_at_every_instant_is_refused(text, sentence):
    line, message = the_mistake(f"{SILENCE}  s: {text}\n")
    assert line == SILENCE.count("\n") + 1
    assert message.startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("views", "a condition is a yes or no, and this is a number"),
        (
            "viewz > 3",
            "unknown feature or segment 'viewz' (a property is EVENT.viewz); did you mean",
        ),
        ("by_category > 3", "'by_category' is grouped by category, and a segment has no groups"),
        (
            "view.price > 3",
            "'view.price' is a property of an event: a user is in a segment between",
        ),
        ("1 < 2", "'1 < 2' reads no feature, so it never changes"),
        ("s and views > 1", "'s' depends on itself: s -> s"),
        ("views = 3", "unexpected '=': write == to compare"),
        ("sales > 3", "'sales' is a metric; reading one"),
    ],
)
def test_wrong(text, sentence):
    head, _, tail = STATE.partition("metrics:")
    line, message = the_mistake(f"{head}  s: {text}\nmetrics:{tail}")
    assert line == LINE
    assert message.startswith(sentence)


def test_circles():
    line, message = the_mistake(f"{HEAD}  a: b and views > 1\n  b: c or views > 2\n  c: not a\n")
    assert (line, message) == (LINE, "'a' depends on itself: a -> b -> c -> a")


def test_a_circle_through_events():
    text = (
        f"{EVENTS}features:\n  entered: {{count: s.enters, over: lifetime}}\n"
        "  views: {count: view, over: session}\nsegments:\n  s: entered < 2 and views > 1\n"
    )
    assert the_mistake(text) == (FIRST_LINE + 4, "segment 's' depends on itself: s -> s")


def test_a_circle_through_a_reset():
    text = (
        f"{EVENTS}features:\n  views: {{count: view, over: {{since: s.leaves}}}}\n"
        "segments:\n  s: views > 1\n"
    )
    assert the_mistake(text)[1] == "segment 's' depends on itself: s -> s"


def test_a_segment_is_no_event():
    line, message = the_mistake(f"{STATE}triggers:\n  t: {{event: keen}}\n")
    assert line == STATE_LINES + 2
    assert message == "'keen' is a segment; its events are keen.enters and keen.leaves"


def test_many_segments_that_read_each_other():
    """Paths double with each of them; the checks must not."""
    lines = "".join(f"  s{n}: s{n + 1} and s{n + 2}\n" for n in range(12))
    assert mistakes(f"{HEAD}{lines}  s12: views > 1\n  s13: views > 2\n") == []
