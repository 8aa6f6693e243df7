"""Features: aggregates, windows, events, grouping, options, expressions."""

import pytest
from tests.unit.plan.plans import (
    EVENTS,
    FIRST_LINE,
    STATE,
    feature,
    feature_mistake,
    mistakes,
    program,
    the_mistake,
)

from augenblick.plan.program import NONE, OPERAND_EVENT, OPERAND_TIME, OPERAND_USER, Op

DAY = 86_400_000


@pytest.mark.parametrize(
    ("over", "window", "size_ms", "every_ms"),
    [
        ("session", "session", 0, 0),
        ("lifetime", "lifetime", 0, 0),
        ("{sliding: 1d}", "sliding", DAY, 0),
        ("{tumbling: 5m}", "tumbling", 300_000, 0),
        ("{hopping: 1h, every: 5m}", "hopping", 3_600_000, 300_000),
        ("{hopping: 1h, every: 1h}", "hopping", 3_600_000, 3_600_000),
        ("{since: clear}", "since", 0, 0),
        ("{since: [clear, session.end]}", "since", 0, 0),
        ("{since: {event: buy, where: value > 3}}", "since", 0, 0),
    ],
)
def test_windows(over, window, size_ms, every_ms):
    found = feature(f"{{count: view, over: {over}}}")
    assert (found.window, found.size_ms, found.every_ms) == (window, size_ms, every_ms)
    assert (found.reset_selector != NONE) == (window == "since")


@pytest.mark.parametrize(
    ("over", "sentence"),
    [
        ("{}", "`over` is one window: session, lifetime, {sliding: D}, {tumbling: D}, {hopping: D"),
        ("{sliding: 1d, tumbling: 1d}", "`over` is one window"),
        ("{sliding: 1d, every: 1h}", "`every` belongs to `hopping`"),
        ("{hopping: 1h}", "a hopping window needs `every`"),
        ("{hopping: 1h, every: 7m}", "the size of a hopping window is a whole multiple of `every`"),
        ("{hopping: 5m, every: 1h}", "the size of a hopping window is a whole multiple of `every`"),
        ("{hopping: 30d, every: 1s}", "an event lies in more than 1024 of these windows"),
        ("{since: nothing}", "unknown event 'nothing'; known: view, buy, clear, session.start"),
        (
            "{sliding: 91d}",
            "the window of 91d is longer than `time: ttl` (90d), after which an idle",
        ),
        ("{tumbling: 100d}", "the window of 100d is longer than `time: ttl`"),
        ("{hopping: 100d, every: 1d}", "the window of 100d is longer than `time: ttl`"),
    ],
)
def test_wrong_windows(over, sentence):
    assert feature_mistake(f"{{count: view, over: {over}}}").startswith(sentence)


def test_a_window_may_be_as_long_as_ttl():
    assert feature("{count: view, over: {sliding: 90d}}").size_ms == 90 * DAY
    assert (
        mistakes(f"{EVENTS}time: {{ttl: 1d}}\nfeatures: {{f: {{count: view, over: session}}}}\n")
        == []
    )


def test_over_is_needed():
    assert feature_mistake("{count: view}").startswith("`over` is missing: session, lifetime, ")


@pytest.mark.parametrize(
    ("text", "aggregate", "value"),
    [
        ("{count: view, over: session}", "count", None),
        ("{sum: buy.value, over: session}", "sum", ("props", "value")),
        ("{min: buy.value, over: session}", "min", ("props", "value")),
        ("{max: view.at, over: session}", "max", ("props", "at")),
        ("{avg: buy.count, over: session}", "avg", ("props", "count")),
        ("{first: view.sku, over: session}", "first", ("props", "sku")),
        ("{last: view.new, over: session}", "last", ("props", "new")),
        ("{list: view.sku, over: session}", "list", ("props", "sku")),
        ("{last: view.props.user, over: session}", "last", ("props", "user")),
        ("{last: view.context.app, over: session}", "last", ("context", "app")),
        ("{last: view.unknown, over: session}", "last", ("props", "unknown")),
        ("{last: '*.sku', over: session}", "last", ("props", "sku")),
        ("{last: '*.context.app', over: session}", "last", ("context", "app")),
        ("{list: [view.sku, buy.sku], over: session}", "list", ("props", "sku")),
        ("{sum: value, of: buy, over: session}", "sum", ("props", "value")),
        ("{sum: props.value, of: buy, over: session}", "sum", ("props", "value")),
        ("{last: context.app, of: [buy, view], over: session}", "last", ("context", "app")),
        (
            "{last: sku, of: {event: buy, where: value > 3}, over: session}",
            "last",
            ("props", "sku"),
        ),
        ("{sum: {event: buy.value, where: count > 1}, over: session}", "sum", ("props", "value")),
        ("{max: session.end.events, over: lifetime}", "max", ("props", "events")),
    ],
)
def test_aggregates(text, aggregate, value):
    found = program(f"{EVENTS}features:\n  f: {text}\n")
    one = found.features[0]
    assert one.aggregate == aggregate
    field = found.fields[one.value] if one.value >= 0 else None
    assert (field and (field.scope, field.name)) == value


