"""Events in a plan: the tracking plan's schemas, and wherever an event may stand in a rule."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StrictStr, Tag

from augenblick.plan.model.base import Condition, EventName, Model, OneOrMore

PROPERTY_TYPES = ("str", "int", "float", "bool", "time", "list")


def _property_type(text: str) -> str:
    parts = [part.strip() for part in text.split("|")]
    names = [part for part in parts if part != "null"]
    if len(names) != 1 or len(parts) > 2 or len(set(parts)) != len(parts):
        raise ValueError(
            f"{text!r} is no property type; write one of {' '.join(PROPERTY_TYPES)}, "
            "with `| null` if it may be null or absent"
        )
    if names[0] not in PROPERTY_TYPES:
        raise ValueError(
            f"{names[0]!r} is no property type; known: {', '.join(PROPERTY_TYPES)}, "
            "each with `| null` if it may be null or absent"
        )
    return f"{names[0]} | null" if len(parts) == 2 else names[0]


def _empty_for_none(value: Any) -> Any:
    return {} if value is None else value


PropertyType = Annotated[StrictStr, AfterValidator(_property_type)]
"""``str int float bool time list``, with ``| null`` if it may be null or absent."""

EventSchema = Annotated[dict[EventName, PropertyType], BeforeValidator(_empty_for_none)]
"""The declared properties of one event; undeclared ones pass untyped."""


class EventWhere(Model):
    """An event with a condition on its properties: ``{event: NAME, where: COND}``."""

    event: OneOrMore = Field(description="the event's name, or a list of names")
    where: Condition | None = Field(default=None, description="a condition on its properties")


def events_tag(value: Any) -> str:
    """Which form of EVENTS a value has; the tags stand in ``<>`` and are left out of paths."""
    if isinstance(value, str):
        return "<name>"
    return "<list>" if isinstance(value, list | tuple) else "<event>"


EventItem = Annotated[
    Annotated[StrictStr, Tag("<name>")] | Annotated[EventWhere, Tag("<event>")],
    Discriminator(events_tag),
]
EventList = Annotated[list[EventItem], Field(min_length=1)]
Events = Annotated[
    Annotated[StrictStr, Tag("<name>")]
    | Annotated[EventList, Tag("<list>")]
    | Annotated[EventWhere, Tag("<event>")],
    Discriminator(events_tag),
]
"""Where an event may stand: a name, a list (any of them), ``"*"``, or ``{event, where}``."""
