"""A plan made in Python is the same model as the YAML; written as YAML it reads back equal."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.plan.plans import SHOP, STATE

from augenblick import (
    Absence,
    Emit,
    EventWhere,
    Feature,
    FileAction,
    LogAction,
    Metric,
    Over,
    Plan,
    PlanError,
    Policies,
    SessionSettings,
    TimeSettings,
    Trigger,
    WebhookAction,
    load_plan,
    write_plan,
)
from augenblick.examples import names, plan_path
from augenblick.plan import compile_plan

PRICE = {"category": "str", "sku": "str", "price": "float"}
EVENTS = {
    "view": {**PRICE, "price": "float | null"},
    "add_to_cart": PRICE,
    "cart_cleared": {},
    "purchase": {"order": "str", "value": "float"},
    "login": {},
}
FEATURES = {
    "cart": Feature(list="add_to_cart.sku", max=20, over=Over(since=["purchase", "cart_cleared"])),
    "category_views": Feature(count="view", by="category", over="session"),
    "spend_24h": Feature(sum="purchase.value", over=Over(sliding="24h")),
    "views_1h": Feature(count="view", over=Over(hopping="1h", every="5m")),
    "logins_30d": Feature(count="login", over=Over(sliding="30d")),
    "logins_60d": {"count": "login", "over": {"sliding": "60d"}},
    "logins_before": "logins_60d - logins_30d",
}
METRICS = {
    "views": Metric(count="view", by="category", over=Over(tumbling="10s")),
    "by_event": Metric(count="*", by="event", over=Over(tumbling="5m")),
    "traffic": Metric(count="*", over=Over(tumbling=timedelta(minutes=1))),
}
TRIGGERS = {
    "third_view": Trigger(when="category_views >= 3", then="banner"),
    "cart_abandoned": Trigger(
        sequence=["add_to_cart", Absence(not_=["purchase", "cart_cleared"])],
        within="30m",
        values=["cart"],
        then="reminder",
    ),
    "quick_cart": Trigger(
        sequence=["view", "add_to_cart"], within="10m", match="sku", then="audit"
    ),
    "cross_sell": Trigger(
        event="add_to_cart",
        where='category == "cameras"',
        when="spend_24h < 1000",
        then="lenses",
    ),
    "churn_warning": Trigger(event="churn_risk.enters", cooldown="60d", then="care"),
    "traffic_died": Trigger(when="traffic == 0", then="on_call"),
}
ACTIONS = {
    "audit": FileAction(file="firings.ndjson"),
    "banner": WebhookAction(webhook="https://example.test/banner", secret="env:BANNER_SECRET"),
    "reminder": WebhookAction(webhook="https://example.test/reminder"),
    "lenses": WebhookAction(webhook="https://example.test/lenses"),
    "care": {"webhook": "https://example.test/care"},
    "on_call": {"webhook": "https://example.test/on-call"},
}


def shop_in_python():
    return Plan(
        plan="shop",
        zone="Europe/Berlin",
        sessions=SessionSettings(gap="30m", max=timedelta(hours=12)),
        time=TimeSettings(lateness="5s", future="5m", idle="1s"),
        events=EVENTS,
        unknown_events="accept",
        features=FEATURES,
        segments={
            "big_spender": "spend_24h >= 500",
            "churn_risk": "logins_before >= 4 and logins_30d <= 0.3 * logins_before",
        },
        metrics=METRICS,
        triggers=TRIGGERS,
        actions=ACTIONS,
        emit=Emit(session="audit"),
    )


def test_the_same_model_and_program():
    made, read = shop_in_python(), load_plan(SHOP)
    assert made == read
    assert compile_plan(made) == compile_plan(read)


ALL_KEYS = (Path(__file__).parent / "all_keys.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [ALL_KEYS, STATE, SHOP.read_text(encoding="utf-8"), "plan: x\nevents: {}\n"]
    + [plan_path(f"example:{name}").read_text(encoding="utf-8") for name in names()],
    ids=lambda text: text.splitlines()[0],
)
def test_written_and_read_again(text):
    plan = load_plan(text)
    again = load_plan(write_plan(plan))
    assert again == plan
    assert compile_plan(again) == compile_plan(plan)
    assert Plan(**plan.model_dump(by_alias=True)) == plan


def test_every_key_of_the_model_is_in_the_round_trip():
    """A key that is added to the model is added to ALL_KEYS too."""
    from augenblick.plan.model.base import Model

    def keys(model):
        own = {field.alias or name for name, field in model.model_fields.items()}
        return own.union(*(keys(child) for child in model.__subclasses__()))

    assert [key for key in sorted(keys(Model)) if f"{key}:" not in ALL_KEYS] == []


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ({"plan": "a b"}, "plan: 'a b' is no name"),
        ({"trigger": {}}, "trigger: unknown key 'trigger' in a plan; did you mean 'triggers'?"),
        ({"sessions": {"gap": 30}}, "sessions.gap: 30 is no duration"),
        ({"sessions": {"gap": timedelta(0)}}, "sessions.gap: the duration must be longer than 0"),
        (
            {"triggers": {"t": {"sequence": ["a", {"not": "b", "fro": "1h"}]}}},
            "triggers.t.sequence[1].fro: unknown key 'fro' in a {not: ...} step; did you mean 'for",
        ),
        (
            {"metrics": {"f": {"top": "a.b", "over": {"tumbling": "1h"}}}},
            "metrics.f.top: the aggregate `top` of a metric is not built yet",
        ),
    ],
)
def test_a_wrong_plan_names_the_path(part, sentence):
    with pytest.raises(PlanError) as found:
        Plan(**{"plan": "x", **part})
    assert str(found.value).startswith(sentence)


def test_what_the_whole_refuses_names_the_path():
    plan = Plan(plan="x", events={"a": {}}, triggers={"t": Trigger(event="b")})
    with pytest.raises(PlanError) as found:
        compile_plan(plan)
    assert str(found.value).startswith("triggers.t.event: unknown event 'b'; known: a,")


def test_several_mistakes_are_several_lines():
    with pytest.raises(PlanError) as found:
        Plan(plan="x", zone=3, triggers={"t": {"evnt": "a"}})
    assert str(found.value).splitlines() == [
        "zone: `zone` must be text, not 3; put it in quotes",
        "triggers.t.evnt: unknown key 'evnt' in a trigger; did you mean 'event'? known: when, "
        "fire, event, where, sequence, within, match, timer, strict, order, partial_max, at, past, "
        "every, actor, params, cooldown, cap, priority, control, expires, quiet_hours, variants, "
        "description, then, values, mode, slot",
    ]


def test_a_plan_does_not_change():
    plan = shop_in_python()
    with pytest.raises(ValueError, match="frozen"):
        plan.plan = "other"


def test_parts_can_be_made_alone():
    assert EventWhere(event="a", where="x > 1").event == "a"
    assert LogAction(log={}).log is not None
    assert Policies().cooldown is None


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}])
def test_params_are_plain_values(value):
    with pytest.raises(ValueError, match="plain values only"):
        Trigger(actor="m:C", event="a", params={"x": value})
