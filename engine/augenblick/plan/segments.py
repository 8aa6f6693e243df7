"""What a segment means, and the order in which segments depend on each other."""

from augenblick.plan.checking import Checking
from augenblick.plan.conditions.scopes import StateScope
from augenblick.plan.document import Path
from augenblick.plan.grouping import groups_read
from augenblick.plan.instants import time_limits
from augenblick.plan.resolved import EventSet, NamedSegment, Resolved, StoredFeature

NO_EVENT = "a user is in a segment between events too; keep it with {last: EVENT.property, ...}"


def resolve_segment(checking: Checking, name: str) -> NamedSegment | None:
    """The segment of that name, resolved once. None: it is wrong, and that has been noted."""
    path: Path = ("segments", name)
    return checking.define(name, path, lambda: _segment(checking, name, path))


def _segment(checking: Checking, name: str, path: Path) -> NamedSegment | None:
    scope = StateScope(checking.names, checking.look_up, no_event=NO_EVENT)
    text = checking.plan.segments[name]
    condition = checking.condition(text, path, scope)
    if condition is None:
        return None
    groups = groups_read(condition)
    if groups:
        by, feature = next(iter(groups.items()))
        checking.problems.add(
            path,
            f"{feature!r} is grouped by {by.text}, and a segment has no groups; reduce it with "
            "max() min() sum() or any()",
        )
        return None
    if not condition.features() and not condition.segments():
        checking.problems.add(path, f"{text!r} reads no feature, so it never changes")
        return None
    limits = time_limits(checking, condition, path)
    return NamedSegment(name, condition, limits) if limits is not None else None


def order_segments(checking: Checking, segments: list[NamedSegment]) -> list[NamedSegment] | None:
    """Segments with those they depend on before them, else in the plan's order.

    A segment depends on those it reads, and on those whose entering or leaving feeds a feature that
    it reads. None with the mistake noted when one depends on itself.
    """
    by_name = {segment.name: segment for segment in segments}
    ordered: dict[NamedSegment, None] = {}
    open_: list[NamedSegment] = []
    ok = True

    def visit(segment: NamedSegment) -> None:
        nonlocal ok
        if segment in ordered:
            return
        if segment in open_:
            circle = [*(one.name for one in open_[open_.index(segment) :]), segment.name]
            checking.problems.add(
                ("segments", segment.name),
                f"segment {segment.name!r} depends on itself: {' -> '.join(circle)}",
            )
            ok = False
            return
        open_.append(segment)
        for name in _needs(checking, segment.condition):
            if name in by_name:
                visit(by_name[name])
        open_.pop()
        ordered[segment] = None

    for segment in segments:
        visit(segment)
    return list(ordered) if ok else None


def _needs(checking: Checking, condition: Resolved) -> list[str]:
    found = [segment.name for segment in condition.segments()]
    for feature in condition.features():
        for event in feature_events(feature):
            name = checking.names.segment_of(event)
            if name is not None:
                found.append(name)
    return list(dict.fromkeys(found))


def feature_events(feature: StoredFeature) -> list[str]:
    """The events by name that feed or reset a feature."""
    sets: list[EventSet | None] = [feature.events, feature.reset]
    return [name for events in sets if events is not None for name in events.names or ()]
