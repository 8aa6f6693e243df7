"""YAML 1.2 as plans use it: what is read, what is refused, and on which line."""

import pytest
from tests.unit.plan.plans import mistakes

from augenblick import limits
from augenblick.errors import PlanError
from augenblick.plan.problems import Problems
from augenblick.plan.reading import read_document


def data(text):
    problems = Problems()
    document = read_document(text, "p.yaml", problems)
    assert problems.found == []
    return document.data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("on", "on"),
        ("no", "no"),
        ("n", "n"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-12", -12),
        ("0012", 12),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("'12'", "12"),
        ('"true"', "true"),
        ("12:30", "12:30"),
        ("30m", "30m"),
        ("2026-01-01", "2026-01-01"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("|\n  a\n  b", "a\nb\n"),
        ("{b: [1, two]}", {"b": [1, "two"]}),
    ],
)
def test_values(text, value):
    assert data(f"a: {text}\n") == {"a": value}


def test_a_byte_order_mark_is_skipped():
    assert data("\ufeffa: 1\n") == {"a": 1}


def test_keys_are_text():
    assert data("1: a\ntrue: b\n") == {"1": "a", "true": "b"}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("plan: x\na: &x 1\n", 2, "anchors and aliases"),
        ("plan: x\nb: *x\n", 2, "anchors and aliases"),
        ("plan: x\na: {<<: *b}\n", 2, "anchors and aliases"),
        ("plan: x\na: !!str 1\n", 2, "tags (!)"),
        ("plan: x\na: !!python/object:os.system {}\n", 2, "tags (!)"),
        ("plan: x\n---\nplan: y\n", 2, "one YAML document"),
        ("%YAML 1.1\n---\nplan: x\n", 2, "YAML 1.2"),
        ("- a\n- b\n", 1, "a plan is a map"),
        ("just text\n\n", 1, "a plan is a map"),
        ("# nothing\n\n", 1, "a plan is a map"),
        ("plan: x\na: 1\x07\n", 2, "control character"),
        ("plan: x\n\ta: 1\n", 2, "no valid YAML"),
        ("plan: x\na: [1, 2\n", 3, "no valid YAML"),
        ("plan: x\n? {a: 1}\n: 2\n", 2, "a key must be text"),
        ("plan: x\na: 1e999\n", 2, "too large"),
    ],
)
def test_refused(text, line, message):
    with pytest.raises(
        PlanError, match=f".*{message.replace('(', '[(]').replace(')', '[)]')}"
    ) as e:
        read_document(text, "p.yaml", Problems())
    assert (e.value.file, e.value.line or 1) == ("p.yaml", min(line, text.count("\n")))


def test_depth_is_bounded():
    with pytest.raises(PlanError, match="nested deeper"):
        read_document("a: " + "[" * 10_000, None, Problems())


def test_bytes_are_bounded():
    with pytest.raises(PlanError, match="larger than"):
        read_document("#" * (limits.plan_bytes_max + 1), None, Problems())


def test_values_are_bounded(monkeypatch):
    monkeypatch.setattr(limits, "plan_nodes_max", 10)
    with pytest.raises(PlanError, match="more than 10 values"):
        read_document("a: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n", None, Problems())


def test_duplicate_keys_name_both_lines():
    text = "plan: x\nactions:\n  a: {log: {}}\n  b: {log: {}}\n  a: {file: f}\n"
    assert mistakes(text) == [(5, "'a' is there twice (first on line 3)")]


def test_duplicate_keys_in_braces():
    text = "plan: x\nsessions: {gap: 1m, gap: 2m}\n"
    assert mistakes(text)[0] == (2, "'gap' is there twice (first on line 2)")


def test_lines_of_values():
    document = read_document(
        "a:\n  b: 1\n  c:\n    - x\n    - {d: 2,\n       e: 3}\n", None, Problems()
    )
    expected = {(): 1, ("a",): 1, ("a", "b"): 2, ("a", "c"): 3, ("a", "c", 0): 4}
    expected |= {("a", "c", 1): 5, ("a", "c", 1, "d"): 5, ("a", "c", 1, "e"): 6}
    assert {path: document.line(path) for path in expected} == expected
    assert document.line(("a", "zz", "deeper")) == 1
