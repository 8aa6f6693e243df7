"""Versions change with what decides when a thing fires, and with nothing else."""

import pytest
from tests.unit.plan.plans import SHOP, program

from augenblick.plan import load_plan
from augenblick.plan.versions import canonical_json, plan_hash

PLAN = """\
plan: test
sessions: {gap: 30m, max: 12h}
time: {lateness: 5s}
events:
  view: {category: str, price: float}
  buy: {value: float}
features:
  views: {count: view, where: price > 3, by: category, over: session}
  spend: {sum: buy.value, over: {sliding: 1d}}
  twice: spend * 2
  other: {count: buy, over: lifetime}
segments:
  keen: spend > 100
metrics:
  traffic: {count: "*", over: {tumbling: 1m}}
triggers:
  t: {TRIGGER}
  another: {event: buy, then: a}
actions:
  a: {log: {}}
  b: {file: x}
"""
WHEN = "when: views >= 3 and twice > 5, then: a, cooldown: 1d"
SEQUENCE = "sequence: [view, {event: buy, where: value > 3}], within: 1h, match: category, then: a"
ABSENCE = "sequence: [view, {not: buy}], within: 1h, then: a"
ENTERS = "event: keen.enters, then: a"
SESSION = "event: session.end, then: a"
METRIC = "when: traffic == 0, then: a"
ACTOR = "actor: 'm:C', event: view, params: {x: 1}, then: a"


def version(trigger, *edits):
    text = PLAN.replace("TRIGGER", trigger)
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    found = program(text)
    return [*found.triggers, *found.metric_triggers][0 if trigger != METRIC else -1].version


SAME = [
    (WHEN, ("cooldown: 1d", "cooldown: 2d")),
    (WHEN, (", cooldown: 1d", "")),
    (WHEN, ("then: a, cooldown", "then: [a, b], cooldown")),
    (WHEN, ("then: a, cooldown", "cooldown")),
    (WHEN, ("then: a, cooldown", "then: a, description: hello, cooldown")),
    (WHEN, ("then: a, cooldown", "then: a, values: [spend, other], cooldown")),
    (WHEN, ("then: a, cooldown", "then: a, mode: shadow, cooldown")),
    (WHEN, ("then: a, cooldown", "then: a, fire: rise, cooldown")),
    (WHEN, ("lateness: 5s", "lateness: 9s")),
    (WHEN, ("log: {}", "webhook: 'https://x.test'")),
    (WHEN, ("other: {count: buy", "other: {count: view")),
    (WHEN, ("plan: test", "plan: renamed")),
    (WHEN, ("keen: spend > 100", "keen: spend > 200")),
    (WHEN, ("another:", "renamed:")),
    (
        WHEN,
        ("  spend:", "  amount:"),
        ("keen: spend", "keen: amount"),
        ("twice: spend", "twice: amount"),
    ),
    (WHEN, ("twice", "double")),
    (WHEN, ("views", "looks")),
    (WHEN, ("views >= 3 and twice > 5", "(views  >=  3)  and (twice > 5)")),
    (WHEN, ("twice > 5", "spend * 2 > 5")),
    (WHEN, ("where: price > 3, by: category", "by: category, where: price > 3")),
    (WHEN, ("{sliding: 1d}", "{sliding: 24h}")),
    (WHEN, ("sum: buy.value", "sum: value, of: buy")),
    (WHEN, ("buy: {value: float}", "buy: {value: float, more: str}")),
    (SEQUENCE, ("within: 1h", "within: 60m")),
    (SEQUENCE, ("within: 1h", "within: 1h, strict: false, partial_max: 64")),
    (ABSENCE, ("within: 1h", "within: 1h, timer: restart")),
    (ABSENCE, ("gap: 30m", "gap: 1h")),
    (ENTERS, ("keen", "eager")),
    (ENTERS, ("gap: 30m", "gap: 1h")),
    (METRIC, ("traffic", "visits")),
    (METRIC, ("then: a", "then: b")),
    (ACTOR, ("then: a", "values: [spend]")),
]
OTHER = [
    (WHEN, ("views >= 3", "views >= 4")),
    (WHEN, ("views >= 3", "views > 3")),
    (WHEN, ("views >= 3", "views >= 3.0")),
    (WHEN, (" and ", " or ")),
    (WHEN, ("cooldown", "fire: each, cooldown")),
    (WHEN, ("cooldown", "fire: once, cooldown")),
    (WHEN, ("price > 3", "price > 4")),
    (WHEN, ("where: price > 3, ", "")),
    (WHEN, ("by: category", "by: context.app")),
    (WHEN, ("by: category", "by: category, by_max: 9")),
    (WHEN, ("count: view, where", "count: [view, buy], where")),
    (WHEN, ("over: session", "over: lifetime")),
    (WHEN, ("{sliding: 1d}", "{sliding: 2d}")),
    (WHEN, ("{sliding: 1d}", "{tumbling: 1d}")),
    (WHEN, ("{sliding: 1d}}", "{sliding: 1d}, sliding_max: 9}")),
    (WHEN, ("sum: buy.value", "avg: buy.value")),
    (WHEN, ("sum: buy.value", "sum: buy.count")),
    (WHEN, ("spend * 2", "spend * 3")),
    (WHEN, ("gap: 30m", "gap: 31m")),
    (WHEN, ("max: 12h", "max: 11h")),
    (SEQUENCE, ("within: 1h", "within: 2h")),
    (SEQUENCE, ("value > 3", "value > 4")),
    (SEQUENCE, ("sequence: [view", "sequence: [buy")),
    (SEQUENCE, (", match: category", "")),
    (SEQUENCE, ("match: category", "match: price")),
    (SEQUENCE, ("within: 1h", "within: 1h, strict: true")),
    (SEQUENCE, ("within: 1h", "within: 1h, order: event_time")),
    (SEQUENCE, ("within: 1h", "within: 1h, partial_max: 5")),
    (SEQUENCE, ("within: 1h", "within: 1h, when: spend > 3")),
    (ABSENCE, ("within: 1h", "within: 1h, timer: each")),
    (ABSENCE, ("{not: buy}", "{not: buy, for: 2h}")),
    (ABSENCE, ("{not: buy}", "{not: [buy, view]}")),
    (ENTERS, ("spend > 100", "spend > 101")),
    (ENTERS, ("{sliding: 1d}", "{sliding: 2d}")),
    (ENTERS, ("keen.enters", "keen.leaves")),
    (SESSION, ("gap: 30m", "gap: 31m")),
    (SESSION, ("session.end", "session.start")),
    (METRIC, ("traffic == 0", "traffic == 1")),
    (METRIC, ("tumbling: 1m", "tumbling: 2m")),
    (ACTOR, ("m:C", "m:D")),
    (ACTOR, ("x: 1", "x: 2")),
]


