"""What ``check`` tells of a plan that is right."""

import pytest
from tests.unit.plan.plans import EVENTS, SHOP

from augenblick.errors import PlanError
from augenblick.plan import Plan, check_plan, load_plan


def report(text):
    return check_plan(load_plan(text, file="p.yaml"))


def test_the_shop():
    found = report(SHOP.read_text(encoding="utf-8"))
    assert found.plan_name == "shop"
    assert found.counts == {
        "events": 5, "features": 7, "segments": 2, "metrics": 3, "triggers": 6, "actions": 6,
    }  # fmt: skip
    assert found.warnings == ()
    assert found.unused_features == ("views_1h",)
    assert (found.unused_events, found.unused_actions) == ((), ())
    assert found.timers == (
        "each session closes 30m after its last event",
        "segment big_spender changes by time as spend_24h change",
        "segment churn_risk changes by time as logins_60d, logins_30d change",
        "trigger cart_abandoned waits 30m (restart)",
        "metric views: each window of 10s closes at its end",
        "metric by_event: each window of 5m closes at its end",
        "metric traffic: each window of 1m closes at its end",
    )


def test_memory_grows_with_the_plan():
    def bytes_of(feature):
        found = report(f"{EVENTS}features:\n  f: {feature}\n")
        return found.typical_bytes, found.bytes_max

    small = bytes_of("{count: view, over: session}")
    for more in (
        "{count: view, by: sku, over: session}",
        "{count: view, over: {sliding: 1h}}",
        "{count: view, over: {hopping: 1h, every: 5m}}",
        "{list: view.sku, over: session}",
        "{last: view.sku, over: session}",
        "{sum: buy.value, over: session}",
        "{distinct: view.sku, over: session}",
        "{top: view.sku, over: session}",
        "{quantile: buy.value, q: 0.5, over: session}",
        "{decay: view, half_life: 1d, over: session}",
        "{distinct: view.sku, over: {sliding: 1h}}",
    ):
        typical, bytes_max = bytes_of(more)
        assert typical > small[0]
        assert bytes_max > small[1]
        assert bytes_max >= typical


def test_memory_names_what_takes_it():
    found = report(SHOP.read_text(encoding="utf-8"))
    assert [line.name for line in found.memory] == [
        "user and session", "cart", "category_views", "spend_24h", "views_1h", "logins_30d",
        "logins_60d", "big_spender", "churn_risk", "cart_abandoned", "quick_cart", "churn_warning",
    ]  # fmt: skip
    assert sum(line.typical_bytes for line in found.memory) == found.typical_bytes


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "triggers: {t: {event: view, where: categroy == 'a'}}",
            "event 'view' does not declare the property 'categroy'; did you mean 'category'?",
        ),
        (
            "features: {f: {sum: buy.total, over: session}}",
            "event 'buy' does not declare the property 'total'; known: sku, value, count",
        ),
        (
            "features: {f: {count: view, by: shop, over: session}}",
            "event 'view' does not declare the property 'shop'; known: category, sku, price, at,",
        ),
        (
            "triggers: {t: {sequence: [view, buy], match: category}}",
            "event 'buy' does not declare the property 'category'; known: sku, value, count",
        ),
        (
            "triggers: {t: {event: view, when: view.colour == 'red'}}",
            "event 'view' does not declare the property 'colour'",
        ),
    ],
)
def test_warnings(text, sentence):
    warnings = report(f"{EVENTS}{text}\n").warnings
    assert [warning.line for warning in warnings] == [6]
    assert warnings[0].message.startswith(sentence)


def test_no_warning_without_a_tracking_plan():
    text = "plan: x\ntriggers: {t: {event: view, where: anything == 'a'}}\n"
    assert report(text).warnings == ()


def test_unused():
    text = (
        f"{EVENTS}features:\n"
        "  read: {count: view, over: session}\n"
        "  sent: {count: view, by: sku, over: session}\n"
        "  emitted: {count: view, over: {tumbling: 1h}}\n"
        "  unread: {count: view, over: session}\n"
        "triggers: {t: {when: read > 3, values: [sent], then: a}}\n"
        "actions: {a: {log: {}}, b: {log: {}}, c: {log: {}}}\n"
        "emit: {window: {emitted: b}}\n"
    )
    found = report(text)
    assert found.unused_features == ("unread",)
    assert found.unused_events == ("buy", "clear")
    assert found.unused_actions == ("c",)
    assert "feature emitted: each window of 1h closes at its end" in found.timers


def test_a_wrong_plan_has_no_report():
    with pytest.raises(PlanError, match="unknown event 'b'"):
        check_plan(Plan(plan="x", events={}, triggers={"t": {"event": "b"}}))
