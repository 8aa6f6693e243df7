"""Metrics and the triggers over them."""

import pytest
from tests.unit.plan.plans import (
    EVENTS,
    FIRST_LINE,
    STATE,
    STATE_LINES,
    metric_trigger,
    program,
    the_mistake,
    trigger_mistake,
)

from augenblick.plan.program import NONE, OPERAND_EVENT, Op


def metrics(text):
    return program(f"{EVENTS}metrics:\n{text}")


def test_count_and_sum():
    found = metrics(
        "  a: {count: '*', by: event, over: {tumbling: 5m}}\n"
        "  b: {sum: buy.value, by: sku, where: count > 1, over: {tumbling: 1h}}\n"
    )
    one, two = found.metrics
    assert (one.aggregate, one.by, one.by_name, one.size_ms) == (
        "count", OPERAND_EVENT, "event", 300_000,
    )  # fmt: skip
    assert (two.aggregate, found.fields[two.value].name, two.by_name) == ("sum", "value", "sku")
    assert found.selectors[two.selector].code != NONE


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{over: {tumbling: 1h}}", "a metric has one aggregate; known: count, sum"),
        ("{count: view, sum: buy.value, over: {tumbling: 1h}}", "a metric has one aggregate"),
        ("{count: view}", "`over` is missing"),
        ("{count: view, over: session}", "a metric over a `session` window is not built yet"),
        ("{count: view, over: lifetime}", "a metric over a `lifetime` window is not built yet"),
        ("{count: view, over: {sliding: 1h}}", "a metric over a `sliding` window is not built yet"),
        (
            "{count: view, over: {hopping: 1h, every: 5m}}",
            "a metric over a `hopping` window is not",
        ),
        ("{count: view, over: {since: buy}}", "a metric over a `since` window is not built yet"),
        ("{max: view.price, over: {tumbling: 1h}}", "the aggregate `max` of a metric is not built"),
        (
            "{list: view.price, over: {tumbling: 1h}}",
            "the aggregate `list` of a metric is not built",
        ),
        (
            "{distinct: view.user, over: {tumbling: 1h}}",
            "the aggregate `distinct` of a metric is no",
        ),
        ("{sum: view.sku, over: {tumbling: 1h}}", "sum needs a number, and 'sku' is text"),
        ("{sum: view, over: {tumbling: 1h}}", "'view' names no property"),
        ("{count: nothing, over: {tumbling: 1h}}", "unknown event 'nothing'"),
        ("{count: view, by: tags, over: {tumbling: 1h}}", "'tags' is a list, which cannot group"),
        ("other + 1", "unknown metric 'other'"),
        ("1 + 2", "'1 + 2' reads no metric, so it never changes"),
        ("m + 1", "'m' depends on itself: m -> m"),
    ],
)
def test_wrong(text, sentence):
    line, message = the_mistake(f"{EVENTS}metrics:\n  m: {text}\n")
    assert line == FIRST_LINE + 1
    assert message.startswith(sentence)


def test_expressions():
    found = program(STATE)
    assert [name for name, _ in found.metric_values] == ["ratio"]
    words = found.codes[found.metric_values[0][1]]
    assert [(Op(word & 0xFF).name, word >> 8) for word in words] == [
        ("METRIC", 0),
        ("METRIC", 3),
        ("DIV", 0),
        ("END", 0),
    ]


def test_expressions_read_no_user():
    line, message = the_mistake(f"{STATE}  m: views + 1\n")
    assert line == STATE_LINES + 1
    assert message.startswith("'views' is of one user; here only metrics can be read")


def test_expressions_of_different_groups_are_refused():
    _, message = the_mistake(f"{STATE}  m: sales_by_sku / views_by_category\n")
    assert message.startswith(
        "'sales_by_sku' is grouped by sku and 'views_by_category' by category"
    )


def test_trigger():
    found = metric_trigger(
        "{when: ratio < 2 and traffic > 10, then: log, cooldown: 1h, fire: each}"
    )
    assert found.metrics == (0, 3)
    assert (found.fire, found.cooldown_ms, found.actions, found.mode) == (
        "each", 3_600_000, ("log",), "live",
    )  # fmt: skip
    assert [value.name for value in found.values] == ["ratio", "traffic"]


def test_a_metric_trigger_is_no_trigger_of_users():
    found = program(f"{STATE}triggers:\n  t: {{when: traffic == 0}}\n  u: {{event: view}}\n")
    assert [one.name for one in found.metric_triggers] == ["t"]
    assert [one.name for one in found.triggers] == ["u"]


def test_values():
    found = metric_trigger("{when: traffic == 0, values: [sales, ratio]}")
    assert [value.name for value in found.values] == ["traffic", "sales", "ratio"]
    assert found.metrics == (3,)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{when: trafic == 0 and sales > 1}", "unknown metric 'trafic'; did you mean 'traffic'?"),
        (
            "{when: sales_by_sku > 1 and views_by_category > 1}",
            "'sales_by_sku' is grouped by sku an",
        ),
        ("{when: traffic}", "a condition is a yes or no, and this is a number"),
        (
            "{when: traffic == 0 and view.price > 3}",
            "'view.price' is a property of an event: a metr",
        ),
        ("{when: traffic == 0 and views > 3}", "'traffic' is a metric; reading one in a condition"),
        ("{when: traffic == 0, values: [views]}", "'views' is of one user and not sent"),
        (
            "{when: traffic == 0, values: [nothing]}",
            "unknown metric 'nothing'; known: sales, sales",
        ),
        ("{when: traffic == 0, values: [sales_by_sku]}", "sending 'sales_by_sku' as a map (it is"),
        (
            "{event: view, when: traffic == 0}",
            "'traffic' is a metric; reading one in a condition o",
        ),
        ("{when: 'ago(traffic, 7d) == traffic'}", "the function `ago` is not built yet"),
    ],
)
def test_wrong_triggers(text, sentence):
    assert trigger_mistake(text).startswith(sentence)


def test_emit():
    found = program(f"{STATE}actions: {{a: {{log: {{}}}}}}\nemit: {{metric: {{traffic: [a]}}}}\n")
    assert found.emit_metric == {3: ("a",)}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ratio", "emitting 'ratio', which is an expression over metrics, is not built yet"),
        ("nothing", "unknown metric 'nothing'; known: sales,"),
        ("views", "unknown metric 'views'"),
    ],
)
def test_wrong_emit(text, sentence):
    text = f"{STATE}actions: {{a: {{log: {{}}}}}}\nemit: {{metric: {{{text}: a}}}}\n"
    assert the_mistake(text)[1].startswith(sentence)