@pytest.mark.parametrize(
    ("text", "operand"),
    [
        ("{last: view.time, over: session}", OPERAND_TIME),
        ("{list: view.user, over: session}", OPERAND_USER),
        ("{last: event, of: view, over: session}", OPERAND_EVENT),
    ],
)
def test_own_fields(text, operand):
    assert feature(text).value == operand


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "{over: session}",
            "the feature has no aggregate; known: count, sum, min, max, avg, rate,",
        ),
        (
            "{count: view, sum: buy.value, over: session}",
            "a feature has one aggregate, and this one",
        ),
        ("{max: 5, over: session}", "`max: NUMBER` belongs to `list`"),
        ("{count: view, max: 5, over: session}", "`max: NUMBER` belongs to `list`"),
        ("{sum: buy, over: session}", "'buy' names no property: write EVENT.property"),
        ("{sum: by.value, over: session}", "unknown event 'by'; did you mean 'buy'?"),
        ("{sum: value, over: session}", "'value' names no property"),
        ("{sum: buy.value.x, over: session}", "'value.x' is a nested property, which is not built"),
        ("{sum: 'buy.', over: session}", "'buy.' is no EVENT.property"),
        ("{sum: buy.sku, over: session}", "sum needs a number, and 'sku' is text"),
        ("{avg: view.at, over: session}", "avg needs a number, and 'at' is a time"),
        ("{max: view.sku, over: session}", "max needs a number or a time, and 'sku' is text"),
        (
            "{min: view.new, over: session}",
            "min needs a number or a time, and 'new' is a yes or no",
        ),
        ("{last: view.tags, over: session}", "last does not take lists, and 'tags' is a list"),
        ("{list: view.tags, over: session}", "list does not take lists, and 'tags' is a list"),
        (
            "{list: [view.sku, buy.value], over: session}",
            "one feature reads one property, and these",
        ),
        ("{count: view, of: buy, over: session}", "count reads no property; write {count: EVENT}"),
        (
            "{sum: [value], of: buy, over: session}",
            "beside `of`, sum takes the name of one property",
        ),
        (
            "{sum: buy.value, of: buy, over: session}",
            "'buy.value': in `where` and `by` the event is",
        ),
        ("{sum: value, of: bye, over: session}", "unknown event 'bye'; did you mean 'buy'?"),
        ("{count: nothing, over: session}", "unknown event 'nothing'; known: view, buy, clear,"),
        ("{count: [view, veiw], over: session}", "unknown event 'veiw'; did you mean 'view'?"),
        ("{count: view.sku, over: session}", "unknown event 'view.sku'"),
        ("{count: session, over: session}", "'session' is no event; its events are session.start"),
        ("{count: context, over: session}", "'context' is no event"),
        ("{count: ['*', view], over: session}", '"*" means every event and stands alone'),
        ("{count: view, where: vieww.x == 3, over: session}", "'vieww.x' is no name here"),
        ("{count: view, by: 3 + 4, over: session}", "this is not one field of the event"),
        ("{count: view, by: 'sku ==', over: session}", "the condition ends too early"),
        ("{count: view, by: view.sku, over: session}", "'view.sku': in `where` and `by` the event"),
        ("{count: view, by: tags, over: session}", "'tags' is a list, which cannot group or match"),
        ("{count: view, by_max: 3, over: session}", "`by_max` belongs to `by`"),
        (
            "{count: view, sliding_max: 3, over: session}",
            "`sliding_max` belongs to `over: {sliding",
        ),
        ("{count: view, keep: always, over: session}", "`keep` belongs to `over: lifetime`"),
        ("{quantile: buy.value, over: session}", "`quantile` needs `q`, as in {quantile:"),
        ("{quantile: buy.value, q: 1.5, over: session}", "Input should be less than 1"),
        ("{quantile: view.sku, q: 0.5, over: session}", "quantile needs a number, and 'sku' is"),
        ("{decay: view, over: lifetime}", "`decay` needs `half_life`, as in {decay: view, half_"),
        ("{count: view, q: 0.5, over: session}", "`q` belongs to `quantile`"),
        ("{count: view, half_life: 3d, over: session}", "`half_life` belongs to `decay`"),
        ("{count: view, max: 3, over: session}", "`max: NUMBER` belongs to `list` and `top`"),
        ("{distinct: view, over: session}", "'view' names no property: write EVENT.property"),
        ("{distinct: view.tags, over: session}", "distinct does not take lists, and 'tags'"),
        ("{decay: view.sku, half_life: 1d, over: session}", "decay needs a number, and 'sku' is"),
        ("{time_since: view, of: buy, over: session}", "time_since reads no property; write"),
        ("{rate: view, over: session}", "`rate` is per second of its window, and this one has"),
        ("{rate: view, over: lifetime}", "`rate` is per second of its window, and this one has"),
        ("{rate: view, over: {since: buy}}", "`rate` is per second of its window, and this one"),
        ("nothing + 1", "unknown feature or segment 'nothing'"),
        ("3 + 4", "'3 + 4' reads no feature, so it never changes"),
        (
            "view.price * 2",
            "'view.price' is a property of an event: a feature has no event at hand",
        ),
        ("f + 1", "'f' depends on itself: f -> f"),
    ],
)
def test_wrong(text, sentence):
    assert feature_mistake(text).startswith(sentence)


