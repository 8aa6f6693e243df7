"""``at: TIME``: fires at an instant that the user's state tells."""

from augenblick.plan.checking import Checking
from augenblick.plan.conditions.scopes import StateScope
from augenblick.plan.document import Path
from augenblick.plan.grouping import check_one_group, groups_read
from augenblick.plan.instants import RESTLESS
from augenblick.plan.model.occasions import AtKeys
from augenblick.plan.model.trigger import Trigger
from augenblick.plan.occasions._occasion import Occasion, Rule
from augenblick.plan.resolved import Resolved, Type, feeding

NO_EVENT = "`at` follows the user's state; keep it with {last: EVENT.property, over: lifetime}"
STILL = ("lifetime", "since")


def _resolve(checking: Checking, trigger: Trigger, path: Path) -> Rule | None:
    at = (*path, "at")
    scope = StateScope(checking.names, checking.look_up, no_event=NO_EVENT)
    time = checking.expression(trigger.at or "", at, scope)
    if time is None or not check_one_group(checking, time, at):
        return None
    problem = _problem(time)
    if problem:
        checking.problems.add(at, problem)
        return None
    return Rule(
        "at",
        at_hand=_moving(time),
        time=time,
        past_skipped=trigger.past == "skip",
        match=next(iter(groups_read(time)), None),
    )


def _problem(time: Resolved) -> str:
    """Why an expression is no TIME; empty if it is one."""
    if time.type not in (Type.TIME, Type.ANY):
        return (
            f"`at` needs a time, and this is {time.type}; a property that holds one is declared "
            "as `time`"
        )
    features = time.features()
    if not features:
        return "`at` names no feature, so that no user has an instant of their own"
    for feature in features:
        if feature.window not in STILL or feature.aggregate in RESTLESS:
            return (
                f"{feature.name!r} changes by time alone, and the instant of `at` moves with "
                "events only; read features over lifetime or since"
            )
    return ""


def _moving(time: Resolved) -> tuple[str, ...] | None:
    """The events that can move it; None: any event can."""
    found: dict[str, None] = {}
    for events in feeding(time):
        if events.names is None:
            return None
        found |= dict.fromkeys(events.names)
    return tuple(found)


OCCASION = Occasion(AtKeys, (), _resolve)
