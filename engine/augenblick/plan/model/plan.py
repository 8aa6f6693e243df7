"""The whole plan: one YAML file, or the same model made in Python."""

from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr, StrictBool, StrictStr, ValidationError

from augenblick.plan.calendars import zone_names
from augenblick.plan.document import Document
from augenblick.plan.model.actions import Action
from augenblick.plan.model.base import Condition, EventName, Identifier, Label, Model
from augenblick.plan.model.events import EventSchema
from augenblick.plan.model.features import AnyFeature, AnyMetric
from augenblick.plan.model.settings import Emit, Policies, SessionSettings, TimeSettings
from augenblick.plan.model.trigger import Trigger


def _zone(value: str) -> str:
    if value not in zone_names():
        near = get_close_matches(value, zone_names(), 1)
        hint = f"; did you mean {near[0]}?" if near else "; write one like Europe/Berlin or UTC"
        raise ValueError(f"{value!r} is no time zone{hint}")
    return value


class Plan(Model):
    """What to watch and what to do: events, features, segments, metrics, triggers, actions."""

    plan: Label = Field(description="the plan's name")
    zone: Annotated[StrictStr, AfterValidator(_zone)] | None = Field(
        default=None, description="time zone of calendar windows (UTC)"
    )
    sessions: SessionSettings = Field(default=SessionSettings(), description="when a session ends")
    time: TimeSettings = Field(default=TimeSettings(), description="how event time is treated")
    pseudonymise: StrictBool = Field(
        default=False, description="user ids are replaced by keyed hashes before anything is kept"
    )
    events: dict[EventName, EventSchema] | None = Field(
        default=None, description="the tracking plan"
    )
    unknown_events: Literal["accept", "refuse"] = Field(
        default="accept", description="what happens to events that `events` does not declare"
    )
    features: dict[Identifier, AnyFeature] = Field(default={}, description="per user")
    segments: dict[Identifier, Condition] = Field(
        default={}, description="named conditions on a user"
    )
    metrics: dict[Identifier, AnyMetric] = Field(default={}, description="across users")
    triggers: dict[Label, Trigger] = Field(default={}, description="the rules")
    actions: dict[Label, Action] = Field(default={}, description="what can be done")
    policies: Policies = Field(default=Policies(), description="defaults for triggers")
    emit: Emit = Field(default=Emit(), description="what leaves besides firings")

    _document: Document | None = PrivateAttr(None)

    @property
    def document(self) -> Document | None:
        """The text it was read from; None for a plan made in Python."""
        return self._document

    def __init__(self, **data: Any) -> None:
        """Makes a plan of Python values. Raises PlanErrors naming the path of each mistake."""
        try:
            super().__init__(**data)
        except ValidationError as error:
            from augenblick.plan.model.translate import plan_errors

            raise plan_errors(error) from error

    def __eq__(self, other: object) -> bool:
        """Whether two plans say the same; where they were read from does not count."""
        if not isinstance(other, Plan):
            return NotImplemented
        return self.model_dump() == other.model_dump()

    __hash__ = None  # type: ignore[assignment]
