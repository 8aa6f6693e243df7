"""Action channels, one per file: the only outbound I/O of the engine.

The file's name is the channel's name in a plan; it holds a subclass of `Channel` under `CHANNEL`.
Other distributions add channels through the entry-point group `augenblick.channels`.
"""

from typing import Any

from augenblick.channels._channel import Attempt, Channel, ChannelSettings
from augenblick.registry import Registry

CHANNELS: Registry[Channel] = Registry(
    kind="channel",
    package="augenblick.channels",
    constant="CHANNEL",
    base=Channel,  # type: ignore[type-abstract]  # modules hold concrete subclasses
    group="augenblick.channels",
)

__all__ = ["CHANNELS", "Attempt", "Channel", "ChannelSettings", "make_channel"]


def make_channel(
    name: str, action: str, parameters: dict[str, Any], settings: ChannelSettings
) -> Channel:
    """The channel of one action, checked but not open; raises PluginError or UsageError."""
    found: Any = CHANNELS.get(name)
    channel: Channel = found(action, parameters, settings)
    return channel
