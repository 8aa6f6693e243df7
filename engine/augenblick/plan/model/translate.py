"""Turns pydantic's errors into sentences about the plan: where, what is wrong, what is known."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from augenblick.errors import PlanErrors
from augenblick.plan.document import Path
from augenblick.plan.model.actions import (
    NOT_BUILT,
    ChooseAction,
    FileAction,
    LogAction,
    NoParameters,
    WebhookAction,
    known_channels,
)
from augenblick.plan.model.base import Model
from augenblick.plan.model.events import EventWhere
from augenblick.plan.model.features import Feature, Metric, Over
from augenblick.plan.model.occasions import Absence, SequenceStep, Times
from augenblick.plan.model.plan import Plan
from augenblick.plan.model.policies import Cap, QuietHours
from augenblick.plan.model.settings import Emit, Policies, SessionSettings, TimeSettings
from augenblick.plan.model.trigger import Trigger
from augenblick.plan.problems import Problems, known_names

_TAGS: dict[str, tuple[type[Model], str]] = {
    "<choose>": (ChooseAction, "a choose action"),
    "<event>": (EventWhere, "an event with `where`"),
    "<feature>": (Feature, "a feature"),
    "<file>": (FileAction, "a file action"),
    "<log>": (LogAction, "a log action"),
    "<metric>": (Metric, "a metric"),
    "<not>": (Absence, "a {not: ...} step"),
    "<step>": (SequenceStep, "a step"),
    "<times>": (Times, "`times`"),
    "<webhook>": (WebhookAction, "a webhook action"),
    "<window>": (Over, "a window"),
}
_PLACES: dict[Path, tuple[type[Model], str]] = {
    (): (Plan, "a plan"),
    ("sessions",): (SessionSettings, "`sessions`"),
    ("time",): (TimeSettings, "`time`"),
    ("policies",): (Policies, "`policies`"),
    ("emit",): (Emit, "`emit`"),
}
_POLICIES: dict[str, type[Model]] = {
    "cap": Cap,
    "contact_cap": Cap,
    "quiet_hours": QuietHours,
}
_KINDS = {"string": "text", "int": "a whole number", "bool": "true or false", "list": "a list",
          "dict": "a map {key: value}", "model": "a map {key: value}"}  # fmt: skip


def problems_of(error: ValidationError) -> Iterator[tuple[Path, str, bool]]:
    """Path, sentence and whether it is only not built yet, for each mistake."""
    details = error.errors(include_url=False)
    misspelt = {detail["loc"][:-1] for detail in details if detail["type"] == "extra_forbidden"}
    for detail in details:
        path = plain_path(detail)
        if detail["type"] == "missing" and len(path) > 1 and detail["loc"][:-1] in misspelt:
            continue  # the key is there under a wrong name
        for sentence, not_built in _sentences(detail, path):
            yield path, sentence, not_built


def plan_errors(error: ValidationError) -> PlanErrors:
    """The mistakes of a plan made in Python, each with its path."""
    problems = Problems()
    for path, sentence, not_built in problems_of(error):
        problems.add(path, sentence, not_built=not_built)
    return PlanErrors(problems.found)


def plain_path(detail: ErrorDetails) -> Path:
    """Where a mistake is, without the tags of alternatives."""
    parts = [part for part in detail["loc"] if not _is_tag(part)]
    if parts and parts[-1] == "[key]":
        parts.pop()
    return tuple(parts)


def _is_tag(part: int | str) -> bool:
    return isinstance(part, str) and part.startswith("<") and part.endswith(">")


def _sentences(detail: ErrorDetails, path: Path) -> Iterator[tuple[str, bool]]:
    kind, context = detail["type"], detail.get("ctx", {})
    key = f"`{path[-1]}`" if path and isinstance(path[-1], str) else "this"
    value = detail["input"]
    match kind:
        case "extra_forbidden":
            yield _unknown_key(detail, path)
        case "missing":
            yield f"{key} is missing", False
        case "value_error":
            yield str(context.get("error", detail["msg"])), False
        case "literal_error":
            yield f"{key} must be {context['expected']}, not {_shown(value)}", False
        case "union_tag_not_found":
            yield from _no_channel(value)
        case "too_short":
            yield f"{key} is empty", False
        case "too_long" | "string_too_long":
            yield f"{key} is longer than {context['max_length']}", False
        case "greater_than_equal":
            yield f"{key} must be at least {context['ge']}", False
        case "less_than_equal":
            yield f"{key} must be at most {context['le']}", False
        case "string_type" if key == "`by`" and isinstance(value, list):
            yield "grouping by several fields is not built yet", True
        case _:
            wanted = _KINDS.get(kind.split("_")[0])
            sentence = f"{key} must be {wanted}, not {_shown(value)}" if wanted else detail["msg"]
            quote = wanted == "text" and isinstance(value, bool | int | float)
            yield sentence + ("; put it in quotes" if quote else ""), False


def _unknown_key(detail: ErrorDetails, path: Path) -> tuple[str, bool]:
    model, what = _model_around(detail, path)
    key = str(path[-1])
    if key in model.not_built:
        return f"{model.not_built[key]} is not built yet", True
    known = [field.alias or name for name, field in model.model_fields.items()]
    if not known:
        return f"{what} takes no key {key!r}", False
    return f"unknown key {key!r} in {what}; {known_names(key, known)}", False


def _model_around(detail: ErrorDetails, path: Path) -> tuple[type[Model], str]:
    before = detail["loc"][-2] if len(detail["loc"]) > 1 else ""
    if before in _TAGS:
        return _TAGS[str(before)]
    if len(path) > 1 and path[-2] in _POLICIES:
        return _POLICIES[str(path[-2])], f"`{path[-2]}`"
    if path[:-1] in _PLACES:
        return _PLACES[path[:-1]]
    if path[0] == "triggers":
        return Trigger, "a trigger"
    return NoParameters, f"`{path[-2]}`"


def _no_channel(value: Any) -> Iterator[tuple[str, bool]]:
    """An action without a channel that is known."""
    if not isinstance(value, dict):
        yield (
            f"an action is a map {{CHANNEL: ...}}; known channels: {', '.join(known_channels())}",
            False,
        )
        return
    not_built = [NOT_BUILT[key] for key in value if key in NOT_BUILT]
    if not_built:
        yield from ((f"{what} is not built yet", True) for what in not_built)
        return
    first = str(next(iter(value), ""))
    yield f"the action has no channel; {known_names(first, known_channels())}", False


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
