"""The features sent along with a firing: those that ``when`` names, then those of ``values``."""

from dataclasses import dataclass

from augenblick.plan.checking import Checking
from augenblick.plan.conditions.parser import parse
from augenblick.plan.conditions.syntax import names_in
from augenblick.plan.document import Path
from augenblick.plan.grouping import groups_read
from augenblick.plan.metrics import metric_groups
from augenblick.plan.model.trigger import Trigger
from augenblick.plan.problems import known_names
from augenblick.plan.resolved import Ref, Resolved


@dataclass(frozen=True, slots=True)
class ResolvedValue:
    """One value: an expression for the firing's group, or the whole map over groups."""

    name: str
    expression: Resolved | None
    map_of: Resolved | None

    @property
    def reads_group(self) -> bool:
        """Whether it is the value of one group."""
        return self.expression is not None and bool(groups_read(self.expression))


def resolve_values(
    checking: Checking,
    spec: Trigger,
    when: Resolved | None,
    group: Ref | None,
    path: Path,
    *,
    across_users: bool = False,
) -> tuple[ResolvedValue, ...] | None:
    """All values of a trigger whose firings have this group; None with the mistakes noted."""
    known = checking.names.metrics if across_users else checking.names.features
    wanted: dict[str, Path] = {}
    if when is not None and spec.when is not None:
        named = (name.text for name in names_in(parse(spec.when)))
        wanted |= {name: (*path, "when") for name in named if name in known}
    for index, name in enumerate(spec.values):
        wanted.setdefault(name, (*path, "values", index))
    found = [_value(checking, name, at, group, across_users) for name, at in wanted.items()]
    values = tuple(value for value in found if value is not None)
    return values if len(values) == len(found) else None


def _value(
    checking: Checking, name: str, at: Path, group: Ref | None, across_users: bool
) -> ResolvedValue | None:
    names, problems = checking.names, checking.problems
    known = names.metrics if across_users else [*names.features, *names.segments]
    if name in names.broken:
        return None
    if name not in known:
        problems.add(at, _unknown(checking, name, known, across_users))
        return None
    value = checking.look_up(name)
    if value is None:
        return None
    groups = metric_groups(value) if across_users else groups_read(value)
    other = [by for by in groups if by is not None and by != group]
    if not other:
        return ResolvedValue(name, value, None)
    if across_users:
        problems.not_built(
            at,
            f"sending {name!r} as a map (it is grouped by {other[0].text}, and the firing is not)",
        )
        return None
    return ResolvedValue(name, None, value)


def _unknown(checking: Checking, name: str, known: list[str], across_users: bool) -> str:
    if across_users and name in checking.names.features:
        return f"{name!r} is of one user and not sent with a firing across users"
    if not across_users and name in checking.names.metrics:
        return f"{name!r} is a metric and not sent with a firing of one user"
    what = "metric" if across_users else "feature or segment"
    return f"unknown {what} {name!r}; {known_names(name, known)}"
