"""When time alone changes a condition: what a segment may read, since it has to know the instant.

Windows and sessions tell their own next instant. ``time_since`` and ``decay`` change all the time:
the first is followed where it stands beside a number, the instant being its event's time + that
number; everything else of this kind is refused, as a segment whose change cannot be computed.
"""

from collections.abc import Iterable
from math import floor

from augenblick.plan.checking import Checking
from augenblick.plan.document import Path
from augenblick.plan.durations import format_duration
from augenblick.plan.program import KEEP_ALWAYS
from augenblick.plan.resolved import Resolved, StoredFeature

RESTLESS = ("time_since", "decay")
_COMPARISONS = frozenset(("eq", "ne", "lt", "le", "gt", "ge"))
_WINDOWS = ("lifetime", "since")

Limits = tuple[tuple[StoredFeature, int], ...]


def time_limits(checking: Checking, condition: Resolved, path: Path) -> Limits | None:
    """The numbers beside each ``time_since``; None with the mistake noted."""
    found: dict[tuple[StoredFeature, int], None] = {}
    if any(node.operation == "days_since" for node in condition.walk()):
        checking.problems.add(
            path,
            "`days_since` changes at each midnight, and a segment has to know when it changes; "
            "take {time_since: EVENT, over: lifetime} and compare it with a duration, or read "
            "it in a `when`",
        )
        return None
    wrong = _collect(condition, found)
    if wrong is None:
        return tuple(found) if _kept_long_enough(checking, found, path) else None
    checking.problems.add(
        path,
        f"{wrong.name!r} changes at every instant, and a segment has to know when it changes; "
        + (
            "compare the feature itself with a duration, as in idle > 7d, over lifetime or since"
            if wrong.aggregate == "time_since"
            else "read it in a `when`, or count over a sliding window"
        ),
    )
    return None


def _kept_long_enough(
    checking: Checking, limits: Iterable[tuple[StoredFeature, int]], path: Path
) -> bool:
    """Whether an idle user is still known when each limit is reached."""
    ttl_ms = checking.plan.time.ttl
    for feature, limit_ms in limits:
        if feature.keep_ms != KEEP_ALWAYS and limit_ms >= max(ttl_ms, feature.keep_ms):
            checking.problems.add(
                path,
                f"after {format_duration(ttl_ms)} (`time: ttl`) an idle user is forgotten, so "
                f"{feature.name!r} never comes to {format_duration(limit_ms)}; raise `ttl`",
            )
            return False
    return True


def _collect(node: Resolved, found: dict[tuple[StoredFeature, int], None]) -> StoredFeature | None:
    """The first feature that cannot be followed."""
    if node.operation in _COMPARISONS:
        for one, other in (node.arguments, reversed(node.arguments)):
            limit = _limit(one, other)
            if limit is not None:
                found[limit] = None
                return None
    if node.operation == "exists" and isinstance(node.arguments[0].target, StoredFeature):
        return None
    target = node.target
    if isinstance(target, StoredFeature) and target.aggregate in RESTLESS:
        return target
    wrong = (_collect(argument, found) for argument in node.arguments)
    return next((one for one in wrong if one is not None), None)


def _limit(one: Resolved, other: Resolved) -> tuple[StoredFeature, int] | None:
    feature, number = one.target, other.target
    if not isinstance(feature, StoredFeature) or feature.aggregate != "time_since":
        return None
    if feature.window not in _WINDOWS or feature.by is not None or other.operation != "const":
        return None
    return (feature, floor(number)) if isinstance(number, int | float) else None
