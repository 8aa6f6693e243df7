"""`choose`: an action that stands for others."""

import pytest
from tests.unit.plan.plans import STATE, mistakes, program

from augenblick.plan import check_plan, load_plan
from augenblick.plan.program import Choice

ACTIONS = """\
actions:
  push: {log: {}}
  mail: {log: {}}
  one: {choose: last_sku, a: push, "2": mail, else: mail}
"""


def mistake(action, trigger="{event: view, then: one}"):
    text = f"{STATE}triggers:\n  t: {trigger}\n{ACTIONS}".rpartition("  one:")[0]
    (found,) = mistakes(f"{text}  one: {action}\n")
    return found[1]


def test_it_is_a_choice_and_no_action():
    found = program(f"{STATE}triggers:\n  t: {{event: view, then: [one, push]}}\n{ACTIONS}")
    assert found.choices == (Choice("one", "last_sku", {"a": "push", "2": "mail"}, "mail"),)
    assert list(found.actions) == ["push", "mail"]
    assert found.triggers[0].actions == ("one", "push")
    assert [value.name for value in found.triggers[0].values] == ["last_sku"]
    assert found.triggers[0].hidden == ("last_sku",)


def test_a_value_that_is_sent_along_stays():
    trigger = "{event: view, then: one, values: [last_sku]}"
    found = program(f"{STATE}triggers:\n  t: {trigger}\n{ACTIONS}").triggers[0]
    assert (len(found.values), found.hidden) == (1, ())


def test_what_is_chosen_is_used():
    report = check_plan(load_plan(f"{STATE}triggers:\n  t: {{event: view, then: one}}\n{ACTIONS}"))
    assert report.unused_actions == ()
    assert "last_sku" not in report.unused_features


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        ("{choose: last_sku}", "`choose` names no value; write {choose: channel, push: by_push"),
        ("{choose: last_skus, a: push}", "unknown feature 'last_skus'; did you mean 'last_sku'?"),
        ("{choose: keen, a: push}", "unknown feature 'keen'"),
        ("{choose: last_sku, a: psh}", "unknown action 'psh'; did you mean 'push'?"),
        ("{choose: last_sku, a: push, else: ml}", "unknown action 'ml'"),
        ("{choose: last_sku, a: one}", "'one' chooses itself; name an action that does it"),
        ("{choose: seen, a: push}", "'seen' is a list; choose by text"),
        ("{choose: is_new, a: push}", "'is_new' is true or false, never 'a'"),
        ("{choose: views, a: push}", "'views' is a number, never 'a'"),
        ("{choose: last_sku, a: 3}", "`a` must be text, not 3; put it in quotes"),
        ("{choose: by_sku, '1': push}", "'one' chooses by 'by_sku', which is grouped by sku, and"),
    ],
)
def test_wrong(action, sentence):
    assert mistake(action).startswith(sentence)


@pytest.mark.parametrize(
    ("trigger", "sentence"),
    [
        ("{when: traffic == 0, then: one}", "'one' chooses by a feature of a user, and this trig"),
        ("{actor: 'm:C', event: view, then: one}", "'one' chooses by a feature of a user, and a"),
    ],
)
def test_no_feature_at_hand(trigger, sentence):
    action = "{choose: last_sku, a: push, else: mail}"
    assert mistake(action, trigger).startswith(sentence)


def test_emit():
    (found,) = mistakes(f"{STATE}{ACTIONS}emit: {{session: one}}\n")
    assert found[1] == "'one' chooses by a feature of a user, and what `emit` sends is no firing"
