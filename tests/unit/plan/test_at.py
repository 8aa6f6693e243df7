"""`at`: what can be its instant."""

import pytest
from tests.unit.plan.plans import (
    ACTIONS,
    EVENTS,
    STATE,
    program,
    the_mistake,
    trigger,
    trigger_mistake,
)

from augenblick.plan import check_plan, load_plan

LOANS = """\
plan: loans
events:
  loan: {loan: str, ends: time, lead: int}
  paid: {loan: str}
features:
  ends: {last: loan.ends, by: loan, over: lifetime}
  lead: {last: loan.lead, over: lifetime}
  opened: {first: loan.time, over: {since: paid}}
  payments: {count: paid, by: loan, over: {sliding: 60d}}
"""


def loans(text):
    return program(f"{LOANS}triggers:\n  t: {text}\n").triggers[0]


def loans_mistake(text):
    return the_mistake(f"{LOANS}triggers:\n  t: {text}\n")[1].split(" (character")[0]


def test_one_timer_for_each_group_of_its_time():
    found = loans("{at: ends - 30d, when: payments == 0}")
    assert (found.kind, found.match_name, found.group) == ("at", "loan", -1)
    assert found.group_features == (0,)
    assert found.time_features == (0,)
    assert len(found.feeds) == 1


def test_what_is_not_grouped_moves_all():
    found = loans("{at: ends - lead}")
    assert found.group_features == (0,)
    assert found.time_features == (0, 1)


def test_a_reset_feeds_it():
    found = loans("{at: opened + 7d}")
    assert found.match == -1
    assert len(found.feeds) == 2


def test_past():
    assert not loans("{at: ends}").past_skipped
    assert loans("{at: ends, past: skip}").past_skipped
    assert loans("{at: ends}").version != loans("{at: ends, past: skip}").version
    assert loans("{at: ends}").version != loans("{at: ends - 1d}").version


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{at: last_sku}", "`at` needs a time, and this is text; a property that holds one is"),
        ("{at: open}", "`at` needs a time, and this is a number"),
        ("{at: last_at * 2}", "`*` does not work on times"),
        ("{at: lst_at}", "unknown feature or segment 'lst_at'"),
        ("{at: view.at}", "'view.at' is a property of an event: `at` follows the user's state"),
        ("{at: last_at, where: x > 1}", "`where` belongs to `event`, and this trigger has `at`"),
        ("{event: view, past: skip}", "`past` belongs to `at`, and this trigger has `event`"),
        ("{at: last_at, every: day}", "a trigger has one occasion, and this one has"),
        ("{at: last_at, past: never}", "`past` must be 'skip', not 'never'"),
        ("{at: last_at, when: by_sku > 1}", "the condition is read for one group by sku, and"),
        ("{at: last_at, when: buy.value > 1}", "'buy' is never the event at hand here"),
    ],
)
def test_wrong(text, sentence):
    assert trigger_mistake(text).startswith(sentence)


def test_its_instant_does_not_change_by_time_alone():
    features = "features:\n  seen: {max: view.at, over: {sliding: 1d}}\n"
    text = f"{EVENTS}{features}triggers:\n  t: {{at: seen}}\n"
    assert the_mistake(text)[1].startswith("'seen' changes by time alone, and the instant of `at`")


def test_the_condition_beside_it_has_its_group():
    assert loans_mistake("{at: opened, when: payments > 1}") == (
        "the condition is read for one group by loan, and the time of `at` is not grouped"
    )


def test_the_event_that_set_it_is_at_hand():
    assert trigger("{at: last_at, when: view.new}").when >= 0


def test_check_shows_it():
    text = f"{LOANS}triggers:\n  t: {{at: ends}}\n"
    report = check_plan(load_plan(text))
    assert "trigger t has one timer for each loan" in report.timers
    assert "ends" not in report.unused_features
    assert next(line for line in report.memory if line.name == "t").typical_bytes > 100
    plain = check_plan(load_plan(f"{STATE}triggers:\n  t: {{at: last_at}}\n{ACTIONS}"))
    assert "trigger t has one timer" in plain.timers
