"""Write docs/reference/ from the code: the plan's keys from its model, the bounds from limits.py,
the formats on disk from their modules.

Run by `make docs`; a test fails when the pages and the code differ. Nothing in it depends on the
machine or the time.
"""

import ast
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML

from augenblick import limits
from augenblick.durability.formats import (
    dead_letters,
    frames,
    head,
    manifest,
    names,
    packs,
    savepoint,
    sealing,
)
from augenblick.errors import PlanError
from augenblick.plan import compile_plan, load_plan
from augenblick.plan.aggregates import (
    AGGREGATES,
    DISTINCT_ERROR,
    DISTINCT_EXACT_MAX,
    QUANTILE_ERROR,
)
from augenblick.plan.conditions.functions import FUNCTIONS
from augenblick.plan.durations import format_duration
from augenblick.plan.memory import window_bytes
from augenblick.plan.model.plan import Plan
from augenblick.runtime.local import Simulation, simulate

FOLDER = Path(__file__).parent / "reference"
MARK = "<!-- Written by `make docs` from the code; edit the code. -->\n\n"
FORMATS = (
    ("", "Names", names),
    ("", "The head of each file", head),
    ("`journal/EPOCH-SEQUENCE`. ", "Journal segments", frames),
    ("`checkpoint/EPOCH-SEQUENCE`. ", "Packs", packs),
    ("`checkpoint/manifest`. ", "The manifest", manifest),
    ("In a place for savepoints, `NAME/savepoint.json`. ", "Savepoints", savepoint),
    ("Of the engine's directory, in `dead-letters`. ", "Dead letters", dead_letters),
    ("", "Encryption", sealing),
)
SIMPLE = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "anything"}


def plan_page(root: type[BaseModel]) -> str:
    """One section for each part of the plan that `root` reaches, in the order of reading."""
    parts = [f"# The plan\n\n{MARK}Every key of every part, as the model has them. "]
    parts.append("A key that is not here is refused, with the known ones.\n\n")
    parts.append(VALUES + f"Functions: {functions()}.\n")
    for model in reachable(root):
        parts.append(f"\n## {model.__name__}\n\n{documentation(model)}\n\n")
        if model.model_fields:
            parts.append("| key | value | default | meaning |\n|---|---|---|---|\n")
            parts.extend(row(name, field) for name, field in model.model_fields.items())
    return "".join(parts).rstrip() + "\n"


def functions() -> str:
    """The functions of conditions, each as its example shows it."""
    return ", ".join(f"`{function.example}`" for function in FUNCTIONS.values())


def aggregates_page() -> str:
    """What each aggregate gives on three events, and what it costs with each window."""
    parts = [f"# Aggregates\n\n{MARK}", AGGREGATES_TEXT]
    parts.append("| aggregate | example | value | of nothing |\n|---|---|---|---|\n")
    values, nothing = (aggregate_values(lines) for lines in (EXAMPLE_EVENTS, EXAMPLE_EVENTS[-1:]))
    for name, example in AGGREGATE_EXAMPLES.items():
        parts.append(f"| `{name}` | `{example}` | {values[name]} | {nothing[name]} |\n")
    parts.append(COSTS_TEXT)
    windows = ["over", *(f"`{name}`" for name in AGGREGATE_EXAMPLES)]
    parts.append(f"| {' | '.join(windows)} |\n|{'---|' * len(windows)}\n")
    for window in COST_WINDOWS:
        costs = [cost(name, window) for name in AGGREGATE_EXAMPLES]
        parts.append(f"| `{window}` | {' | '.join(costs)} |\n")
    parts.append("\n")
    parts.extend(f"- {rules.refusal}.\n" for rules in AGGREGATES.values() if rules.refusal)
    return "".join(parts).rstrip() + "\n"


def aggregate_values(lines: tuple[str, ...]) -> dict[str, str]:
    """The value of every example when the last event comes, as JSON; missing is empty."""
    features = {name: f"{{{text}, over: lifetime}}" for name, text in AGGREGATE_EXAMPLES.items()}
    features["rate"] = f"{{{AGGREGATE_EXAMPLES['rate']}, over: {{sliding: 60s}}}}"
    text = "".join(f"  f_{name}: {feature}\n" for name, feature in features.items())
    names = ", ".join(f"f_{name}" for name in features)
    plan = f"plan: docs\nfeatures:\n{text}triggers: {{t: {{event: look, values: [{names}]}}}}\n"
    (record,) = simulate(plan, [line.encode() for line in lines], emit=("firing",))
    found = record["values"]
    return {
        name: "missing" if found[f"f_{name}"] is None else f"`{json.dumps(found[f'f_{name}'])}`"
        for name in features
    }


