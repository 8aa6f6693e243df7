"""Which values may meet in a condition, and what names mean in it."""

import pytest
from tests.unit.plan.plans import STATE, mistakes, trigger, when_mistake, where_mistake

RIGHT_WHEN = [
    "views >= 3",
    "views + 2 * views_2h - 1 > spend / 3",
    "mean > 1.5",
    "keen",
    "not keen and views > 1",
    "exists(last_sku)",
    "last_sku == 'A'",
    "last_sku in ['A', 'B']",
    "'A' in seen",
    "view.sku in seen",
    "view.sku == last_sku",
    "view.price > 10",
    "view.at - last_at > 30d",
    "view.at > last_at + 30d",
    "last_at - 30d < view.at",
    "view.at > 1700000000000",
    "view.time - last_at < 5m",
    "is_new",
    "is_new == true",
    "view.new != is_new",
    "view.unknown > 3",
    "view.unknown",
    "not view.unknown",
    "view.context.app == 'ios'",
    "view.props.user == 'x'",
    "view.user == 'x'",
    "view.session == 's'",
    "min(views, spend) > 3",
    "max(last_at, view.at) > 3",
    "abs(spend - 3) < 2",
    "round(mean) == 2",
    "startswith(lower(last_sku), 'a')",
    "contains(last_sku, 'x')",
    "'x' in last_sku",
    "by_category > 2 and views > 1",
    "1 < views < 5",
    "-views < 3",
]


@pytest.mark.parametrize("condition", RIGHT_WHEN)
def test_right(condition):
    assert trigger(f'{{event: view, when: "{condition}"}}').when >= 0


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ("views", "a condition is a yes or no, and this is a number; compare it"),
        ("last_sku", "a condition is a yes or no, and this is text"),
        ("seen", "a condition is a yes or no, and this is a list"),
        ("view.at", "a condition is a yes or no, and this is a time"),
        ("3", "a condition is a yes or no, and this is a number"),
        ("views and keen", "`and` joins conditions, and this is a number"),
        ("keen or last_sku", "`or` joins conditions, and this is text"),
        ("not views", "`not` joins conditions, and this is a number"),
        ("views == 'a'", "this compares a number with text, which is never true"),
        ("views == last_sku", "this compares a number with text, which is never true"),
        ("keen == 1", "this compares a yes or no with a number, which is never true"),
        ("last_at > 'a'", "this compares a time with text, which is never true"),
        ("keen < true", "`<` has no meaning for a yes or no"),
        ("seen == seen", "a list is not compared; write x in LIST"),
        ("seen > 3", "a list is not compared; write x in LIST"),
        ("last_sku + 1 > 2", "`+` needs numbers, and one side is text"),
        ("keen * 2 > 2", "`*` needs numbers, and one side is a yes or no"),
        ("-last_sku > 2", "`-` needs a number, and this is text"),
        ("last_at + view.at > 2", "`+` does not work on times"),
        ("last_at * 2 > 2", "`*` does not work on times"),
        ("2 - last_at > 2", "`-` does not work on times"),
        ("views / 0 > 2", "this divides by 0"),
        ("views in spend", "`in` needs a list or text after it, and this is a number"),
        ("views in last_sku", "only text is in a text, and this is a number"),
        ("seen in seen", "a list is in no list"),
        ("views in []", "the list after `in` is empty"),
        ("views in [1, 'a']", "this compares a number with text"),
        ("[1, 2] == views", "a list stands only after `in`"),
        ("(1, 2)", "a list stands only after `in`"),
        ("abs(last_sku) > 1", "abs needs a number, and this is text"),
        ("lower(views) == 'a'", "lower needs text, and this is a number"),
        ("startswith(last_sku, 3)", "startswith needs text, and this is a number"),
        ("max(views, last_sku) > 1", "max needs a number, and this is text"),
        ("abs(1, 2) > 1", "abs does not take 2 values; write abs(x)"),
        ("exists()", "exists does not take 0 values; write exists(x)"),
        ("round(mean, 2) > 1", "round does not take 2 values"),
        ("absolute(views) > 1", "unknown function 'absolute'; known: exists, abs,"),
        ("eval('1')", "unknown function 'eval'"),
        ("a.b(1)", "unknown function 'a.b'"),
        (
            "max(views) > 1",
            "`max(x)` reduces the groups of a feature, and nothing here is grouped: give the "
            "feature `by: FIELD`; to compare values write max(x, y)",
        ),
        ("any(keen)", "nothing here is grouped: give the feature `by: FIELD`"),
        ("any(by_category)", "any needs a yes or no, and this is a number"),
        (
            "max(by_category + by_sku) > 1",
            "'by_category' is grouped by category and 'by_sku' by sku: `max(x)` reads features of "
            "one `by` together",
        ),
        ("sum(views, 2) > 1", "sum does not take 2 values; write sum(x)"),
        ("hour(views) > 1", "hour needs a time, and this is a number"),
        ("days_since(last_sku) > 1", "days_since needs a time, and this is text"),
        ("distance_km(1, 2, 3) > 1", "distance_km does not take 3 values; write distance_km(lat,"),
        ("ago(views, 7d) > 1", "the function `ago` is not built yet"),
        (
            "by_category > 2 and by_sku > 1",
            "'by_category' is grouped by category and 'by_sku' by sku: a condition is read for one "
            "group of the event; reduce one with max() min() sum() or any()",
        ),
    ],
)
def test_wrong(condition, sentence):
    assert sentence in when_mistake(condition)


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        (
            "vews > 1",
            "unknown feature or segment 'vews' (a property is EVENT.vews); did you mean 'v",
        ),
        ("price > 1", "unknown feature or segment 'price' (a property is EVENT.price)"),
        ("view", "'view' is an event; a property of it is view.NAME"),
        ("view > 1", "'view' is an event; a property of it is view.NAME"),
        ("keen.enters", "'keen.enters' is an event; a property of it is keen.enters.NAME"),
        ("viewed.price > 1", "'viewed.price' names no known event; did you mean 'view'?"),
        ("view.address.city == 'a'", "'address.city' is a nested property, which is not built yet"),
        ("view.props.a.b == 'a'", "'props.a.b' is a nested property, which is not built yet"),
        ("context.app == 'a'", "context can be read in `where` and `by` only"),
        ("context", "context can be read in `where` and `by` only"),
        (
            "buy.value > 3",
            "'buy' is never the event at hand here, so 'buy.value' is always missing",
        ),
        ("sales > 3", "'sales' is a metric; reading one in a condition on a user is not built yet"),
        (
            "views > 3 and traffic > 3",
            "'traffic' is a metric; reading one in a condition on a user",
        ),
    ],
)
def test_names_outside_where(condition, sentence):
    assert when_mistake(condition).startswith(sentence)