def test_options():
    assert feature("{count: view, over: session}").by_max == 0
    assert feature("{count: view, by: sku, over: session}").by_max == 64
    assert feature("{count: view, by: sku, by_max: 7, over: session}").by_max == 7
    assert feature("{count: view, over: {sliding: 1h}}").sliding_max == 256
    assert feature("{count: view, over: {sliding: 1h}, sliding_max: 9}").sliding_max == 9
    assert feature("{list: view.sku, over: session}").list_max == 64
    assert feature("{list: view.sku, max: 5, over: session}").list_max == 5
    assert feature("{top: view.sku, over: session}").list_max == 10
    assert feature("{top: view.sku, max: 5, over: session}").list_max == 5
    assert feature("{quantile: buy.value, q: 0.9, over: session}").option == 0.9
    assert feature("{decay: view, half_life: 3d, over: session}").option == 3 * DAY
    assert feature("{count: view, over: session}").option == 0
    assert feature("{count: view, over: lifetime}").keep == 0
    assert feature("{count: view, over: lifetime, keep: always}").keep == -1
    assert feature("{count: view, over: lifetime, keep: 1000d}").keep == 1000 * DAY


@pytest.mark.parametrize(
    ("by", "name"),
    [
        ("sku", "sku"),
        ("props.sku", "sku"),
        ("context.app", "context.app"),
        ("event", "event"),
        ("props.event", "props.event"),
        ("session", "session"),
    ],
)
def test_by(by, name):
    assert feature(f"{{count: '*', by: {by}, over: session}}").by_name == name


def selector(text):
    found = program(f"{EVENTS}features:\n  f: {{count: {text}, over: session}}\n")
    one = found.selectors[found.features[0].selector]
    names = one.event_ids and [found.event_names[event] for event in one.event_ids]
    return names, one.code != NONE


@pytest.mark.parametrize(
    ("events", "names", "condition"),
    [
        ("view", ["view"], False),
        ("[view, buy]", ["view", "buy"], False),
        ("[buy, view, buy]", ["view", "buy"], False),
        ("'*'", None, False),
        ("{event: view}", ["view"], False),
        ("{event: view, where: price > 3}", ["view"], True),
        ("{event: [view, buy], where: sku == 'A'}", ["view", "buy"], True),
        ("{event: '*', where: context.app == 'ios'}", None, True),
        ("[view, {event: buy, where: value > 3}]", ["view", "buy"], True),
        ("view, where: price > 3", ["view"], True),
        ("{event: view, where: price > 3}, where: new", ["view"], True),
        ("session.start", ["session.start"], False),
    ],
)
def test_selectors(events, names, condition):
    assert selector(events) == (names, condition)


