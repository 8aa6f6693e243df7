"""The keys of each occasion of a trigger; ``plan.occasions`` holds what they mean."""

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, StrictBool, StrictInt, StrictStr, Tag

from augenblick import limits
from augenblick.plan.model.base import Condition, Model, PositiveDuration
from augenblick.plan.model.events import EventList, Events, EventWhere, events_tag

Repeats = Annotated[StrictInt, Field(ge=1, le=limits.sequence_events_max)]


class WhenKeys(Model):
    """Fires when an event makes a condition true; beside another occasion a further condition."""

    when: Condition | None = Field(default=None, description="a condition on the user's state")
    fire: Literal["rise", "each", "once"] | None = Field(
        default=None,
        description="at each rise (rise), each event for which it is true, or once per user",
    )


class EventKeys(Model):
    """Fires at each event."""

    event: Events | None = Field(default=None, description="the event")
    where: Condition | None = Field(
        default=None, description="a condition on the event's properties"
    )


class Absence(Model):
    """None of these events: between two steps, or as the last step until the deadline."""

    not_: Events = Field(alias="not", description="events that must not come")
    for_: PositiveDuration | None = Field(
        default=None,
        alias="for",
        description="as the last step: how long after the step before it (`within`)",
    )


class Times(Model):
    """How many events a step takes: at least and at most. Further ones are looked over."""

    min: Repeats = Field(description="the step is enough with so many")
    max: Repeats = Field(description="it takes no more than so many")


NumberOrTimes = Annotated[
    Annotated[Repeats, Tag("<number>")] | Annotated[Times, Tag("<times>")],
    Discriminator(lambda value: "<times>" if isinstance(value, dict | Times) else "<number>"),
]


class SequenceStep(EventWhere):
    """A step of a sequence: an event, with a condition and a number of repeats.

    ``where`` may read an earlier step as ``EARLIER.x``: the nearest one before it that names the
    event, and of its repeats the latest.
    """

    times: NumberOrTimes | None = Field(default=None, description="how many of them (1)")


def _step_tag(value: Any) -> str:
    if isinstance(value, Absence) or (
        isinstance(value, dict) and ("not" in value or "not_" in value)
    ):
        return "<not>"
    tag = events_tag(value)
    return "<step>" if tag == "<event>" else tag


Step = Annotated[
    Annotated[StrictStr, Tag("<name>")]
    | Annotated[EventList, Tag("<list>")]
    | Annotated[SequenceStep, Tag("<step>")]
    | Annotated[Absence, Tag("<not>")],
    Discriminator(_step_tag),
]


class SequenceKeys(Model):
    """Fires at each match of steps that follow each other, or at the deadline of a last ``not``."""

    sequence: Annotated[list[Step], Field(max_length=limits.steps_max)] | None = Field(
        default=None, description="the steps"
    )
    within: PositiveDuration | None = Field(
        default=None, description="the longest from the first to the last positive step"
    )
    match: StrictStr | None = Field(
        default=None, description="a field that has one value in all steps"
    )
    timer: Literal["restart", "each", "keep"] | None = Field(
        default=None, description="what a repeat of the step before a last `not` does (restart)"
    )
    strict: StrictBool = Field(default=False, description="nothing may come between the steps")
    order: Literal["event_time"] | None = Field(
        default=None, description="wait, and follow event time"
    )
    partial_max: Annotated[StrictInt, Field(ge=1, le=limits.partials_max)] | None = Field(
        default=None, description="unfinished matches kept per user and value (64)"
    )


def _actor(value: str) -> str:
    module, colon, name = value.partition(":")
    if not colon or not name.isidentifier() or not all(p.isidentifier() for p in module.split(".")):
        raise ValueError(f"{value!r} is no class; write module:Class")
    return value


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("`params` holds plain values only: text, numbers, lists, maps") from None
    return value


class AtKeys(Model):
    """Fires at an instant that the user's state tells; it moves when that changes."""

    at: Condition | None = Field(
        default=None, description="the instant: a feature that is a time, +/- a duration"
    )
    past: Literal["skip"] | None = Field(
        default=None, description="skip: an instant that has passed never fires (else at once)"
    )


class EveryKeys(Model):
    """Fires for each user, by the calendar of the plan's zone."""

    every: StrictStr | None = Field(
        default=None, description="day, week (from Monday) or month, + durations: month + 30d"
    )


class ActorKeys(Model):
    """Fires what a class of your own returns for its events."""

    actor: Annotated[StrictStr, AfterValidator(_actor)] | None = Field(
        default=None, description="module:Class, a TriggerActor"
    )
    params: Annotated[dict[str, Any], AfterValidator(_plain)] = Field(
        default={}, description="handed to the class"
    )
