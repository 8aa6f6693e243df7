"""Triggers: occasions, further conditions, what is sent along, modes, actions."""

import pytest
from tests.unit.plan.plans import (
    ACTIONS,
    EVENTS,
    FIRST_LINE,
    STATE,
    STATE_LINES,
    mistakes,
    program,
    trigger,
    trigger_mistake,
)

from augenblick.plan import compile_plan, load_plan
from augenblick.plan.program import NONE


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{then: log}", "the trigger has no occasion; known: actor, at, event, every, seq"),
        ("{event: view, sequence: [view, buy]}", "a trigger has one occasion, and this one has `e"),
        ("{when: views > 1, sequence: [view, buy], event: view}", "a trigger has one occasion, an"),
        ("{actor: 'a:B', sequence: [view, buy]}", "a trigger has one occasion, and this one has "),
        ("{event: view, fire: once}", "`fire` belongs to `when` alone, and this trigger has `even"),
        ("{event: view, when: views > 1, fire: each}", "`fire` belongs to `when` alone"),
        ("{when: views > 1, where: price > 1}", "`where` belongs to `event`, and this trigger has"),
        ("{event: view, within: 5m}", "`within` belongs to `sequence`, and this trigger has `even"),
        ("{event: view, match: sku}", "`match` belongs to `sequence`"),
        ("{event: view, params: {a: 1}}", "`params` belongs to `actor`, and this trigger has `eve"),
        (
            "{sequence: [view, buy], where: price > 1}",
            "`where` belongs to `event`, and this trigger has `sequence`; in a sequence it stands "
            "in the step: {event: NAME, where: COND}",
        ),
        ("{actor: 'a:B'}", "`actor` needs `event`: the events that the class gets"),
        ("{actor: 'a:B', event: vieww}", "unknown event 'vieww'; did you mean 'view'?"),
        ("{event: vieww}", "unknown event 'vieww'; did you mean 'view'?"),
        ("{event: [view, nothing]}", "unknown event 'nothing'"),
        ("{event: view, then: lg}", "unknown action 'lg'; did you mean 'log'? known: log"),
        ("{event: view, then: [log, other]}", "unknown action 'other'; known: log"),
        ("{event: view, then: reply}", "the channel `reply` is not built yet"),
        ("{event: view, values: [vews]}", "unknown feature or segment 'vews'; did you mean 'views"),
        ("{event: view, values: [sales]}", "'sales' is a metric and not sent with a firing of one"),
        ("{event: view, values: [view.price]}", "unknown feature or segment 'view.price'"),
        ("{when: 1 < 2}", "the condition names nothing that an event could change"),
        ("{when: views > }", "the condition ends too early"),
    ],
)  # fmt: skip
def test_wrong(text, sentence):
    assert trigger_mistake(text).startswith(sentence)


def test_when_alone():
    found = program(f"{STATE}triggers:\n  t: {{when: mean > 3 and keen, then: log}}\n{ACTIONS}")
    one = found.triggers[0]
    assert (one.kind, one.fire, one.selector, one.group) == ("when", "rise", NONE, NONE)
    fed = [found.selectors[index].event_ids for index in one.feeds]
    assert [[found.event_names[event] for event in ids] for ids in fed] == [["buy"], ["view"]]


def test_a_reset_feeds_a_when():
    found = program(f"{STATE}triggers:\n  t: {{when: open == 0}}\n")
    fed = [found.selectors[index].event_ids for index in found.triggers[0].feeds]
    assert [[found.event_names[event] for event in ids] for ids in fed] == [["buy"], ["clear"]]


def test_a_property_feeds_a_when():
    found = program(f"{STATE}triggers:\n  t: {{when: view.price > spend}}\n")
    fed = [found.selectors[index].event_ids for index in found.triggers[0].feeds]
    assert sorted(found.event_names[event] for ids in fed for event in ids) == ["buy", "view"]


@pytest.mark.parametrize("fire", ["rise", "each", "once"])
def test_fire(fire):
    assert trigger(f"{{when: views >= 3, fire: {fire}}}").fire == fire


def test_the_group_is_that_of_the_features():
    found = trigger("{when: by_category >= 3 and views > 1}")
    assert found.group_name == "category"
    assert [(one.name, one.map_feature) for one in found.values] == [
        ("by_category", -1),
        ("views", -1),
    ]


def test_an_event():
    found = program(f"{STATE}triggers:\n  t: {{event: view, where: price > 3, when: spend < 9}}\n")
    one = found.triggers[0]
    assert (one.kind, one.feeds, one.steps) == ("event", (), ())
    assert found.selectors[one.selector].code != NONE
    assert one.when != NONE
    assert [value.name for value in one.values] == ["spend"]


def test_an_actor():
    found = trigger(
        "{actor: 'pack.module:Class', event: buy, where: value > 3, params: {a: [1, {b: 2}]}}"
    )
    assert (found.kind, found.actor, found.params) == (
        "actor", "pack.module:Class", {"a": [1, {"b": 2}]},
    )  # fmt: skip
    assert found.selector != NONE


