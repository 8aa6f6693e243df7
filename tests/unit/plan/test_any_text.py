"""Whatever the text, the answer is a plan or sentences with a line."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.plan.plans import SHOP, mistakes

from augenblick.plan import compile_plan, load_plan, write_plan
from augenblick.plan.conditions.parser import parse
from augenblick.plan.conditions.tokens import ConditionError

PIECES = st.sampled_from(
    ["{", "}", "[", "]", ": ", " #", ", ", "'", '"', "null", "3", "-1", "{not: a}", "view", "and",
     "or ", "not ", " in ", "(", ")", "==", "max", "\n", "\n  ", "*", "&a ", "~", "session", "over",
     "true", "1e5", "9d", "é", ".", "triggers", "features", "when", "event", "\t", "- ", "? ", "|"]
)  # fmt: skip
CONDITION_PIECES = st.sampled_from(
    ["a", "b.c", "3", "2.5", "30m", "'x'", "and", "or", "not", "in", "(", ")", "[", "]", ",", "+",
     "-", "*", "/", "<", "<=", "==", "!=", "exists", "max", "true", "=", "%", "'", ".", "is"]
)  # fmt: skip
TEXT = SHOP.read_text(encoding="utf-8")


def condition_error(text):
    try:
        parse(text)
    except ConditionError as error:
        return error
    return None


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, len(TEXT)), st.integers(0, 9), PIECES), max_size=4))
def test_edited_plans(edits):
    text = TEXT
    for at, length, piece in edits:
        text = text[:at] + piece + text[at + length :]
    found = mistakes(text)
    assert all(line and message for line, message in found)
    if not found:
        plan = load_plan(text)
        assert compile_plan(load_plan(write_plan(plan))) == compile_plan(plan)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.lists(CONDITION_PIECES, max_size=30).map(" ".join))
def test_conditions(text):
    error = condition_error(text)
    assert error is None or (error.message and 0 <= error.at <= len(text))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(max_size=60))
def test_any_condition(text):
    error = condition_error(text)
    assert error is None or error.message
