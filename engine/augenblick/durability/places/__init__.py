"""Places outside a shard's directory, for savepoints: one file per scheme of their URLs.

The file's name is the scheme; it holds a subclass of `Place` under `PLACE`. Other distributions add
through the entry-point group `augenblick.places`. A text without a scheme is a path.
"""

from augenblick.durability.places._place import Place
from augenblick.errors import PluginError, UsageError
from augenblick.registry import Registry

PLACES: Registry[Place] = Registry(
    kind="place",
    package="augenblick.durability.places",
    constant="PLACE",
    base=Place,  # type: ignore[type-abstract]  # modules hold concrete subclasses
    group="augenblick.places",
)

__all__ = ["PLACES", "Place", "is_below", "parse_place"]


def parse_place(text: str) -> Place:
    """The place that a URL or an absolute path names; raises UsageError."""
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "file", text
    try:
        # the registry says an instance; what it holds here are subclasses
        kind: type[Place] = PLACES.get(scheme)  # type: ignore[assignment]
    except PluginError as error:
        raise UsageError(f"{text}: {error}") from None
    return kind(rest)


def is_below(place: Place, other: Place) -> bool:
    """Is it the other place, or a folder somewhere in that?"""
    return f"{place.url}/".startswith(f"{other.url}/")