def policies_page() -> str:
    """What each policy lets leave, on a few events."""
    parts = [f"# Policies\n\n{MARK}", POLICIES_TEXT]
    for title, (text, events) in POLICY_EXAMPLES.items():
        parts.append(f"\n## {title}\n\n```yaml\n{text}```\n\n")
        parts.append("| event | leaves |\n|---|---|\n")
        for event, firings in policy_firings(text, events):
            parts.append(f"| {event} | {', '.join(firings)} |\n")
    return "".join(parts).rstrip() + "\n"


def policy_firings(text: str, events: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """Each event with the firings that leave with it."""
    run = Simulation(compile_plan(load_plan(f"plan: docs\n{text}")), emit=("firing",))
    for event in events:
        user, name, clock = event.split()
        hours, minutes = clock.split(":")
        time_ms = (int(hours) * 60 + int(minutes)) * 60_000
        line = json.dumps({"user": user, "event": name, "time": time_ms})
        yield event, [shown_firing(record) for record in run.feed(line.encode() + b"\n")]


def shown_firing(record: dict[str, Any]) -> str:
    variant = record["variant"]
    return f"`{record['trigger']}`" + (f" ({variant})" if variant else "")


def occasions_page() -> str:
    """Each occasion with a plan, events and the firings that come of them."""
    parts = [f"# Occasions\n\n{MARK}{OCCASIONS_TEXT}"]
    for name, (plan, lines) in OCCASION_EXAMPLES.items():
        parts.append(f"\n## `{name}`\n\n```yaml\nplan: docs\n{plan}```\n\n")
        parts.extend(f"- `{line}`\n" for line in lines)
        parts.append("\n| `time` | `by` | `cause` | `values` |\n|---|---|---|---|\n")
        found = simulate(f"plan: docs\n{plan}", [line.encode() for line in lines], emit=("firing",))
        parts.extend(firing_row(record) for record in found)
    return "".join(parts)


def firing_row(record: dict[str, Any]) -> str:
    """A firing as a row of the table."""
    cause = record["cause"]
    shown = (record["by"], None if cause is None else cause["event"], record["values"])
    cells = [str(record["time"]), *(f"`{json.dumps(one)}`" for one in shown)]
    return f"| {' | '.join(cells)} |\n"


def cost(name: str, window: str) -> str:
    """Typical and largest bytes of one group; a dash where `check` refuses the two together."""
    text = f"plan: docs\nfeatures: {{f: {{{AGGREGATE_EXAMPLES[name]}, over: {window}}}}}\n"
    try:
        (feature,) = compile_plan(load_plan(text)).features
    except PlanError:
        return "–"
    typical, bytes_max = window_bytes(feature)
    return f"{typical:,}" if typical == bytes_max else f"{typical:,} to {bytes_max:,}"


def examples_page() -> str:
    """Whole plans with events, and what fires, worked out now."""
    parts = [f"# Examples\n\n{MARK}", EXAMPLES_TEXT]
    for example in YAML(typ="safe").load((FOLDER.parent / "examples.yaml").read_text("utf-8")):
        parts.append(f"\n## {example['title']}\n\n")
        if "text" in example:
            parts.append(example["text"] + "\n\n")
        parts.append(f"```yaml\n{example['plan']}```\n\n")
        lines = [example_event(*event) for event in example["events"]]
        records = simulate(f"plan: docs\n{example['plan']}", [line.encode() for line in lines])
        parts.append("```json\n" + "".join(f"{line}\n" for line in lines) + "```\n\n")
        fired = [example_firing(record) for record in records if record["kind"] == "firing"]
        parts.append("".join(f"- {line}\n" for line in fired))
    return "".join(parts).rstrip() + "\n"


def example_event(time: int, user: str, event: str, props: Any = None) -> str:
    whole = {"time": time, "user": user, "event": event, **({"props": props} if props else {})}
    return json.dumps(whole)


def example_firing(record: dict[str, Any]) -> str:
    rest = [f"`{key}` {json.dumps(record[key])}" for key in ("by", "values") if record[key]]
    shown = "".join(f", {one}" for one in rest)
    return f"`{record['trigger']}` fires for `{record['user']}` at {record['time']}{shown}"


def documentation(model: type[BaseModel]) -> str:
    return "\n".join(line.strip() for line in (model.__doc__ or "").strip().splitlines())


def row(name: str, field: FieldInfo) -> str:
    cells = [
        f"`{field.alias or name}`",
        "condition" if name in CONDITIONS else describe(annotation_of(field)),
        default(field),
        field.description or "",
    ]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def annotation_of(field: FieldInfo) -> Any:
    """The whole annotation: pydantic keeps the outermost metadata, and a tag, beside the type."""
    metadata = [*field.metadata]
    if field.discriminator is not None:
        metadata.append(field.discriminator)
    return Annotated[(field.annotation, *metadata)] if metadata else field.annotation


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int) and named(tuple(field.metadata)) == "duration":
        return f"`{format_duration(value)}`"
    return f"`{value}`" if isinstance(value, str | int | float) else ""


