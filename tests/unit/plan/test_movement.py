"""A ``when`` that no event can make true is refused; one that some event can is not."""

import pytest
from tests.unit.plan.plans import EVENTS, mistakes

PLAN = (
    EVENTS
    + """\
features:
  count: {count: view, over: {sliding: 30d}}
  longer: {count: view, over: {sliding: 60d}}
  before: longer - count
  some: {count: view, where: new, over: {sliding: 30d}}
  buys: {count: buy, over: {sliding: 30d}}
  any_event: {count: "*", over: session}
  grouped: {count: view, by: category, over: session}
  open: {count: view, over: {since: buy}}
  total: {sum: buy.value, over: {sliding: 30d}}
  highest: {max: buy.value, over: session}
  last: {last: view.sku, over: lifetime}
  items: {list: view.sku, over: session}
  entered: {count: idle.enters, over: lifetime}
segments:
  idle: buys == 0
  keen: count >= 3
"""
)
CAN = [
    "count >= 3",
    "count > 0",
    "count == 1",
    "count == 3",
    "count != 0",
    "not count < 3",
    "not count == 0",
    "count * 2 >= 6",
    "count + buys > 4",
    "-count < -3",
    "10 - count < 5",
    "count / 2 > 1",
    "count >= buys",
    "count - buys > 2",
    "grouped >= 3",
    "count >= 3 and buys == 0",
    "count >= 3 or buys == 0",
    "some == 0 or count > 5",
    "open == 0",
    "open < 3",
    "open >= 2",
    "total < 100",
    "total == 0",
    "highest < 5",
    "exists(last)",
    "not exists(last)",
    "last == 'a'",
    "'a' in items",
    "not 'a' in items",
    "view.price > 3",
    "view.price > 3 and buys == 0",
    "buys == 0 and last == 'a'",
    "keen",
    "keen and buys == 0",
    "not idle",
    "idle and count > 3",
    "abs(count - 5) < 2",
    "max(count, buys) > 3",
    "any_event >= 10",
    "any_event >= 10 and buys == 0",
    "entered >= 2",
    "view.new and count < 3",
    "count < buys",
    "buys >= 1 and count < 3",
]
CANNOT = [
    "count == 0",
    "count < 3",
    "count <= 3",
    "not count >= 3",
    "not (count > 1 or count > 2)",
    "count * 2 < 6",
    "-count > -3",
    "10 - count > 5",
    "count == 0 and longer >= 4",
    "count + buys < 3",
    "count < 3 and buys < 3",
    "count < 3 or buys < 3",
    "some < 3",
    "grouped < 3",
    "idle",
    "idle and idle",
    "not keen",
    "not keen and buys == 0",
    "before > 3",
    "longer - count >= 4 and count <= 0.3 * 4",
    "any_event < 3",
    "any_event == 0",
    "any_event == 0 or count == 0",
]


@pytest.mark.parametrize("condition", CAN)
def test_can(condition):
    assert mistakes(f'{PLAN}triggers:\n  t: {{when: "{condition}"}}\n') == []


@pytest.mark.parametrize("condition", CANNOT)
def test_cannot(condition):
    found = mistakes(f'{PLAN}triggers:\n  t: {{when: "{condition}"}}\n')
    assert [line for line, _ in found] == [PLAN.count("\n") + 2]
    assert found[0][1] == (
        "no event can make this true, only time, and a `when` never fires by time; for that use a "
        "segment (segments: {NAME: COND}, then event: NAME.enters) or an absence "
        "(sequence: [EVENT, {not: EVENT}])"
    )


@pytest.mark.parametrize("condition", CANNOT)
def test_beside_an_occasion_all_are_right(condition):
    assert mistakes(f'{PLAN}triggers:\n  t: {{event: view, when: "{condition}"}}\n') == []


@pytest.mark.parametrize(
    ("condition", "right"),
    [("count < 3", True), ("count == 0", False), ("idle", False), ("not keen", True)],
)
def test_each_needs_no_rise(condition, right):
    """``fire: each`` fires whenever an event finds the condition true."""
    found = mistakes(f'{PLAN}triggers:\n  t: {{when: "{condition}", fire: each}}\n')
    assert (found == []) is right
