"""Plans as text for the tests of the plan package, and what is wrong with them."""

from pathlib import Path

from augenblick.errors import PlanError
from augenblick.plan import compile_plan, load_plan
from augenblick.plan.program import Feature, MetricTrigger, Program, Trigger

SHOP = Path(__file__).parent / "shop.yaml"
BANK_AND_SHOP = Path(__file__).parent / "bank_and_shop.yaml"

EVENTS = """\
plan: test
events:
  view: {category: str, sku: str, price: float | null, at: time, tags: list, new: bool}
  buy: {sku: str, value: float, count: int}
  clear: {}
"""
"""Five lines: what a test adds begins on line 6."""

FIRST_LINE = 6

STATE = (
    EVENTS
    + """\
features:
  views: {count: view, over: {sliding: 1h}}
  views_2h: {count: view, over: {sliding: 2h}}
  by_category: {count: view, by: category, over: session}
  by_sku: {sum: buy.value, by: sku, over: lifetime}
  spend: {sum: buy.value, over: {sliding: 1d}}
  last_sku: {last: view.sku, over: lifetime}
  last_at: {last: view.at, over: lifetime}
  seen: {list: view.sku, over: session}
  open: {count: buy, over: {since: clear}}
  is_new: {last: view.new, over: lifetime}
  mean: spend / views
segments:
  keen: views >= 3
metrics:
  sales: {sum: buy.value, over: {tumbling: 1h}}
  sales_by_sku: {sum: buy.value, by: sku, over: {tumbling: 1h}}
  views_by_category: {count: view, by: category, over: {tumbling: 1m}}
  traffic: {count: "*", over: {tumbling: 1m}}
  ratio: sales / traffic
"""
)
STATE_LINES = STATE.count("\n")
ACTIONS = "actions: {log: {log: {}}}\n"


def mistakes(text: str) -> list[tuple[int | None, str]]:
    """Line and sentence of every mistake; empty when the plan is right."""
    try:
        load_plan(text, file="p.yaml")
    except PlanError as error:
        return [(problem.line, problem.message) for problem in error.problems]
    return []


def the_mistake(text: str) -> tuple[int | None, str]:
    """The one mistake of a plan."""
    found = mistakes(text)
    assert len(found) == 1, found
    return found[0]


def program(text: str) -> Program:
    """The program of a plan that is right."""
    return compile_plan(load_plan(text, file="p.yaml"))


def trigger(text: str) -> Trigger:
    """The one trigger added to STATE, as ``{...}``."""
    return program(f"{STATE}triggers:\n  t: {text}\n{ACTIONS}").triggers[0]


def metric_trigger(text: str) -> MetricTrigger:
    """The one metric trigger added to STATE."""
    return program(f"{STATE}triggers:\n  t: {text}\n{ACTIONS}").metric_triggers[0]


def trigger_mistake(text: str) -> str:
    """The one mistake of a trigger added to STATE; it is on the trigger's line."""
    line, message = the_mistake(f"{STATE}triggers:\n  t: {text}\n{ACTIONS}")
    assert line == STATE_LINES + 2
    return message


def feature(text: str) -> Feature:
    """The feature ``f`` added to EVENTS, as ``{...}``."""
    return program(f"{EVENTS}features:\n  f: {text}\n").features[0]


def feature_mistake(text: str) -> str:
    """The one mistake of a feature added to EVENTS."""
    line, message = the_mistake(f"{EVENTS}features:\n  f: {text}\n")
    assert line == FIRST_LINE + 1
    return message


def when_mistake(condition: str) -> str:
    """The one mistake of a ``when`` beside an event, without the place in it."""
    text = condition.replace("'", "''")
    message = trigger_mistake(f"{{event: view, when: '{text}'}}")
    return message.split(" (character ")[0]


def where_mistake(condition: str, event: str = "view") -> str:
    """The one mistake of a ``where`` on an event, without the place in it."""
    text = condition.replace("'", "''")
    message = trigger_mistake(f"{{event: {event}, where: '{text}'}}")
    return message.split(" (character ")[0]
