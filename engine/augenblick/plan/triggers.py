"""What a trigger of the plan means: its rule, its further condition, its values."""

from dataclasses import dataclass, replace

from augenblick.plan.checking import Checking
from augenblick.plan.choices import note_no_choice, resolve_choices
from augenblick.plan.conditions.movement import can_fire
from augenblick.plan.conditions.parser import parse
from augenblick.plan.conditions.scopes import StateScope
from augenblick.plan.conditions.syntax import names_in
from augenblick.plan.conditions.tokens import ConditionError
from augenblick.plan.document import Path
from augenblick.plan.grouping import check_one_group, groups_read
from augenblick.plan.metrics import check_metric_groups, metric_groups, metric_scope
from augenblick.plan.model.occasions import WhenKeys
from augenblick.plan.model.trigger import Trigger
from augenblick.plan.occasions import OCCASIONS, Rule
from augenblick.plan.outlets import action_names
from augenblick.plan.resolved import Ref, Resolved
from augenblick.plan.values import ResolvedValue, resolve_values

ONLY_TIME = (
    "no event can make this true, only time, and a `when` never fires by time; for that use a "
    "segment (segments: {NAME: COND}, then event: NAME.enters) or an absence "
    "(sequence: [EVENT, {not: EVENT}])"
)


BY_TIME = ("at", "every")


@dataclass(frozen=True, slots=True)
class ResolvedTrigger:
    """One trigger with every name looked up. ``across_users``: a metric trigger."""

    name: str
    spec: Trigger
    rule: Rule
    when: Resolved | None
    group: Ref | None
    values: tuple[ResolvedValue, ...]
    across_users: bool
    chosen_by: tuple[ResolvedValue, ...] = ()


def resolve_trigger(checking: Checking, name: str) -> ResolvedTrigger | None:
    """The trigger of that name. None: it is wrong, and that has been noted."""
    path: Path = ("triggers", name)
    spec = checking.plan.triggers[name]
    occasion = _occasion(checking, spec, path)
    if occasion is None:
        return None
    if occasion == "when" and _reads_metrics(checking, spec.when or ""):
        return _across_users(checking, name, spec, path)
    rule = OCCASIONS.get(occasion).resolve(checking, spec, path)
    when = _when(checking, spec, rule, path) if spec.when is not None and rule else None
    if rule is None or (spec.when is not None and when is None):
        return None
    if rule.kind == "when" and when is not None and not _check_alone(checking, when, rule, path):
        return None
    if rule.kind in BY_TIME:
        return _by_time(checking, name, rule, when, path)
    group = next(iter(groups_read(when)), None) if when is not None else None
    values = resolve_values(checking, spec, when, group or rule.match, path)
    chosen_by = resolve_choices(checking, spec, group or rule.match, path)
    if values is None or chosen_by is None:
        return None
    if rule.kind == "actor":
        what = "a class decides what leaves here"
        note_no_choice(checking, action_names(spec.then), (*path, "then"), what)
    if group is None and any(value.reads_group for value in (*values, *chosen_by)):
        group = rule.match
    return ResolvedTrigger(name, spec, rule, when, group, values, False, chosen_by)


def _by_time(
    checking: Checking, name: str, rule: Rule, when: Resolved | None, path: Path
) -> ResolvedTrigger | None:
    """``at`` and ``every``: the groups are those of the state, not of an event."""
    spec = checking.plan.triggers[name]
    group = next(iter(groups_read(when)), None) if when is not None else None
    if rule.kind == "every":
        rule = replace(rule, match=group)
    elif group is not None and group != rule.match:
        own = f"is grouped by {rule.match.text}" if rule.match else "is not grouped"
        checking.problems.add(
            (*path, "when"),
            f"the condition is read for one group by {group.text}, and the time of `at` {own}",
        )
        return None
    values = resolve_values(checking, spec, when, rule.match, path)
    chosen_by = resolve_choices(checking, spec, rule.match, path)
    if values is None or chosen_by is None:
        return None
    return ResolvedTrigger(name, spec, rule, when, None, values, False, chosen_by)


def _occasion(checking: Checking, spec: Trigger, path: Path) -> str | None:
    """The one occasion a trigger has; refuses keys that belong to another."""
    found = [name for name in OCCASIONS.names() if getattr(spec, name, None) is not None]
    if "actor" in found and "event" in found:
        found.remove("event")
    if len(found) > 1 and "when" in found:
        found.remove("when")
    if len(found) != 1:
        known = ", ".join(OCCASIONS.names())
        shown = " and ".join(f"`{name}`" for name in found)
        checking.problems.add(
            path,
            f"a trigger has one occasion, and this one has {shown}"
            if found
            else f"the trigger has no occasion; known: {known}",
        )
        return None
    return found[0] if _check_keys(checking, spec, found[0], path) else None


def _check_keys(checking: Checking, spec: Trigger, occasion: str, path: Path) -> bool:
    chosen = OCCASIONS.get(occasion)
    allowed = {"when"}
    for keys in (chosen.keys, *chosen.also):
        allowed |= keys.model_fields.keys()
    ok = True
    for name in OCCASIONS.names():
        for key in OCCASIONS.get(name).keys.model_fields:
            if key in spec.model_fields_set and key not in allowed:
                hint = "; in a sequence it stands in the step: {event: NAME, where: COND}"
                alone = " alone" if OCCASIONS.get(name).keys is WhenKeys else ""
                checking.problems.add(
                    (*path, key),
                    f"`{key}` belongs to `{name}`{alone}, and this trigger has `{occasion}`"
                    + (hint if (key, occasion) == ("where", "sequence") else ""),
                )
                ok = False
    return ok


def _when(checking: Checking, spec: Trigger, rule: Rule, path: Path) -> Resolved | None:
    assert spec.when is not None
    scope = StateScope(checking.names, checking.look_up, at_hand=rule.at_hand)
    condition = checking.condition(spec.when, (*path, "when"), scope)
    if condition is None or not check_one_group(checking, condition, (*path, "when")):
        return None
    return condition


def _check_alone(checking: Checking, when: Resolved, rule: Rule, path: Path) -> bool:
    """The rules of a ``when`` without another occasion."""
    at = (*path, "when")
    if not when.features() and not when.segments() and not when.event_refs():
        checking.problems.add(at, "the condition names nothing that an event could change")
        return False
    if not can_fire(when, checking.names, needs_rise=rule.fire != "each"):
        checking.problems.add(at, ONLY_TIME)
        return False
    return True


def _reads_metrics(checking: Checking, text: str) -> bool:
    """Whether a ``when`` reads metrics and nothing of a user."""
    try:
        names = [name.text for name in names_in(parse(text))]
    except (ConditionError, RecursionError):
        return False
    known = checking.names
    per_user = any(name in known.features or name in known.segments for name in names)
    return not per_user and any(name in known.metrics for name in names)


def _across_users(
    checking: Checking, name: str, spec: Trigger, path: Path
) -> ResolvedTrigger | None:
    assert spec.when is not None
    at = (*path, "when")
    when = checking.condition(spec.when, at, metric_scope(checking))
    if when is None or not check_metric_groups(checking, when, at):
        return None
    group = next((by for by in metric_groups(when) if by is not None), None)
    values = resolve_values(checking, spec, when, group, path, across_users=True)
    if values is None:
        return None
    what = "this trigger is across users"
    note_no_choice(checking, action_names(spec.then), (*path, "then"), what)
    rule = Rule("when", fire=spec.fire or "rise")
    return ResolvedTrigger(name, spec, rule, when, group, values, across_users=True)
