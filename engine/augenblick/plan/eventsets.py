"""What stands where an event may stand: which events are meant, and under which condition.

Called for features, metrics, resets and triggers. ``EVENT.property`` is taken apart here too, since
``sum: purchase.value`` names both at once.
"""

from dataclasses import dataclass

from augenblick.plan.checking import Checking
from augenblick.plan.conditions.scopes import Earlier
from augenblick.plan.document import Path
from augenblick.plan.model.base import event_name_problem
from augenblick.plan.model.events import EventWhere
from augenblick.plan.names import NameProblem
from augenblick.plan.problems import known_names
from augenblick.plan.resolved import EventRef, EventSet, Ref, Resolved, Type

AnyEvents = str | list[str | EventWhere] | EventWhere
ANY_EVENT = "*"


@dataclass(frozen=True)
class _Item:
    """One text where an event may stand, with its own condition."""

    text: str
    path: Path
    where: str | None
    where_path: Path


def resolve_events(
    checking: Checking,
    spec: AnyEvents,
    path: Path,
    where: str | None = None,
    *,
    earlier: Earlier | None = None,
) -> EventSet | None:
    """Which events a rule means; ``where`` is a further condition beside it. None: it is wrong."""
    items = _items(spec, path)
    ok = [check_event(checking, item.text, item.path, len(items)) for item in items]
    if not all(ok):
        return None
    return _combine(checking, items, [item.text for item in items], where, path, earlier)


def resolve_valued(
    checking: Checking, spec: AnyEvents, path: Path, where: str | None
) -> tuple[EventSet, Ref] | None:
    """``EVENT.property``, or a list of these with the same property."""
    items = _items(spec, path)
    events: list[str] = []
    refs: dict[Ref, None] = {}
    for item in items:
        split = _split(checking, item)
        if split is None:
            return None
        if not check_event(checking, split[0], item.path, len(items)):
            return None
        events.append(split[0])
        refs[split[1]] = None
    if len(refs) > 1:
        shown = " and ".join(ref.text for ref in refs)
        checking.problems.add(
            path, f"one feature reads one property, and these are {shown}; use two features"
        )
        return None
    found = _combine(checking, items, events, where, path, None)
    ref = next(iter(refs))
    checking.warn_of_unknown_property(EventRef(ref, None), found.names or () if found else (), path)
    return (found, ref) if found is not None else None


def names_property(checking: Checking, spec: AnyEvents) -> bool:
    """Whether texts that may be ``EVENT`` or ``EVENT.property`` are the latter."""
    names = checking.names
    texts = [item.text for item in _items(spec, ())]
    return any(
        "." in text and text not in names.declared and not names.is_derived(text) for text in texts
    )


def check_event(checking: Checking, name: str, path: Path, count: int = 1) -> bool:
    """Whether a text may stand as an event; notes the mistake otherwise."""
    names, problems = checking.names, checking.problems
    if name == ANY_EVENT:
        if count > 1:
            problems.add(path, '"*" means every event and stands alone, not in a list')
        return count == 1
    if names.is_event(name):
        return True
    if name in names.segments:
        problems.add(path, f"{name!r} is a segment; its events are {name}.enters and {name}.leaves")
        return False
    if name == "session":
        problems.add(path, "'session' is no event; its events are session.start and session.end")
        return False
    reason = event_name_problem(name)
    if name == "context" or reason:
        problems.add(path, reason or "'context' is no event")
        return False
    if names.closed:
        problems.add(path, f"unknown event {name!r}; {known_names(name, names.events())}")
        return False
    names.mentioned[name] = None
    return True


def _items(spec: AnyEvents, path: Path) -> list[_Item]:
    if isinstance(spec, str):
        return [_Item(spec, path, None, path)]
    if isinstance(spec, EventWhere):
        texts = [spec.event] if isinstance(spec.event, str) else spec.event
        event_path = (*path, "event")
        return [_Item(text, event_path, spec.where, (*path, "where")) for text in texts]
    return [item for index, entry in enumerate(spec) for item in _items(entry, (*path, index))]


def _split(checking: Checking, item: _Item) -> tuple[str, Ref] | None:
    """Event and property of ``EVENT.property``."""
    names = checking.names
    parts = tuple(item.text.split("."))
    if not all(parts):
        checking.problems.add(item.path, f"{item.text!r} is no EVENT.property")
        return None
    split = (ANY_EVENT, parts[1:]) if parts[0] == ANY_EVENT else names.split_event(parts)
    if split is None and len(parts) > 1:
        split = ".".join(parts[:-1]), parts[-1:]
    if split is None or not split[1]:
        checking.problems.add(
            item.path,
            f"{item.text!r} names no property: write EVENT.property, or the property beside "
            "`of: EVENT`",
        )
        return None
    try:
        return split[0], names.property_of_event(split[1])
    except NameProblem as problem:
        checking.problems.add(item.path, problem.message, not_built=problem.not_built)
        return None


def _combine(
    checking: Checking,
    items: list[_Item],
    events: list[str],
    where: str | None,
    path: Path,
    earlier: Earlier | None,
) -> EventSet | None:
    names = None if ANY_EVENT in events else tuple(dict.fromkeys(events))
    conditions: list[tuple[str, Resolved | None]] = []
    done: dict[tuple[str, Path], Resolved | None] = {}
    for item, event in zip(items, events, strict=True):
        condition = None
        if item.where is not None:
            key = (item.where, item.where_path)
            if key not in done:
                own = [name for other, name in zip(items, events, strict=True)
                       if other.where_path == item.where_path]  # fmt: skip
                scope = checking.event_scope(
                    None if ANY_EVENT in own else tuple(own), earlier=earlier
                )
                done[key] = checking.condition(item.where, item.where_path, scope)
            condition = done[key]
            if condition is None:
                return None
        conditions.append((event, condition))
    merged = _merge(conditions)
    if where is not None:
        scope = checking.event_scope(names, earlier=earlier)
        outer = checking.condition(where, (*path[:-1], "where"), scope)
        if outer is None:
            return None
        merged = outer if merged is None else Resolved("and", Type.BOOL, (merged, outer))
    return EventSet(names, merged)


def _merge(conditions: list[tuple[str, Resolved | None]]) -> Resolved | None:
    """One condition for all of a list: ``event == NAME and its condition``, joined by or."""
    if len({id(condition) for _, condition in conditions}) == 1:
        return conditions[0][1]
    parts = []
    for event, condition in conditions:
        name = Resolved("const", Type.TEXT, target=event)
        own = Resolved("field", Type.TEXT, target=EventRef(Ref("own", "event"), None))
        part = Resolved("eq", Type.BOOL, (own, name))
        if condition is not None:
            part = Resolved("and", Type.BOOL, (part, condition))
        parts.append(part)
    return Resolved("or", Type.BOOL, tuple(parts))
