"""The program of the design's example plan, table by table."""

import pytest
from tests.unit.plan.plans import EVENTS, SHOP, STATE, program

from augenblick.plan import compile_plan, load_plan
from augenblick.plan.program import NONE, OPERAND_EVENT, Field, Op, Step


@pytest.fixture(scope="module")
def shop():
    return compile_plan(load_plan(SHOP))


def test_settings(shop):
    assert (shop.plan_name, len(shop.plan_hash), shop.clock) == ("shop", 16, None)
    assert (shop.gap_ms, shop.session_max_ms) == (1_800_000, 43_200_000)
    assert (shop.lateness_ms, shop.future_ms, shop.idle_ms) == (5_000, 300_000, 1_000)
    assert (shop.dedup_ms, shop.ttl_ms) == (600_000, 90 * 86_400_000)
    assert not shop.unknown_events_refused
    assert not shop.uses_session_events
    assert (shop.emit_session, shop.emit_window, shop.emit_metric) == (("audit",), {}, {})


def test_events(shop):
    assert shop.event_names == (
        "view", "add_to_cart", "cart_cleared", "purchase", "login", "session.start", "session.end",
        "big_spender.enters", "big_spender.leaves", "churn_risk.enters", "churn_risk.leaves",
    )  # fmt: skip
    assert shop.event_derived == (False,) * 5 + (True,) * 6


def test_schemas(shop):
    schemas = {shop.event_names[one.event_id]: one.props for one in shop.schemas}
    assert list(schemas) == ["view", "add_to_cart", "cart_cleared", "purchase", "login"]
    assert [(one.name, one.type, one.nullable) for one in schemas["view"]] == [
        ("category", "str", False),
        ("sku", "str", False),
        ("price", "float", True),
    ]


def test_fields(shop):
    assert set(shop.fields) == {Field("props", name) for name in ("sku", "category", "value")}


def test_features(shop):
    by_name = {one.name: one for one in shop.features}
    assert list(by_name) == [
        "cart", "category_views", "spend_24h", "views_1h", "logins_30d", "logins_60d",
    ]  # fmt: skip
    cart = by_name["cart"]
    assert (cart.aggregate, cart.window, cart.list_max) == ("list", "since", 20)
    reset = shop.selectors[cart.reset_selector]
    assert [shop.event_names[event] for event in reset.event_ids] == ["cart_cleared", "purchase"]
    views = by_name["category_views"]
    assert (views.by_name, views.by_max, shop.fields[views.by].name) == ("category", 64, "category")
    assert (by_name["views_1h"].size_ms, by_name["views_1h"].every_ms) == (3_600_000, 300_000)
    assert not any(one.emitted for one in shop.features)
    assert len({one.version for one in shop.features}) == 6


def test_segments(shop):
    names = [one.name for one in shop.features]
    assert [(one.name, [names[index] for index in one.features]) for one in shop.segments] == [
        ("big_spender", ["spend_24h"]),
        ("churn_risk", ["logins_60d", "logins_30d"]),
    ]


def test_metrics(shop):
    assert [(one.name, one.aggregate, one.by_name, one.size_ms) for one in shop.metrics] == [
        ("views", "count", "category", 10_000),
        ("by_event", "count", "event", 300_000),
        ("traffic", "count", "", 60_000),
    ]
    assert shop.metrics[1].by == OPERAND_EVENT
    assert shop.selectors[shop.metrics[2].selector].event_ids is None


def test_triggers(shop):
    by_name = {one.name: one for one in shop.triggers}
    assert [(one.name, one.kind) for one in shop.triggers] == [
        ("third_view", "when"),
        ("cart_abandoned", "sequence"),
        ("quick_cart", "sequence"),
        ("cross_sell", "event"),
        ("churn_warning", "event"),
    ]
    assert [one.name for one in shop.metric_triggers] == ["traffic_died"]
    cart = by_name["cart_abandoned"]
    assert cart.steps[1] == Step(cart.steps[1].selector, negated=True, for_ms=1_800_000)
    assert (cart.within_ms, cart.timer, cart.event_time) == (1_800_000, "restart", True)
    assert [one.name for one in cart.values] == ["cart"]
    assert by_name["quick_cart"].match_name == "sku"
    assert by_name["churn_warning"].cooldown_ms == 60 * 86_400_000
    assert by_name["third_view"].group_name == "category"


def words(found, code):
    return [(Op(word & 0xFF).name, word >> 8) for word in found.codes[code]]


def test_code_of_a_condition(shop):
    one = shop.triggers[0]
    assert words(shop, one.when) == [
        ("FEATURE", 1),
        ("CONST", shop.consts.index(3)),
        ("GE", 0),
        ("END", 0),
    ]


def test_code_of_and(shop):
    churn = shop.segments[1]
    found = words(shop, churn.code)
    assert [op for op, _ in found] == [
        "FEATURE", "FEATURE", "SUB", "CONST", "GE", "AND_JUMP",
        "FEATURE", "CONST", "FEATURE", "FEATURE", "SUB", "MUL", "LE", "END",
    ]  # fmt: skip
    assert found[5] == ("AND_JUMP", 13)


def when(condition):
    text = f'{STATE}triggers:\n  t: {{event: view, when: "{condition}"}}\n'
    found = program(text)
    return found, found.codes[found.triggers[0].when]


def test_code_of_event_properties_has_a_second_word():
    found, code = when("view.price > 3 and view.user == 'x'")
    view = found.event_names.index("view")
    price = found.fields.index(Field("props", "price"))
    assert code[:2] == (price << 8 | Op.FIELD_OF, view)
    assert code[5:7] == (3 << 8 | Op.OWN_OF, view)


def test_jumps_to_the_end_of_the_code():
    """A jump past a second word that looks like an operation still lands on END."""
    _, code = when("view.price > 3 or keen or views > 2")
    jumps = [word >> 8 for word in code if word & 0xFF == Op.OR_JUMP]
    assert jumps == [len(code) - 1] * 2


def test_a_long_list_is_cut():
    items = ", ".join(str(number) for number in range(40))
    _, code = when(f"views in [{items}]")
    assert [word >> 8 for word in code if word & 0xFF == Op.IN] == [16, 16, 8]


def test_constants_keep_their_type():
    found, _ = when("views == 1 or views == 1.0 or view.x == true or view.x == '1'")
    assert [type(value) for value in found.consts if value in (1, "1")] == [int, float, bool, str]


def test_emit_all():
    plan = load_plan(SHOP)
    found = compile_plan(plan, emit_all=True)
    assert [one.name for one in found.features if one.emitted] == ["views_1h"]
    assert found.emit_window == {}


def test_equal_plans_give_equal_programs():
    text = SHOP.read_text(encoding="utf-8")
    assert compile_plan(load_plan(text)) == compile_plan(load_plan(text))


def test_refused_events():
    text = EVENTS.replace("plan: test\n", "plan: test\nunknown_events: refuse\n")
    assert program(text).unknown_events_refused


def test_a_plan_with_nothing():
    found = program("plan: empty\nactions: {}\n")
    assert found.event_names == ("session.start", "session.end")
    assert (found.features, found.triggers, found.codes) == ((), (), ())


@pytest.mark.parametrize("clock", ["wall", "event"])
def test_clock(clock):
    assert program(f"plan: x\ntime: {{clock: {clock}}}\n").clock == clock


def test_no_match_is_none():
    assert program(f"{EVENTS}triggers: {{t: {{event: view}}}}\n").triggers[0].match == NONE
