"""``choose``: an action that stands for one of others, by the value of a feature."""

from augenblick.plan.checking import Checking
from augenblick.plan.document import Path
from augenblick.plan.grouping import groups_read
from augenblick.plan.model.actions import ChooseAction
from augenblick.plan.model.trigger import Trigger
from augenblick.plan.outlets import action_names
from augenblick.plan.problems import known_names
from augenblick.plan.program import Choice
from augenblick.plan.resolved import Ref, Resolved, Type
from augenblick.plan.values import ResolvedValue

_EXAMPLE = "{choose: channel, push: by_push, else: by_mail}"
_WORDS = {"true", "false"}


def check_choices(checking: Checking, broken: frozenset[str]) -> None:
    """What each one chooses by, and the actions it names."""
    for name, action in checking.plan.actions.items():
        if isinstance(action, ChooseAction):
            _check(checking, name, action, broken)


def _check(checking: Checking, name: str, action: ChooseAction, broken: frozenset[str]) -> None:
    path: Path = ("actions", name)
    problems, known = checking.problems, checking.plan.actions
    if not action.cases:
        problems.add(path, f"`choose` names no value; write {_EXAMPLE}")
    others = {**action.cases, **({"else": action.else_} if action.else_ is not None else {})}
    for value, other in others.items():
        if other in broken:
            continue
        if other not in known:
            real = [one for one in known if one != name]
            problems.add((*path, value), f"unknown action {other!r}; {known_names(other, real)}")
        elif isinstance(known[other], ChooseAction):
            problems.add((*path, value), f"{other!r} chooses itself; name an action that does it")
    feature = _feature(checking, name, action)
    wanted = feature.type if feature is not None else Type.ANY
    for value in action.cases:
        if wanted is Type.BOOL and value not in _WORDS:
            problems.add((*path, value), f"{action.choose!r} is true or false, never {value!r}")
        elif wanted is Type.NUMBER and not _is_number(value):
            problems.add((*path, value), f"{action.choose!r} is a number, never {value!r}")


def _feature(checking: Checking, name: str, action: ChooseAction) -> Resolved | None:
    """The feature it chooses by; None: it is wrong, and that has been noted."""
    features, path = checking.plan.features, ("actions", name, "choose")
    if action.choose in checking.names.broken:
        return None
    if action.choose not in features:
        checking.problems.add(
            path, f"unknown feature {action.choose!r}; {known_names(action.choose, features)}"
        )
        return None
    feature = checking.look_up(action.choose)
    if feature is not None and feature.type in (Type.LIST, Type.TIME):
        checking.problems.add(path, f"{action.choose!r} is {feature.type}; choose by text")
        return None
    return feature


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def resolve_choices(
    checking: Checking, spec: Trigger, group: Ref | None, path: Path
) -> tuple[ResolvedValue, ...] | None:
    """The features that a trigger's actions choose by, for its group; None with what is wrong."""
    found: dict[str, ResolvedValue] = {}
    ok = True
    for name in action_names(spec.then):
        action = checking.plan.actions.get(name)
        if not isinstance(action, ChooseAction) or action.choose not in checking.plan.features:
            continue
        feature = checking.look_up(action.choose)
        if feature is None:
            continue
        other = [by for by in groups_read(feature) if by != group]
        if other:
            checking.problems.add(
                (*path, "then"),
                f"{name!r} chooses by {action.choose!r}, which is grouped by {other[0].text}, and "
                "the firing is not",
            )
            ok = False
        found[action.choose] = ResolvedValue(action.choose, feature, None)
    return tuple(found.values()) if ok else None


def note_no_choice(checking: Checking, names: tuple[str, ...], path: Path, what: str) -> None:
    """``choose`` where no user's feature is at hand."""
    for name in names:
        if isinstance(checking.plan.actions.get(name), ChooseAction):
            checking.problems.add(path, f"{name!r} chooses by a feature of a user, and {what}")


def program_choice(name: str, action: ChooseAction) -> Choice:
    """As the kernel's results are read by."""
    return Choice(name, action.choose, action.cases, action.else_ or "")
