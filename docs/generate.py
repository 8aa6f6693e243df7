"""Write docs/reference/ from the code: the plan's keys from its model, the bounds from limits.py,
the formats on disk from their modules.

Run by `make docs`; a test fails when the pages and the code differ. Nothing in it depends on the
machine or the time.
"""

import ast
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

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
    sealing,
)
from augenblick.plan.conditions.functions import FUNCTIONS
from augenblick.plan.durations import format_duration
from augenblick.plan.model.plan import Plan

FOLDER = Path(__file__).parent / "reference"
MARK = "<!-- Written by `make docs` from the code; edit the code. -->\n\n"
FORMATS = (
    ("", "Names", names),
    ("", "The head of each file", head),
    ("`journal/EPOCH-SEQUENCE`. ", "Journal segments", frames),
    ("`checkpoint/EPOCH-SEQUENCE`. ", "Packs", packs),
    ("`checkpoint/manifest`. ", "The manifest", manifest),
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
    "identifier": "name",
    "label": "name",
    "event name": "event name",
    "property type": "property type",
    "events tag": "events",
    "step tag": "events or [Absence](#absence)",
    "actor": "`module:Class`",
}
CONDITIONS = frozenset({"where", "when"})  # keys whose text is a condition
VALUES = """\
A **duration** is a whole number and a unit: `250ms 30s 5m 12h 7d`. A **name** has letters, digits
and `_`. **Events** are a name, a list of names (any of them), `"*"`, or
`{event: NAME, where: CONDITION}`. A **property type** is `str int float bool time list`, with
` | null` if it may be null or absent.

A **condition** is a subset of Python's expressions: `and or not == != < <= > >= in + - * /`, names,
numbers, texts, durations and a few functions. In `where` and `by` a bare name is a property of the
event; everywhere else it is a feature, segment or metric, and `EVENT.x` a property of the event at
hand. A comparison with something missing is false, `!=` too; `exists(x)` asks.
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
        "plan.md": plan_page(Plan),
        "formats.md": formats_page(),
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
