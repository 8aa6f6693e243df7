"""What holds firings back: the keys that triggers and ``policies`` share."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    SerializationInfo,
    StrictInt,
    Tag,
    model_validator,
)

from augenblick import limits
from augenblick.plan.durations import format_duration
from augenblick.plan.model.base import MILLISECONDS, Label, Model, PositiveDuration
from augenblick.plan.model.base import parse_model_duration as parse_duration

DAY_MS = 86_400_000
SHARES = 10_000
"""A share is so many of these: a hundredth of a percent each."""

_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?) ?%", re.ASCII)


def _off_or_duration(value: Any) -> int:
    if value == "off":
        return 0
    duration_ms = parse_duration(value)
    if duration_ms <= 0:
        raise ValueError("the duration must be longer than 0, or `off`")
    return duration_ms


def _written(value: int, info: SerializationInfo) -> int | str:
    if info.context == MILLISECONDS:
        return value
    return format_duration(value) if value else "off"


def _written_time(value: int, info: SerializationInfo) -> int | str:
    return value if info.context == MILLISECONDS else format_duration(value)


def _share(value: Any) -> int:
    found = _PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    share = int(Decimal(found[1]) * 100) if found else SHARES + 1
    if share > SHARES:
        raise ValueError(f"{value!r} is no share; write a percentage: 10% or 0.25%")
    return share


def show_share(share: int) -> str:
    """A share as a plan writes it."""
    return f"{Decimal(share) / 100:f}%"


def _tag(value: Any) -> str:
    return "<off>" if value == "off" else "<on>"


def _variants(value: dict[str, int]) -> dict[str, int]:
    if "control" in value:
        raise ValueError("no variant can be called `control`; who gets nothing is `control: 10%`")
    if not all(value.values()):
        raise ValueError("a variant with 0% is nobody's; leave it out")
    if sum(value.values()) != SHARES:
        raise ValueError(f"the variants are {show_share(sum(value.values()))} together, not 100%")
    return value


OffDuration = Annotated[
    int,
    BeforeValidator(_off_or_duration),
    PlainSerializer(_written, return_type=int | str),
]
"""A duration longer than 0, or ``off``, which is 0."""

Share = Annotated[int, BeforeValidator(_share), PlainSerializer(show_share, return_type=str)]
"""A part of the users in hundredths of a percent; written ``10%``."""

Off = Annotated[Literal["off"], Tag("<off>")]


class Cap(Model):
    """At most so many firings in any stretch of time."""

    n: Annotated[StrictInt, Field(ge=1, le=limits.cap_firings_max)] = Field(
        description="firings that may leave"
    )
    per: PositiveDuration = Field(description="in any stretch of this length")


def _time_of_day(value: Any) -> int:
    duration_ms = parse_duration(value)
    if duration_ms > DAY_MS:
        raise ValueError(f"{value!r} is no time of day; write hours since midnight: 22h or 1320m")
    return duration_ms


TimeOfDay = Annotated[
    int, BeforeValidator(_time_of_day), PlainSerializer(_written_time, return_type=int | str)
]
"""What a clock shows, as the time since midnight."""


class QuietHours(Model):
    """When nothing leaves, by the clocks of the plan's `zone`."""

    from_: TimeOfDay = Field(alias="from", description="the first instant that is quiet")
    to: TimeOfDay = Field(description="the first that is not")
    then: Literal["hold", "drop"] = Field(
        default="hold", description="leave when they are over, or never"
    )

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if (self.to - self.from_) % DAY_MS == 0:
            raise ValueError("`from` and `to` are the same time: all day, or never")
        return self


Variants = Annotated[
    dict[Label, Share],
    Field(min_length=1, max_length=limits.variants_max),
    AfterValidator(_variants),
]


class PolicyKeys(Model):
    """What holds firings back; never a part of what decides when a trigger fires."""

    cooldown: OffDuration | None = Field(
        default=None,
        description="the shortest time between two firings of a user; `off`: none",
    )
    cap: Annotated[Annotated[Cap, Tag("<on>")] | Off, Discriminator(_tag)] | None = Field(
        default=None, description="how often it may fire for a user; `off`: not bounded"
    )
    priority: Annotated[StrictInt, Field(ge=-1000, le=1000)] | None = Field(
        default=None, description="the highest goes first in a slot and at the contact cap (0)"
    )
    control: Share | None = Field(
        default=None, description="share of the users for whom it does nothing, only records"
    )
    expires: OffDuration | None = Field(
        default=None,
        description="how old a firing may be when it leaves, by the engine's clock; `off`: any age",
    )
    quiet_hours: Annotated[Annotated[QuietHours, Tag("<on>")] | Off, Discriminator(_tag)] | None = (
        Field(default=None, description="when it does not leave; `off`: it leaves at any time")
    )
    variants: Annotated[Annotated[Variants, Tag("<on>")] | Off, Discriminator(_tag)] | None = Field(
        default=None, description="names with the shares of the users who get them"
    )
