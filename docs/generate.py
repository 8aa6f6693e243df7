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

import worked
from pydantic import BaseModel
from pydantic.fields import FieldInfo

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
from augenblick.runtime.local import simulate

FOLDER = Path(__file__).parent / "reference"
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
    parts = [f"# The plan\n\n{worked.MARK}Every key of every part, as the model has them. "]
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
    parts = [f"# Aggregates\n\n{worked.MARK}", AGGREGATES_TEXT]
    parts.append("| aggregate | example | value | of nothing |\n|---|---|---|---|\n")
    values, nothing = (
        aggregate_values(lines) for lines in (worked.EXAMPLE_EVENTS, worked.EXAMPLE_EVENTS[-1:])
    )
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


def cost(name: str, window: str) -> str:
    """Typical and largest bytes of one group; a dash where `check` refuses the two together."""
    text = f"plan: docs\nfeatures: {{f: {{{AGGREGATE_EXAMPLES[name]}, over: {window}}}}}\n"
    try:
        (feature,) = compile_plan(load_plan(text)).features
    except PlanError:
        return "–"
    typical, bytes_max = window_bytes(feature)
    return f"{typical:,}" if typical == bytes_max else f"{typical:,} to {bytes_max:,}"


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
COST_WINDOWS = (
    "session", "lifetime", "{since: buy}", "{tumbling: 1h}", "{hopping: 1h, every: 5m}",
    "{calendar: day}", "{sliding: 1h}",
)  # fmt: skip
AGGREGATES_TEXT = f"""\
What each gives `over: lifetime` (`rate` over the last 60 s), read 40 s after the epoch, after
`{worked.EXAMPLE_EVENTS[0]}` and the same with sku b, price 1.5 at 20 s and sku a, price 7 at 30 s.

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
    parts = [f"# Bounds\n\n{worked.MARK}What is larger is refused, and counted by reason.\n"]
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
    parts = [f"# Files of a shard\n\n{worked.MARK}"]
    parts.append("What a shard's directory holds, besides `cluster.json` and `shard.json`.\n")
    for folder, title, module in FORMATS:
        first, _, rest = (module.__doc__ or "").strip().partition("\n")
        parts.append(f"\n## {title}\n\n{folder}{first.removesuffix(' Pure.')}\n{rest}\n")
    return "".join(parts)


def pages() -> dict[str, str]:
    """File name to text of every generated page."""
    return {
        "aggregates.md": aggregates_page(),
        "examples.md": worked.examples_page(),
        "occasions.md": worked.occasions_page(),
        "plan.md": plan_page(Plan),
        "formats.md": formats_page(),
        "policies.md": worked.policies_page(),
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