def test_conditions_of_a_list_are_bound_to_their_event():
    events = "[view, {event: buy, where: value > 3}]"
    found = program(f"{EVENTS}features:\n  f: {{count: {events}, over: session}}\n")
    ops = [Op(word & 0xFF).name for word in found.codes[0]]
    assert ops[:6] == ["OWN", "CONST", "EQ", "OR_JUMP", "OWN", "CONST"]
    assert [const for const in found.consts if isinstance(const, str)] == ["view", "buy"]


def test_equal_selectors_are_one():
    text = "{count: view, over: session}"
    found = program(
        f"{EVENTS}features:\n  f: {text}\n  g: {text}\n  h: {{count: buy, over: session}}\n"
    )
    assert [one.selector for one in found.features] == [0, 0, 1]


def test_expressions_are_inlined():
    found = program(STATE.replace("metrics:", "  late: mean > 3\nmetrics:"))
    assert "mean" not in [one.name for one in found.features]
    ops = [Op(word & 0xFF).name for word in found.codes[found.segments[1].code]]
    assert ops == ["FEATURE", "FEATURE", "DIV", "CONST", "GT", "END"]


def test_features_may_stand_in_any_order():
    text = f"{EVENTS}features:\n  a: b + c\n  b: c * 2\n  c: {{count: view, over: session}}\n"
    assert [one.name for one in program(text).features] == ["c"]


def test_a_circle_is_named():
    text = f"{EVENTS}features:\n  a: b + 1\n  b: c + 1\n  c: a + 1\n"
    assert the_mistake(text) == (FIRST_LINE + 1, "'a' depends on itself: a -> b -> c -> a")


def test_a_long_chain_is_refused():
    lines = "".join(f"  f{number}: f{number + 1} + 1\n" for number in range(20))
    found = mistakes(f"{EVENTS}features:\n{lines}  f20: {{count: view, over: session}}\n")
    assert found
    assert "more than 16 expressions read each other" in found[0][1]


def test_an_expression_that_doubles_is_refused():
    """Each reads the one before twice: without a bound the last would have 2**15 nodes."""
    lines = "".join(f"  f{number + 1}: f{number} + f{number}\n" for number in range(15))
    found = mistakes(f"{EVENTS}features:\n  f0: {{count: view, over: session}}\n{lines}")
    assert found
    assert "with the expressions it reads this is too large" in found[0][1]


def test_expressions_of_features_with_different_groups_are_refused():
    text = STATE.replace("  mean:", "  both: by_category + by_sku\n  mean:")
    assert the_mistake(text)[1].startswith(
        "'by_category' is grouped by category and 'by_sku' by sku"
    )


OPEN = "plan: test\n"


@pytest.mark.parametrize(
    ("text", "event", "name"),
    [
        ("{sum: purchase.value, over: session}", "purchase", "value"),
        ("{sum: shop.purchase.value, over: session}", "shop.purchase", "value"),
        ("{sum: shop.purchase.props.user, over: session}", "shop.purchase", "user"),
        ("{sum: Order Completed.value, over: session}", "Order Completed", "value"),
        ("{sum: value, of: shop.purchase, over: session}", "shop.purchase", "value"),
    ],
)
def test_without_a_tracking_plan_every_event_is_known(text, event, name):
    found = program(f"{OPEN}features:\n  f: {text}\n")
    ids = found.selectors[0].event_ids
    assert [found.event_names[one] for one in ids] == [event]
    assert found.fields[found.features[0].value].name == name


def test_a_mentioned_event_is_the_longest_beginning():
    features = "  f: {last: page.view.sku, over: session}\n  g: {count: page, over: session}\n"
    text = f"{OPEN}features:\n{features}"
    line, message = the_mistake(text)
    assert (line, message) == (3, "'view.sku' is a nested property, which is not built yet")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{sum: session.value, over: session}", "'session' is no event; its events are session.st"),
        ("{count: session, over: session}", "'session' is no event; its events are session.start"),
        ("{sum: context.value, over: session}", "'context' is no event"),
        ("{count: ' a', over: session}", "' a' is no event name"),
        ("{count: " + "a" * 129 + ", over: session}", "the event name 'aaaaaaaa"),
    ],
)
def test_what_is_no_event_without_a_tracking_plan(text, sentence):
    line, message = the_mistake(f"{OPEN}features:\n  f: {text}\n")
    assert line == 3
    assert message.startswith(sentence)