def describe(annotation: Any) -> str:
    """The words for a type: what a person writes there."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return named(arguments[1:]) or describe(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        kinds = dict.fromkeys(describe(kind) for kind in arguments if kind is not type(None))
        return " or ".join(kinds)
    if origin in (list, tuple, set, frozenset):
        return f"list of {describe(arguments[0])}"
    if origin is dict:
        return f"map of {describe(arguments[0])} to {describe(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return SIMPLE.get(annotation) or getattr(annotation, "__name__", str(annotation))


def named(metadata: tuple[Any, ...]) -> str:
    """A type that a function of the model checks or tags is called after that function."""
    for item in metadata:
        function = getattr(item, "func", None) or getattr(item, "discriminator", None)
        name = getattr(function, "__name__", "").strip("_").replace("_", " ")
        if name in NAMED:
            return NAMED[name]
    return ""


NAMED = {
    "duration": "duration",
    "positive": "duration",
    "off or duration": "duration or `off`",
    "time of day": "time since midnight",
    "share": "percentage",
    "identifier": "name",
    "label": "name",
    "event name": "event name",
    "property type": "property type",
    "events tag": "events",
    "step tag": "events or [Absence](#absence)",
    "actor": "`module:Class`",
}
CONDITIONS = frozenset({"where", "when", "at"})  # keys whose text is a condition
EXAMPLE_EVENTS = (
    '{"user": "ann", "event": "view", "time": 10000, "props": {"sku": "a", "price": 4}}',
    '{"user": "ann", "event": "view", "time": 20000, "props": {"sku": "b", "price": 1.5}}',
    '{"user": "ann", "event": "view", "time": 30000, "props": {"sku": "a", "price": 7}}',
    '{"user": "ann", "event": "look", "time": 40000}',
)
AGGREGATE_EXAMPLES = {
    "count": "count: view",
    "sum": "sum: view.price",
    "min": "min: view.price",
    "max": "max: view.price",
    "avg": "avg: view.price",
    "first": "first: view.sku",
    "last": "last: view.sku",
    "list": "list: view.sku, max: 20",
    "distinct": "distinct: view.sku",
    "quantile": "quantile: view.price, q: 0.5",
    "top": "top: view.sku, max: 3",
    "decay": "decay: view, half_life: 10s",
    "rate": "rate: view",
    "time_since": "time_since: view",
}
DAY_1, DAY_2 = 1_767_265_200_000, 1_775_044_800_000  # 1 January 2026 11:00, 1 April 12:00 (UTC)
OCCASION_EXAMPLES = {
    "when": (
        "features: {views: {count: view, over: session}}\ntriggers: {t: {when: views >= 2}}\n",
        EXAMPLE_EVENTS[:3],
    ),
    "event": (
        "features: {views: {count: view, over: session}}\n"
        "triggers: {t: {event: view, where: price > 2, values: [views]}}\n",
        EXAMPLE_EVENTS[:3],
    ),
    "sequence": (
        "triggers: {t: {sequence: [view, {not: buy}], within: 1m}}\n",
        EXAMPLE_EVENTS[:2],
    ),
    "at": (
        "events: {loan: {loan: str, ends: time}}\n"
        "features: {ends: {last: loan.ends, by: loan, over: lifetime}}\n"
        "triggers: {t: {at: ends - 1d, values: [ends]}}\n",
        (
            '{"user": "ann", "event": "loan", "time": 0, "props": '
            '{"loan": "x", "ends": 100000000}}',
            '{"user": "ann", "event": "loan", "time": 5, "props": {"loan": "y", "ends": 90000000}}',
            '{"user": "ann", "event": "loan", "time": 9, "props": '
            '{"loan": "y", "ends": 100000005}}',
        ),
    ),
    "every": (
        "zone: Europe/Berlin\n"
        "features:\n"
        "  due: {last: rule.amount, by: payer, over: lifetime}\n"
        "  paid: {sum: booking.amount, by: payer, over: {calendar: month}}\n"
        "triggers: {t: {every: month + 30d, when: paid < due}}\n",
        (
            f'{{"user": "ann", "event": "rule", "time": {DAY_1}, "props": '
            '{"payer": "bob", "amount": 500}}',
            f'{{"user": "ann", "event": "booking", "time": {DAY_1 + 5}, "props": '
            '{"payer": "bob", "amount": 500}}',
            f'{{"user": "ann", "event": "login", "time": {DAY_2}}}',
        ),
    ),
}
OCCASIONS_TEXT = """\
What `augenblick simulate` prints for a few events. `actor` is in the guide to custom triggers.
"""
COST_WINDOWS = (
    "session", "lifetime", "{since: buy}", "{tumbling: 1h}", "{hopping: 1h, every: 5m}",
    "{calendar: day}", "{sliding: 1h}",
)  # fmt: skip
AGGREGATES_TEXT = f"""\
What each gives `over: lifetime` (`rate` over the last 60 s), read 40 s after the epoch, after
`{EXAMPLE_EVENTS[0]}` and the same with sku b, price 1.5 at 20 s and sku a, price 7 at 30 s.

