"""What the design names and this version does not have is refused by its name."""

import pytest
from tests.unit.plan.plans import BANK_AND_SHOP, STATE, STATE_LINES, mistakes

from augenblick.errors import NotBuiltYet, PlanError
from augenblick.plan import load_plan
from augenblick.plan.model.features import AGGREGATES_OF_FEATURES

ENTRIES = [
    ("features: {f: {count: view, by: [a, b], over: session}}", "grouping by several fields"),
    ("features: {f: {last: view.a.b, over: session}}", "'a.b' is a nested property, which"),
    *(
        (f"metrics: {{f: {{{name}: view.sku, over: {{tumbling: 1h}}}}}}", f"`{name}` of a metric")
        for name in ("min", "max", "avg", "first", "last", "list", *AGGREGATES_OF_FEATURES)
    ),
    ("metrics: {f: {count: view, over: {calendar: day}}}", "a metric over a `calendar` window"),
    ("metrics: {f: {count: view, over: {sliding: 1h}}}", "a metric over a `sliding` window"),
    *(
        (f"triggers: {{t: {{event: view, {name}: {value}}}}}", f"`{name}`")
        for name, value in [
            ("purpose", "ads"),
        ]
    ),
    (
        "triggers: {t: {sequence: [view, {not: {event: buy, where: a == view.sku}, for: 1h}]}}",
        "reading an earlier step in a last {not: ...}",
    ),
    ('triggers: {t: {event: view, when: "ago(f, 7d) > 3"}}', "the function `ago`"),
    ("triggers: {t: {event: view, then: reply}}", "the channel `reply`"),
    *(
        (
            f"metrics: {{m: {{count: view, over: {{tumbling: 1h}}}}}}\n"
            f"triggers: {{t: {{when: m > 3, {name}: {value}}}}}",
            f"`{name}` of a trigger over metrics",
        )
        for name, value in [("expires", "10m"), ("quiet_hours", "{from: 22h, to: 8h}")]
    ),
    *(
        (f"triggers: {{t: {{actor: 'm:C', event: view, {name}: {value}}}}}", f"`{name}` of a cust")
        for name, value in [("cap", "{n: 3, per: 7d}"), ("slot", "till"), ("priority", "2")]
    ),
    ("actions: {a: {reply: {}}}", "the channel `reply`"),
]


@pytest.mark.parametrize(("text", "what"), ENTRIES, ids=[what for _, what in ENTRIES])
def test_refused_by_name(text, what):
    plan = f"plan: test\nevents: {{view: {{sku: str}}, buy: {{}}}}\n{text}\n"
    with pytest.raises(PlanError) as found:
        load_plan(plan, file="p.yaml")
    refused = [one for one in found.value.problems if isinstance(one, NotBuiltYet)]
    assert refused
    assert all(one.message.split(" (")[0].endswith("is not built yet") for one in refused)
    assert any(what in one.message for one in refused)
    assert {one.line for one in found.value.problems} == {2 + len(text.splitlines())}


def test_policies_that_are_not_built_leave_the_rest_to_be_checked():
    trigger = "  t:\n    event: view\n    purpose: ads\n    when: vews > 1\n"
    text = f"{STATE}triggers:\n{trigger}"
    assert [line for line, _ in mistakes(text)] == [
        STATE_LINES + 4,
        STATE_LINES + 5,
    ]


BANK = [
    (49, "the aggregate `distinct` of a metric"),
    (50, "the aggregate `distinct` of a metric"),
    (57, "the function `ago`"),
    (59, "`purpose`"),
    (66, "the channel `reply`"),
    (67, "`purpose`"),
]


def test_the_plan_of_a_later_version_is_refused_thing_by_thing():
    with pytest.raises(PlanError) as found:
        load_plan(BANK_AND_SHOP)
    assert all(isinstance(one, NotBuiltYet) for one in found.value.problems)
    shown = [(one.line, one.message.split(" is not built yet")[0]) for one in found.value.problems]
    assert shown == BANK