@pytest.mark.parametrize("case", SAME, ids=lambda case: f"{case[1:]}"[:70])
def test_unchanged(case):
    trigger, *edits = case
    assert version(trigger, *edits) == version(trigger)


@pytest.mark.parametrize("case", OTHER, ids=lambda case: f"{case[1:]}"[:70])
def test_changed(case):
    trigger, *edits = case
    assert version(trigger, *edits) != version(trigger)


def test_kinds_differ():
    found = {version(text) for text in (WHEN, SEQUENCE, ABSENCE, ENTERS, SESSION, METRIC, ACTOR)}
    assert len(found) == 7


def test_fixed_for_good():
    """Ids of firings hold these: a change here is a Breaking change of every id."""
    found = program(SHOP.read_text(encoding="utf-8"))
    assert {one.name: one.version for one in found.triggers} == TRIGGERS
    assert {one.name: one.version for one in found.metric_triggers} == METRIC_TRIGGERS
    assert {one.name: one.version for one in found.features} == FEATURES
    assert {one.name: one.version for one in found.segments} == SEGMENTS


def test_canonical_json():
    tree = {"b": [1, 1.5, True, None, "ä"], "a": {}}
    assert canonical_json(tree).decode() == '{"a":{},"b":[1,1.5,true,null,"ä"]}'


def hash_of(text):
    return plan_hash(load_plan(text)).hex()


def test_plan_hash():
    text = SHOP.read_text(encoding="utf-8")
    assert len(plan_hash(load_plan(text))) == 16
    assert hash_of(text) == hash_of(f"# a comment\n{text}")
    assert hash_of(text) == hash_of(
        text.replace("lateness: 5s, future: 5m", "future: 300s, lateness: 5s")
    )
    assert hash_of(text) != hash_of(text.replace("cooldown: 60d", "cooldown: 61d"))
    assert hash_of(text) != hash_of(text.replace("plan: shop", "plan: shop2"))


def test_plan_hash_follows_the_order_of_entries():
    """It is the order of a program's tables."""
    text = PLAN.replace("TRIGGER", WHEN)
    line = "  other: {count: buy, over: lifetime}\n"
    assert hash_of(text) != hash_of(
        text.replace(line, "").replace("features:\n", f"features:\n{line}")
    )


TRIGGERS = {
    "third_view": "bc5a251b12f78866",
    "cart_abandoned": "500c76c43dfa0240",
    "quick_cart": "dd6f32b00a736b64",
    "cross_sell": "4334bed71fdaa23d",
    "churn_warning": "70278401b79542ef",
}

METRIC_TRIGGERS = {
    "traffic_died": "6365d4a37d0b0807",
}

FEATURES = {
    "cart": "1d911d469e8e8119",
    "category_views": "862a24b42514530d",
    "spend_24h": "c0801527423845b7",
    "views_1h": "55747348085ed0e2",
    "logins_30d": "c9cfd023c41a87c9",
    "logins_60d": "395189b5ab9bbf26",
}

SEGMENTS = {
    "big_spender": "aaff2f7a7025f19a",
    "churn_risk": "639eab82218dbb34",
}
