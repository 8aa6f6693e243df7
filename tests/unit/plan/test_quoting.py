"""Conditions that YAML has broken are recognised and explained, with their line."""

import pytest
from tests.unit.plan.plans import STATE, STATE_LINES, mistakes

from augenblick.plan.quoting import is_open

TRIGGERS = f"{STATE}triggers:\n  first: {{event: view}}\n"
LINE = STATE_LINES + 3


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ("t: {event: view, when: max(views, 3) > 4}", "the comma has cut"),
        ("t: {when: min(views, views_2h, 9) > 4, cooldown: 1d}", "the comma has cut"),
        ('t: {event: view, where: category == "a, b"}', "the comma has cut"),
        ("t: {event: view, where: category in ('a', 'b')}", "must be quoted"),
        ("t: {event: view, where: startswith(category, 'cam'), cooldown: 1d}", "must be quoted"),
        ('t: {event: view, where: category in ["a", "b"]}', "must be quoted"),
        ("t: {event: view, where: category in [a]}", "must be quoted"),
        ("t: {event: view, where: category in {a}}", "must be quoted"),
        ('t: {event: view, where: category == "a: b"}', "must be quoted"),
        ('t: {event: view, where: category == "a #b"}', "' #' begins a YAML comment"),
        ("t: {event: view, where: category == 'a #b', cooldown: 1d}", "' #' begins a YAML comment"),
    ],
)
def test_inside_braces(broken, sentence):
    found = mistakes(f"{TRIGGERS}  {broken}\n  last: {{event: buy}}\n")
    assert [line for line, _ in found] == [LINE]
    assert sentence in found[0][1]


def test_the_rest_of_the_plan_is_checked_all_the_same():
    text = f"{TRIGGERS}  t: {{event: view, when: max(views, 3) > 4}}\n  u: {{event: vieww}}\n"
    assert [line for line, _ in mistakes(text)] == [LINE, LINE + 1]


def test_a_list_of_expressions_in_braces():
    found = mistakes(f"{STATE}triggers: {{t: {{when: max(views, 2) > 1}}}}\n")
    assert len(found) == 1
    assert "the comma has cut the condition off after 'max(views'" in found[0][1]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("    where: category == ' #a'", "a condition with ' #' must be quoted"),
        ("    where: category == 'a: b'", "must be quoted as a whole"),
        ("    where: 'a' == category", "must be quoted as a whole"),
    ],
)
def test_without_braces(line, sentence):
    found = mistakes(f"{TRIGGERS}  t:\n    event: view\n{line}\n")
    assert [line for line, _ in found] == [LINE + 2]
    assert sentence in found[0][1]


@pytest.mark.parametrize(
    "right",
    [
        "t: {event: view, when: 'max(views, 3) > 4'}",
        't: {event: view, where: \'category in ["a", "b"]\'}',
        't: {event: view, where: category == "cameras" and price > 3}',
        't:\n    event: view\n    where: category in ["a", "b"]',
        "t:\n    event: view\n    where: >-\n      category in [\"a\",\n      'b: c #d']",
    ],
)
def test_right(right):
    assert mistakes(f"{TRIGGERS}  {right}\n") == []


@pytest.mark.parametrize("text", ["max(a", 'x == "a', "x in [1", "f(g(1)", "'"])
def test_open(text):
    assert is_open(text)


@pytest.mark.parametrize("text", ["", "a", "max(a)", "x == 'a, b'", 'x == "it\'s"', ")", "a]"])
def test_not_open(text):
    assert not is_open(text)