`distinct` is exact up to {DISTINCT_EXACT_MAX} values, then HyperLogLog with a standard error of
{DISTINCT_ERROR:.2%}. `quantile` (DDSketch) is within {QUANTILE_ERROR:.0%} of the number of rank
floor(q * (n - 1)). `top` (space-saving) keeps four counters for each value asked for; it is exact
while no more values came, then a count is too high by events / counters at most. `decay` weighs
events (1 each) or numbers with 0.5 to the power of age / half-life, `rate` divides by the seconds
of the window, `time_since` is in milliseconds. Sums are compensated (Neumaier). All of them merge:
the order in which parts are joined changes nothing beyond these errors.

"""
COSTS_TEXT = """
Bytes of one user and group, typically and at most (4 values; 256 kept events in a sliding window; a
kept text may be longer). A dash: `check` refuses the two together. Beyond `sliding_max` kept events
a sliding `list`, `first`, `last`, `distinct`, `quantile` or `top` forgets the oldest, every other
aggregate folds older ones into panes; either way the firing says `approximate`.

"""
POLICIES_TEXT = """\
What leaves with each event of these examples, as `augenblick simulate` prints it. The names of the
keys are in [the plan](plan.md#trigger). What a policy holds back is counted by trigger and reason
(`status`, `simulate --summary`) and never made up for; it uses up nothing.
"""
LOG = "actions: {a: {log: {}}}\n"
POLICY_EXAMPLES = {
    "cooldown": (
        "triggers: {hint: {event: view, cooldown: 1h}}\n",
        ("ann view 8:00", "ann view 8:59", "ann view 9:00"),
    ),
    "cap": (
        "triggers: {hint: {event: view, cap: {n: 2, per: 3h}}}\n",
        ("ann view 8:00", "ann view 9:00", "ann view 10:59", "ann view 11:00", "ann view 12:00"),
    ),
    "contact_cap": (
        "policies: {contact_cap: {n: 1, per: 3h}}\n"
        "triggers:\n"
        "  hint:  {event: view, then: a}\n"
        "  offer: {event: cart, then: a}\n"
        "  seen:  {event: view}            # does nothing, so it is no contact\n" + LOG,
        ("ann view 8:00", "ann cart 9:00", "ann cart 11:00", "ann view 12:00"),
    ),
    "slot and priority": (
        "triggers:\n"
        "  hint:  {event: [view, cart], slot: banner}\n"
        "  offer: {event: cart, slot: banner, priority: 2}\n",
        ("ann view 8:00", "ann cart 9:00"),
    ),
    "control and variants": (
        "triggers:\n"
        "  offer: {event: view, control: 25%, variants: {plain: 50%, loud: 50%}, then: a}\n" + LOG,
        ("ann view 8:00", "bob view 8:00", "cid view 8:00", "dan view 8:00", "eve view 8:00",
         "ann view 9:00"),
    ),
    "quiet_hours and expires": (
        "zone: Europe/Berlin          # an hour more than UTC, which the events below are in\n"
        "triggers:\n"
        "  hint:  {event: view, quiet_hours: {from: 22h, to: 8h}, expires: 9h}\n"
        "  offer: {event: view, quiet_hours: {from: 22h, to: 8h, then: drop}}\n",
        ("ann view 20:59", "bob view 21:30", "cid view 23:00", "dan view 31:00", "eve view 31:01"),
    ),
}  # fmt: skip
EXAMPLES_TEXT = """\
Each example stands for itself: a plan (but for its name), events in order of arrival, and what
fires. `augenblick simulate` does the same with a plan and events of your own.
"""

VALUES = """\
A **duration** is a whole number and a unit: `250ms 30s 5m 12h 7d`. A **percentage** is `10%` or
`0.25%`. A **name** has letters, digits
and `_`. **Events** are a name, a list of names (any of them), `"*"`, or
`{event: NAME, where: CONDITION}`. A **property type** is `str int float bool time list`, with
` | null` if it may be null or absent.

A **condition** is a subset of Python's expressions: `and or not == != < <= > >= in + - * /`, names,
numbers, texts, durations and a few functions. In `where` and `by` a bare name is a property of the
event; everywhere else it is a feature, segment or metric, and `EVENT.x` a property of the event at
hand. A comparison with something missing is false, `!=` too; `exists(x)` asks.

With one value `max min sum any` reduce the groups of the features in it: `max(views) >= 3`,
`any(balance < below)`. Features with the same `by` are read together, for every group that one of
them holds; what is no number is left out (for `any`: what is not true). Of no groups `max` and
`min` are missing, `sum` is 0, `any` is false. With more values `max` and `min` compare them.
`hour(x)` (0 to 23), `weekday(x)` (Monday 1 to Sunday 7) and `days_since(x)` (midnights between x
and the instant at which the condition is read, below 0 when x is to come) look at the clocks of the
plan's `zone`.
`distance_km(lat, lon, lat2, lon2)` is the great circle between two places in degrees.
"""


def reachable(root: type[BaseModel]) -> list[type[BaseModel]]:
    """The models below `root`, it first, breadth first, each once."""
    found = [root]
    for model in found:
        for field in model.model_fields.values():
            for child in models_in(field.annotation):
                if child not in found:
                    found.append(child)
    return found


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def limits_page(source: str) -> str:
    """The bounds, by group, each with the reason that stands beside it."""
    parts = [f"# Bounds\n\n{MARK}What is larger is refused, and counted by reason.\n"]
    lines = source.splitlines()
    for number, node in enumerate_nodes(source):
        heading = group_above(lines, number)
        if heading:
            parts.append(f"\n## {heading}\n\n| bound | value | reason |\n|---|---|---|\n")
        value = getattr(limits, node)
        parts.append(f"| `{node}` | {value:,} | {reason(lines, number)} |\n")
    return "".join(parts)


def enumerate_nodes(source: str) -> Iterator[tuple[int, str]]:
    """(index of the line, name) of each bound."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.lineno - 1, node.target.id


def group_above(lines: list[str], index: int) -> str:
    above = lines[index - 1]
    return above.removeprefix("# ") if above.startswith("# ") else ""


def reason(lines: list[str], index: int) -> str:
    """The comment on the lines of the bound."""
    for line in lines[index : index + 3]:
        if "  # " in line:
            return line.split("  # ", 1)[1].replace("|", "\\|")
    return ""


def formats_page() -> str:
    """What lies in a data directory, as the modules of the formats describe it."""
    parts = [f"# Files of a shard\n\n{MARK}"]
    parts.append("What a shard's directory holds, besides `cluster.json` and `shard.json`.\n")
    for folder, title, module in FORMATS:
        first, _, rest = (module.__doc__ or "").strip().partition("\n")
        parts.append(f"\n## {title}\n\n{folder}{first.removesuffix(' Pure.')}\n{rest}\n")
    return "".join(parts)


def pages() -> dict[str, str]:
    """File name to text of every generated page."""
    return {
        "aggregates.md": aggregates_page(),
        "examples.md": examples_page(),
        "occasions.md": occasions_page(),
        "plan.md": plan_page(Plan),
        "formats.md": formats_page(),
        "policies.md": policies_page(),
        "limits.md": limits_page(Path(limits.__file__).read_text(encoding="utf-8")),
    }


def main() -> int:
    """Write the pages that changed and say which."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        path = FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(FOLDER.parent.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
