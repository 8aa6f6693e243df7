"""The settings of a plan: sessions, time, policies, what else leaves."""

from typing import Literal

from pydantic import Field

from augenblick.plan.model.base import Duration, Identifier, Model, OneOrMore, PositiveDuration
from augenblick.plan.model.events import Events
from augenblick.plan.model.policies import Cap, PolicyKeys

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


class SessionSettings(Model):
    """When a user's session ends."""

    gap: PositiveDuration = Field(default=30 * MINUTE_MS, description="the inactivity that ends it")
    max: PositiveDuration = Field(default=12 * HOUR_MS, description="the longest it may last")
    ends_on: Events | None = Field(default=None, description="events that are the last of theirs")


class TimeSettings(Model):
    """How event time is treated."""

    lateness: Duration = Field(default=5_000, description="how far out of order events may be")
    future: Duration = Field(
        default=5 * MINUTE_MS, description="how far ahead of its arrival a time may be"
    )
    idle: PositiveDuration = Field(
        default=1_000, description="silence after which a source's clock goes on"
    )
    clock: Literal["wall", "event"] | None = Field(
        default=None, description="what moves time; the command's own flag wins"
    )
    dedup: Duration = Field(
        default=10 * MINUTE_MS, description="how long an event's id is remembered"
    )
    ttl: PositiveDuration = Field(default=90 * DAY_MS, description="how long an idle user is kept")


class Policies(PolicyKeys):
    """Defaults for every trigger, and what holds for all triggers of a user together."""

    contact_cap: Cap | None = Field(
        default=None, description="how many firings with an action a user may get of all triggers"
    )


class Emit(Model):
    """Which records leave besides firings, and by which actions."""

    session: OneOrMore | None = Field(default=None, description="each closed session")
    window: dict[Identifier, OneOrMore] = Field(
        default={}, description="each closed window of a feature"
    )
    metric: dict[Identifier, OneOrMore] = Field(
        default={}, description="each closed window of a metric"
    )
