"""Actions: one channel each with its parameters; a plug-in's are checked by its channel."""

from functools import cache
from importlib.metadata import entry_points
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, StrictStr, Tag

from augenblick.plan.model.base import Model, PositiveDuration, Text

CHANNELS = ("webhook", "file", "log")
CHANNEL_GROUP = "augenblick.channels"
CHOOSE = "choose"
NOT_BUILT = {"reply": "the channel `reply`"}


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        hostname = parts.hostname
    except ValueError:
        hostname = None
    if not hostname or parts.scheme not in ("http", "https"):
        raise ValueError(f"{value!r} is no address; a webhook's begins with https:// or http://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a webhook's address holds no user or password; use `secret: env:NAME`")
    return value


def _secret(value: str) -> str:
    scheme, _, rest = value.partition(":")
    if scheme not in ("env", "file") or not rest:
        raise ValueError(
            "a secret never stands in a plan; write env:NAME or file:PATH, and name it in --secrets"
        )
    return value


def _path(value: str) -> str:
    if not value.strip() or "\0" in value:
        raise ValueError("the path of a file action is empty")
    if ".." in value.split("/"):
        raise ValueError("the path of a file action must not contain `..`")
    return value


class WebhookAction(Model):
    """POST the record as JSON: ``{webhook: URL, secret: env:NAME, timeout: 10s}``."""

    not_built: ClassVar = NOT_BUILT

    webhook: Annotated[Text, AfterValidator(_url)] = Field(description="the address")
    secret: Annotated[StrictStr, AfterValidator(_secret)] | None = Field(
        default=None, description="signs each request: env:NAME or file:PATH"
    )
    timeout: PositiveDuration | None = Field(
        default=None, description="how long one attempt may take"
    )


class FileAction(Model):
    """Append the record to a file: ``{file: PATH}``; a relative path lies in DATA/out."""

    not_built: ClassVar = NOT_BUILT

    file: Annotated[Text, AfterValidator(_path)] = Field(description="the path")


class NoParameters(Model):
    """The parameters of ``log``: none."""


class LogAction(Model):
    """Print the record as one line: ``{log: {}}``."""

    not_built: ClassVar = NOT_BUILT

    log: NoParameters = Field(description="nothing to set")


class ChooseAction(Model):
    """One of other actions, by a feature of the user: ``{choose: FEATURE, VALUE: ACTION, ...}``."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, StrictStr] = Field(init=False)

    choose: StrictStr = Field(description="the feature; beside it VALUE: ACTION for its values")
    else_: StrictStr | None = Field(
        default=None, alias="else", description="the action for every other value (none)"
    )

    @property
    def cases(self) -> dict[str, str]:
        """The action of each value, without ``else``."""
        return dict(self.__pydantic_extra__ or {})


class PluginAction(Model):
    """An action of a channel that another installed package adds; the channel checks the keys."""

    model_config = ConfigDict(extra="allow", frozen=True)


@cache
def plugin_channels() -> frozenset[str]:
    """Channels that other installed packages add; none of them is imported."""
    return frozenset(entry.name for entry in entry_points(group=CHANNEL_GROUP))


def known_channels() -> list[str]:
    """Every channel an action may name."""
    return [*CHANNELS, CHOOSE, *sorted(plugin_channels())]


def channel_of(action: "Action") -> str:
    """The channel of a valid action."""
    match action:
        case WebhookAction():
            return "webhook"
        case FileAction():
            return "file"
        case LogAction():
            return "log"
        case ChooseAction():
            return CHOOSE
        case _:
            keys = action.model_extra or {}
            return next(name for name in keys if name in plugin_channels())


def _action_tag(value: Any) -> str | None:
    if isinstance(value, Model):
        names = {WebhookAction: "<webhook>", FileAction: "<file>", LogAction: "<log>",
                 ChooseAction: "<choose>"}  # fmt: skip
        return names.get(type(value), "<plugin>")
    if not isinstance(value, dict):
        return None
    if CHOOSE in value:
        return "<choose>"
    for name in CHANNELS:
        if name in value:
            return f"<{name}>"
    return "<plugin>" if plugin_channels() & value.keys() else None


Action = Annotated[
    Annotated[WebhookAction, Tag("<webhook>")]
    | Annotated[FileAction, Tag("<file>")]
    | Annotated[LogAction, Tag("<log>")]
    | Annotated[ChooseAction, Tag("<choose>")]
    | Annotated[PluginAction, Tag("<plugin>")],
    Discriminator(_action_tag),
]
