"""``by:``, and the rule that one condition reads one group."""

from augenblick.plan.checking import Checking
from augenblick.plan.conditions.parser import parse
from augenblick.plan.conditions.syntax import Name
from augenblick.plan.conditions.tokens import ConditionError
from augenblick.plan.document import Path
from augenblick.plan.resolved import EventRef, EventSet, Ref, Resolved, Type


def resolve_by(checking: Checking, by: str | None, events: EventSet, path: Path) -> Ref | None:
    """The field to group by; None if there is none, or with the mistake noted."""
    if by is None:
        return None
    return resolve_field(checking, by, events.names, path)


def resolve_field(
    checking: Checking, text: str, events: tuple[str, ...] | None, path: Path
) -> Ref | None:
    """A single field of an event, as in ``by`` and ``match``; None with the mistake noted."""
    scope = checking.event_scope(events)
    try:
        node = parse(text)
        if not isinstance(node, Name):
            raise ConditionError("this is not one field of the event", node.at)
        ref = scope.ref(node.parts, node.at)
    except ConditionError as error:
        checking.note(error, text, path)
        return None
    if checking.names.type_of(ref, events) is Type.LIST:
        checking.problems.add(path, f"{text!r} is a list, which cannot group or match events")
        return None
    checking.warn_of_unknown_property(EventRef(ref, None), events or (), path)
    return ref


def groups_read(condition: Resolved) -> dict[Ref, str]:
    """The fields by which the features it reads are grouped, each with one of the features.

    What stands inside a reduction is read for every group and does not count.
    """
    found: dict[Ref, str] = {}
    for feature in condition.features_of_group():
        assert feature.by is not None
        found.setdefault(feature.by, feature.name)
    return found


def check_one_group(checking: Checking, condition: Resolved, path: Path) -> bool:
    """Whether all grouped features it reads have the same ``by``; notes the mistake otherwise."""
    groups = list(groups_read(condition).items())
    if len(groups) < 2:
        return True
    (one, first), (other, second) = groups[:2]
    checking.problems.add(
        path,
        f"{first!r} is grouped by {one.text} and {second!r} by {other.text}: a condition is read "
        "for one group of the event; reduce one with max() min() sum() or any()",
    )
    return False