def test_grouped_values_are_maps_unless_the_group_is_the_firings():
    found = program(f"{STATE}triggers:\n  t: {{event: view, values: [by_category, views]}}\n")
    one = found.triggers[0]
    names = [feature.name for feature in found.features]
    assert (one.values[0].code, names[one.values[0].map_feature]) == (NONE, "by_category")
    assert (one.values[1].map_feature, one.group) == (NONE, NONE)


def test_a_value_with_the_group_of_match():
    found = trigger("{sequence: [view, buy], match: sku, values: [by_sku, by_category]}")
    assert (found.match_name, found.group_name) == ("sku", "sku")
    assert [value.map_feature >= 0 for value in found.values] == [False, True]


def test_an_expression_with_groups_is_sent_as_a_map():
    text = STATE.replace("  mean:", "  twice: by_sku * 2\n  mean:")
    compiled = compile_plan(load_plan(f"{text}triggers:\n  t: {{event: view, values: [twice]}}\n"))
    value = compiled.triggers[0].values[0]
    assert (value.code, value.map_feature) == (NONE, NONE)
    read = compiled.reductions[value.map_groups].features
    assert [compiled.features[index].name for index in read] == ["by_sku"]


def test_values_name_features_segments_and_expressions_once():
    found = trigger("{when: views > 1 and keen, values: [views, mean, keen, spend]}")
    assert [value.name for value in found.values] == ["views", "mean", "keen", "spend"]


@pytest.mark.parametrize(
    ("then", "actions"), [("log", ("log",)), ("[log, log]", ("log",)), ("[]", ())]
)
def test_then(then, actions):
    assert trigger(f"{{event: view, then: {then}}}").actions == actions


def test_modes():
    text = "".join(
        f"  {mode}: {{event: view, mode: {mode}}}\n" for mode in ("live", "shadow", "off")
    )
    assert [(one.name, one.mode) for one in program(f"{STATE}triggers:\n{text}").triggers] == [
        ("live", "live"),
        ("shadow", "shadow"),
    ]


def test_a_trigger_that_is_off_is_checked_all_the_same():
    assert trigger_mistake("{event: vieww, mode: off}").startswith("unknown event 'vieww'")


def test_cooldown_and_its_default():
    triggers = "triggers:\n  a: {event: view}\n  b: {event: view, cooldown: 1h}\n"
    text = f"{STATE}policies: {{cooldown: 1d}}\n{triggers}"
    assert [one.cooldown_ms for one in program(text).triggers] == [86_400_000, 3_600_000]
    assert trigger("{event: view}").cooldown_ms == 0


def test_actions():
    found = program(
        f"{EVENTS}actions:\n"
        "  a: {webhook: 'https://x.test/y', secret: env:KEY, timeout: 5s}\n"
        "  b: {file: out/a.ndjson}\n"
        "  c: {log: {}}\n"
    ).actions
    assert {name: (one.channel, one.parameters) for name, one in found.items()} == {
        "a": ("webhook", {"webhook": "https://x.test/y", "secret": "env:KEY", "timeout": 5000}),
        "b": ("file", {"file": "out/a.ndjson"}),
        "c": ("log", {}),
    }


def test_emit():
    found = program(
        f"{EVENTS}features:\n  f: {{count: view, over: {{tumbling: 1h}}}}\n"
        "  g: {count: view, over: {hopping: 1h, every: 5m}}\n"
        "actions: {a: {log: {}}, b: {log: {}}}\n"
        "emit: {session: [a, b], window: {g: a}}\n"
    )
    assert (found.emit_session, found.emit_window) == (("a", "b"), {1: ("a",)})
    assert [one.emitted for one in found.features] == [False, True]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{session: x}", "unknown action 'x'; known: a"),
        (
            "{window: {views: a}}",
            "'views' has no windows that close; emit works for tumbling and ho",
        ),
        ("{window: {mean: a}}", "'mean' has no windows that close"),
        ("{window: {nothing: a}}", "unknown feature 'nothing'; known: views,"),
        ("{window: {views: x}}", "unknown action 'x'"),
    ],
)
def test_wrong_emit(text, sentence):
    found = mistakes(f"{STATE}actions: {{a: {{log: {{}}}}}}\nemit: {text}\n")
    assert found[0][0] == STATE_LINES + 2
    assert found[0][1].startswith(sentence)


def test_session_events_are_noticed():
    assert not program(STATE).uses_session_events
    assert program(f"{EVENTS}triggers:\n  t: {{event: session.end}}\n").uses_session_events
    assert program(
        f"{EVENTS}features:\n  f: {{count: session.start, over: lifetime}}\n"
    ).uses_session_events


def test_one_line_for_each_mistake():
    text = f"{EVENTS}triggers:\n  a: {{event: vieww}}\n  b: {{event: view}}\n  c: {{event: buyy}}\n"
    assert [line for line, _ in mistakes(text)] == [FIRST_LINE + 1, FIRST_LINE + 3]
