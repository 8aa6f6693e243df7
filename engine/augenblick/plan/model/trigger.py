"""A trigger as a plan writes it: one occasion's keys and what all triggers have."""

from typing import ClassVar, Literal

from pydantic import Field, StrictStr

from augenblick.plan.model.base import Label, OneOrMore, Text
from augenblick.plan.model.occasions import (
    ActorKeys,
    AtKeys,
    EventKeys,
    EveryKeys,
    SequenceKeys,
    WhenKeys,
)
from augenblick.plan.model.policies import PolicyKeys

_NOT_BUILT = ("purpose",)


class Trigger(PolicyKeys, ActorKeys, EveryKeys, AtKeys, SequenceKeys, EventKeys, WhenKeys):
    """A rule: when it is looked at, a further condition, and what is to be done."""

    not_built: ClassVar = {
        **{name: f"`{name}`" for name in _NOT_BUILT},
    }

    description: Text | None = Field(default=None, description="for people")
    then: OneOrMore | None = Field(
        default=None, description="one action or a list; none: only recorded"
    )
    values: list[StrictStr] = Field(default=[], description="features sent along")
    mode: Literal["live", "shadow", "off"] = Field(
        default="live", description="shadow: recorded, not done"
    )
    slot: Label | None = Field(
        default=None,
        description="of the triggers with one slot that one event or instant fires, one leaves",
    )