@pytest.mark.parametrize(
    "condition",
    [
        "category == 'a'",
        "props.category == 'a'",
        "price > 3 and new",
        "context.app == 'ios'",
        "context.logged_in",
        "user == 'x' and event == 'view'",
        "props.user == 'x'",
        "time > 3 and at > time - 1d",
        "exists(session)",
        "'a' in tags",
        "unknown_property > 3",
        "views == 3",
    ],
)
def test_right_where(condition):
    assert trigger(f'{{event: view, where: "{condition}"}}').selector >= 0


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        (
            "view.category == 'a'",
            "'view.category': in `where` and `by` the event is clear; write 'c",
        ),
        (
            "nothing.category == 'a'",
            "'nothing.category' is no name here; a property is its bare name",
        ),
        ("context.a.b == 'a'", "'context.a.b' is a nested property, which is not built yet"),
        ("price == 'a'", "this compares a number with text"),
        ("price", "a condition is a yes or no, and this is a number"),
        ("category > 3", "this compares text with a number"),
        ("user > 3", "this compares text with a number"),
        ("tags == 'a'", "a list is not compared"),
    ],
)
def test_wrong_where(condition, sentence):
    assert where_mistake(condition).startswith(sentence)


def test_types_of_several_events_must_agree():
    """`sku` is text in both; `value` is known of one only, so it may be anything."""
    assert "text with a number" in where_mistake("sku > 3", "[view, buy]")
    assert trigger("{event: [view, buy], where: value == 'a'}").selector >= 0


@pytest.mark.parametrize(
    ("event", "condition", "wrong"),
    [
        ("session.start", "start > 3", ""),
        ("session.end", "events > 3 and end - start > 1h", ""),
        ("keen.enters", "segment == 'keen'", ""),
        ("session.start", "events > 3", "'session.start' carries the session and has no property"),
        ("keen.leaves", "name == 'a'", "'keen.leaves' carries the segment and has no property"),
    ],
)
def test_properties_of_derived_events(event, condition, wrong):
    if wrong:
        assert where_mistake(condition, event).startswith(wrong)
    else:
        assert trigger(f'{{event: {event}, where: "{condition}"}}').selector >= 0


def test_derived_events_in_when():
    assert trigger("{event: session.end, when: session.end.events > 3}").when >= 0


def test_the_place_is_named():
    found = mistakes(f"{STATE}triggers:\n  t: {{event: view, when: views > 1 and vews > 2}}\n")
    assert found[0][1].endswith("(character 15 of `views > 1 and vews > 2`)")


def test_a_wrong_definition_is_said_once():
    text = STATE.replace("spend: {sum: buy.value", "spend: {sum: buy.valu.x")
    assert [message.split(" (")[0] for _, message in mistakes(text)] == [
        "'valu.x' is a nested property, which is not built yet"
    ]
