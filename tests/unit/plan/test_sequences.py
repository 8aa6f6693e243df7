"""Sequences: steps, absences, timers, what belongs together."""

import pytest
from tests.unit.plan.plans import STATE, program, trigger, trigger_mistake

from augenblick.plan.program import NONE

HOUR = 3_600_000


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[]",
            "a sequence has at least two steps, or one that repeats ({event: NAME, times: 3}); ",
        ),
        ("[view]", "a sequence has at least two steps"),
        ("[{not: view}]", "a sequence has at least two steps"),
        ("[{not: buy}, view], within: 1h", "a sequence cannot begin with {not: ...}"),
        (
            "[view, {not: clear, for: 1h}, buy], within: 1h",
            "`for` belongs to a last {not: ...}; between two steps it lasts until the next one",
        ),
        ("[{event: view, times: 1}]", "a sequence has at least two steps, or one that repeats"),
        ("[{event: view, times: {min: 3, max: 2}}, buy]", "`max` (2) is less than `min` (3)"),
        (
            "[view, {event: buy, times: {min: 2, max: 3}}]",
            "the last step is complete with its first 2, so `max` has no meaning there",
        ),
        (
            "[{event: view, times: 60}, {event: buy, times: 6}]",
            "a match of 66 events is more than 64, the most",
        ),
        ("[view, {event: buy, time: 3}]", "unknown key 'time' in a step; did you mean 'times'?"),
        ("[{event: view, times: {min: 2}}, buy]", "`max` is missing"),
        (
            "[{event: view, times: {least: 2, max: 3, min: 2}}, buy]",
            "unknown key 'least' in `times`",
        ),
        ("[{event: view, times: 2.5}, buy]", "`times` must be a whole number"),
        ("[view, {not: buy}]", "a last {not: ...} needs `for`, or the trigger `within`"),
        (
            "[view, view, {not: buy}], within: 1h",
            "with more than two steps a last {not: ...} needs `f",
        ),
        ("[view, buy], timer: keep", "`timer` belongs to a sequence whose last step is {not: ...}"),
        ("[view, buyy]", "unknown event 'buyy'; did you mean 'buy'?"),
        ("[view, [buy, nothing]]", "unknown event 'nothing'"),
        ("[view, {not: nothing}], within: 1h", "unknown event 'nothing'"),
        ("[view, {event: buy, where: valu > 'a' > 3}]", "this compares text with a number"),
        (
            "[view, {event: buy, where: sku == clear.sku}]",
            "'clear.sku': no step before this one takes 'clear'; known: view",
        ),
        (
            "[{event: view, where: sku == buy.sku}, buy]",
            "'buy.sku': no step before this one takes 'buy'; this is the first step",
        ),
        (
            "[view, {event: buy, where: value > view.sku}]",
            "this compares a number with text, which is never true",
        ),
        (
            "[view, {not: {event: buy, where: sku == view.sku}}], within: 1h",
            "reading an earlier step in a last {not: ...} is not built yet (take `match`)",
        ),
        ("[view, buy], match: view.sku", "'view.sku': in `where` and `by` the event is clear"),
        ("[view, buy], match: 1 + 2", "this is not one field of the event"),
        ("[view, view], match: tags", "'tags' is a list, which cannot group or match events"),
        ("[view, buy], within: 0s", "the duration must be longer than 0"),
        (
            "[view, buy], when: view.price > 3",
            "'view' is never the event at hand here, so 'view.pric",
        ),
        ("[view, {not: buy}], within: 1h, when: buy.value > 3", "'buy' is never the event at hand"),
    ],
)
def test_wrong(text, sentence):
    assert trigger_mistake(f"{{sequence: {text}}}").startswith(sentence)


def test_steps():
    found = program(
        f"{STATE}triggers:\n"
        "  t: {sequence: [view, [buy, clear], {event: buy, where: value > 3}]}\n"
    )
    one = found.triggers[0]
    selectors = [found.selectors[step.selector] for step in one.steps]
    names = [[found.event_names[event] for event in selector.event_ids] for selector in selectors]
    assert names == [["view"], ["buy", "clear"], ["buy"]]
    assert [selector.code != NONE for selector in selectors] == [False, False, True]
    assert [(step.negated, step.for_ms) for step in one.steps] == [(False, 0)] * 3
    assert (one.within_ms, one.match, one.event_time, one.strict) == (0, NONE, False, False)
    assert (one.partial_max, one.kind, one.fire) == (64, "sequence", "each")


@pytest.mark.parametrize(
    ("text", "for_ms"),
    [
        ("[view, {not: buy}], within: 1h", HOUR),
        ("[view, {not: buy, for: 2h}]", 2 * HOUR),
        ("[view, {not: buy, for: 2h}], within: 1h", 2 * HOUR),
        ("[view, view, {not: buy, for: 2h}], within: 1h", 2 * HOUR),
    ],
)
def test_absence(text, for_ms):
    found = trigger(f"{{sequence: {text}}}")
    assert (found.steps[-1].negated, found.steps[-1].for_ms) == (True, for_ms)
    assert found.event_time


@pytest.mark.parametrize("timer", ["restart", "each", "keep"])
def test_timer(timer):
    assert trigger(f"{{sequence: [view, {{not: buy}}], within: 1h, timer: {timer}}}").timer == timer


@pytest.mark.parametrize(
    ("text", "event_time"),
    [
        ("[view, buy]", False),
        ("[view, buy], within: 1h, match: sku", False),
        ("[view, buy], strict: true", True),
        ("[view, buy], strict: false", False),
        ("[view, buy], order: event_time", True),
        ("[view, {not: buy}], within: 1h", True),
    ],
)
def test_event_time(text, event_time):
    assert trigger(f"{{sequence: {text}}}").event_time is event_time


@pytest.mark.parametrize(
    ("match", "name"), [("sku", "sku"), ("context.app", "context.app"), ("session", "session")]
)
def test_match(match, name):
    assert trigger(f"{{sequence: [view, buy], match: {match}}}").match_name == name


def test_options():
    found = trigger(
        "{sequence: [view, '*'], within: 10m, match: sku, partial_max: 5, strict: true}"
    )
    assert (found.within_ms, found.partial_max, found.strict) == (600_000, 5, True)


def test_derived_events_are_steps():
    assert trigger("{sequence: [session.start, keen.enters, {not: keen.leaves, for: 1h}]}").steps


def test_when_beside_reads_the_event_at_hand():
    found = trigger("{sequence: [view, buy], when: buy.value > spend}")
    assert found.when != NONE
    found = trigger("{sequence: [view, {not: buy}], within: 1h, when: view.price > spend}")
    assert found.when != NONE
