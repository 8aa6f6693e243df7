"""What every part of the plan's model shares: its strictness and its basic types."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    SerializationInfo,
    StrictStr,
    Tag,
)

from augenblick import limits
from augenblick.plan.durations import format_duration, parse_duration

RESERVED_NAMES = frozenset(
    "and or not in is if else for lambda true false null none True False None "
    "event user time session props context".split()
)
"""Words that mean something else in a condition, so that no feature can have them as its name."""


MILLISECONDS = "milliseconds"
"""As the context of a dump: durations leave as whole milliseconds, not as text."""


class Model(BaseModel):
    """Base of the plan's parts: unknown keys are refused, a part never changes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True
    )

    not_built: ClassVar[Mapping[str, str]] = {}
    """Keys that the design names and this version refuses by name, with the words for them."""


def parse_model_duration(value: Any) -> int:
    """Milliseconds of a text or a timedelta. Raises ValueError with one sentence."""
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, timedelta):
        return value // timedelta(milliseconds=1)
    raise ValueError(f"{value!r} is no duration; write a number and a unit: 250ms 30s 5m 12h 7d")


def _written(value: int, info: SerializationInfo) -> int | str:
    return value if info.context == MILLISECONDS else format_duration(value)


def _positive(value: int) -> int:
    if value <= 0:
        raise ValueError("the duration must be longer than 0")
    return value


def _identifier(value: str) -> str:
    if not value.isidentifier() or len(value) > limits.plan_name_chars_max:
        raise ValueError(
            f"{value!r} is no name; a name has letters, digits and _, and no digit at its beginning"
        )
    if value in RESERVED_NAMES:
        raise ValueError(f"{value!r} means something else in a condition; choose another name")
    return value


def label_problem(name: str) -> str:
    """Why a text cannot be the name of a plan, trigger or action; empty if it can."""
    fits = name.replace("-", "_").isidentifier() and len(name) <= limits.plan_name_chars_max
    if not fits or name.startswith("-"):
        return f"{name!r} is no name; a name has letters, digits, _ and -, and a letter or _ first"
    return ""


def _label(value: str) -> str:
    problem = label_problem(value)
    if problem:
        raise ValueError(problem)
    return value


def event_name_problem(name: str) -> str:
    """Why a text cannot be the name of an event; empty if it can."""
    if not name or not name.isprintable() or name != name.strip():
        return f"{name!r} is no event name"
    if len(name.encode("utf-8", "replace")) > limits.event_name_bytes_max:
        return f"the event name {name[:24]!r}... is longer than {limits.event_name_bytes_max} bytes"
    return ""


def _event_name(value: str) -> str:
    problem = event_name_problem(value)
    if problem:
        raise ValueError(problem)
    return value


Duration = Annotated[
    int,
    BeforeValidator(parse_model_duration),
    PlainSerializer(_written, return_type=int | str),
]
"""Whole milliseconds; written ``30m``, or a timedelta in Python."""

PositiveDuration = Annotated[Duration, AfterValidator(_positive)]
"""A duration longer than 0."""

Identifier = Annotated[StrictStr, AfterValidator(_identifier)]
"""The name of a feature, segment or metric: it can stand in a condition."""

Label = Annotated[StrictStr, AfterValidator(_label)]
"""The name of a plan, trigger or action."""

EventName = Annotated[StrictStr, AfterValidator(_event_name)]
"""The name of an event, any printable text."""

Condition = Annotated[StrictStr, Field(max_length=limits.condition_chars_max)]
"""The text of a condition or expression; parsed when the plan is checked."""

Text = Annotated[StrictStr, Field(max_length=limits.plan_text_chars_max)]
"""Free text of bounded length."""


def _count_tag(value: Any) -> str:
    return "<several>" if isinstance(value, list | tuple) else "<one>"


OneOrMore = Annotated[
    Annotated[StrictStr, Tag("<one>")] | Annotated[list[StrictStr], Tag("<several>")],
    Discriminator(_count_tag),
]
"""A text, or a list of them."""
