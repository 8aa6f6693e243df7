"""Features, metrics and their windows as a plan writes them."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, StrictInt, StrictStr, Tag

from augenblick import limits
from augenblick.plan.model.base import Condition, Model, PositiveDuration
from augenblick.plan.model.events import Events

AGGREGATES_OF_FEATURES = ("distinct", "quantile", "top", "decay", "rate", "time_since")


class Over(Model):
    """The window of a feature or metric, when it is more than a word."""

    sliding: PositiveDuration | None = Field(
        default=None, description="the last D up to the instant"
    )
    tumbling: PositiveDuration | None = Field(
        default=None, description="back to back, aligned to the epoch"
    )
    hopping: PositiveDuration | None = Field(default=None, description="overlapping; needs `every`")
    every: PositiveDuration | None = Field(
        default=None, description="how often a hopping window begins"
    )
    calendar: Literal["day", "week", "month"] | None = Field(
        default=None, description="the day, week (from Monday) or month in the plan's `zone`"
    )
    since: Events | None = Field(default=None, description="all since the last of these events")


def _over_tag(value: Any) -> str:
    return "<word>" if isinstance(value, str) else "<window>"


AnyOver = Annotated[
    Annotated[Literal["session", "lifetime"], Tag("<word>")] | Annotated[Over, Tag("<window>")],
    Discriminator(_over_tag),
]


def _keep_tag(value: Any) -> str:
    return "<always>" if value == "always" else "<duration>"


AnyKeep = Annotated[
    Annotated[Literal["always"], Tag("<always>")] | Annotated[PositiveDuration, Tag("<duration>")],
    Discriminator(_keep_tag),
]


def _max_tag(value: Any) -> str:
    return "<number>" if isinstance(value, int) else "<events>"


EventsOrNumber = Annotated[
    Annotated[StrictInt, Field(ge=1, le=limits.list_items_max), Tag("<number>")]
    | Annotated[Events, Tag("<events>")],
    Discriminator(_max_tag),
]


class _Aggregate(Model):
    """What a feature and a metric share."""

    count: Events | None = Field(default=None, description="how many")
    sum: Events | None = Field(default=None, description="the sum of EVENT.property")
    of: Events | None = Field(
        default=None, description="long form: the event, e.g. {sum: value, of: NAME}"
    )
    where: Condition | None = Field(default=None, description="only events for which this holds")
    by: StrictStr | None = Field(default=None, description="group by this field")
    over: AnyOver | None = Field(default=None, description="the window")


class Feature(_Aggregate):
    """A per-user aggregate over a window: ``{AGGREGATE: EVENT or EVENT.property, over: ...}``."""

    min: Events | None = Field(default=None, description="the smallest EVENT.property")
    max: EventsOrNumber | None = Field(
        default=None,
        description="the largest EVENT.property; beside `list` and `top` the most items",
    )
    avg: Events | None = Field(default=None, description="the mean of EVENT.property")
    first: Events | None = Field(default=None, description="the earliest EVENT.property")
    last: Events | None = Field(default=None, description="the latest EVENT.property")
    list_: Events | None = Field(
        default=None, alias="list", description="the latest EVENT.property values"
    )
    distinct: Events | None = Field(
        default=None, description="how many values of EVENT.property differ"
    )
    quantile: Events | None = Field(
        default=None, description="the quantile `q` of EVENT.property, within 1 %"
    )
    top: Events | None = Field(
        default=None, description="the most frequent values of EVENT.property"
    )
    decay: Events | None = Field(
        default=None,
        description="events (1 each) or EVENT.property, half of it left after each `half_life`",
    )
    rate: Events | None = Field(
        default=None, description="events, or the sum of EVENT.property, per second of the window"
    )
    time_since: Events | None = Field(
        default=None, description="milliseconds since the latest event"
    )
    q: Annotated[float, Field(strict=False, gt=0, lt=1)] | None = Field(
        default=None, description="of `quantile`: 0.5 is the median"
    )
    half_life: PositiveDuration | None = Field(
        default=None, description="of `decay`: after this half of an event's weight is left"
    )
    by_max: StrictInt | None = Field(
        default=None, ge=1, le=limits.by_groups_max, description="groups kept per user (64)"
    )
    sliding_max: StrictInt | None = Field(
        default=None,
        ge=2,
        le=limits.sliding_events_max,
        description="events kept exactly per user (256)",
    )
    keep: AnyKeep | None = Field(
        default=None, description="lifetime only: keeps its user longer than `ttl`"
    )


class Metric(_Aggregate):
    """An aggregate across users over a tumbling window."""

    not_built: ClassVar = {
        name: f"the aggregate `{name}` of a metric"
        for name in ("min", "max", "avg", "first", "last", "list", *AGGREGATES_OF_FEATURES)
    }


def _feature_tag(value: Any) -> str:
    return "<expression>" if isinstance(value, str) else "<feature>"


def _metric_tag(value: Any) -> str:
    return "<expression>" if isinstance(value, str) else "<metric>"


AnyFeature = Annotated[
    Annotated[Condition, Tag("<expression>")] | Annotated[Feature, Tag("<feature>")],
    Discriminator(_feature_tag),
]
AnyMetric = Annotated[
    Annotated[Condition, Tag("<expression>")] | Annotated[Metric, Tag("<metric>")],
    Discriminator(_metric_tag),
]
