"""Loading: from a file or a text, every mistake of it together."""

from pathlib import Path

import pytest
from tests.unit.plan.plans import EVENTS, SHOP, mistakes

from augenblick import limits
from augenblick.errors import PlanError, PlanErrors
from augenblick.plan import load_plan


def test_from_a_path_or_a_text():
    text = SHOP.read_text(encoding="utf-8")
    assert load_plan(SHOP) == load_plan(str(SHOP)) == load_plan(text)


def test_a_wrong_file_is_named(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_text("plan: x\nfeaturs: {}\n", encoding="utf-8")
    with pytest.raises(PlanErrors, match=r"shop.yaml:2: unknown key 'featurs'"):
        load_plan(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot read the plan: No such file or directory"),
        (b"plan: \xff\n", "this is no UTF-8 text"),
        (b"#" * (limits.plan_bytes_max + 1), "the plan is larger than"),
        (b"", "a plan is a map that begins with `plan: NAME`"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, content, sentence):
    path = tmp_path / "p.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PlanError, match=sentence):
        load_plan(path)


def test_a_folder_is_no_plan(tmp_path):
    with pytest.raises(PlanError, match="cannot read the plan"):
        load_plan(Path(tmp_path))


def test_everything_wrong_is_reported_together_in_the_order_of_the_file():
    text = (
        "plan: two words\n"
        "sessions: {gap: 30}\n"
        "events: {view: {sku: text}}\n"
        "features:\n"
        "  a: {count: viewed, over: session}\n"
        "  b: {cuont: view, over: session}\n"
        "  c: a + b + 1\n"
        "  d: {count: view, over: session}\n"
        "segments:\n"
        "  s: d = 3\n"
        "triggers:\n"
        "  t: {when: c > 3, then: nobody}\n"
        "  u: {when: d > 3, cooldown: never}\n"
        "  v: {event: s.enters, when: max(d, 2) > 3}\n"
        "actions:\n"
        "  n: {webhook: nowhere}\n"
        "emit: {session: m}\n"
    )
    found = mistakes(text)
    assert [line for line, _ in found] == [1, 2, 3, 5, 6, 10, 12, 13, 14, 16, 17]


def test_what_is_broken_is_known_and_silent():
    """A trigger that reads a broken feature, segment or action is not told a second time."""
    text = (
        f"{EVENTS}features:\n  a: {{cuont: view, over: session}}\n"
        "segments:\n  s: 3\n"
        "metrics:\n  m: {cuont: view}\n"
        "triggers:\n"
        "  t: {when: a > 3, values: [a], then: x}\n"
        "  u: {event: s.enters, when: s, values: [s]}\n"
        "  v: {when: m > 3}\n"
        "actions:\n  x: {webhook: 3}\n"
        "emit: {session: x, metric: {m: x}, window: {a: x}}\n"
    )
    assert [line for line, _ in mistakes(text)] == [7, 9, 11, 17]


def test_a_broken_section_stops_there():
    text = f"{EVENTS}features: [a]\ntriggers: {{t: {{when: a > 3}}}}\n"
    assert [line for line, _ in mistakes(text)] == [6]


def test_many_mistakes_are_cut():
    lines = "".join(f"  t{number}: {{event: nothing{number}}}\n" for number in range(150))
    found = mistakes(f"{EVENTS}triggers:\n{lines}")
    assert len(found) == limits.plan_problems_max + 1
    assert found[-1] == (None, "and 50 more")


def test_the_same_sentence_for_a_line_is_said_once():
    text = f"{EVENTS}triggers:\n  t: {{event: view, then: [x, x], when: views > 1 and views > 2}}\n"
    assert len(mistakes(text)) == 2


@pytest.mark.parametrize("cut", range(0, 1800, 37))
def test_a_plan_that_was_cut_anywhere_is_read_or_refused(cut):
    """Whatever the text, the answer is a plan or sentences."""
    text = SHOP.read_text(encoding="utf-8")[:cut] + "\n"
    for line, message in mistakes(text):
        assert message
        assert line is None or 1 <= line <= text.count("\n") + 1
