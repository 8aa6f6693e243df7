"""``actor: MODULE:CLASS`` with ``event:``: fires what the class returns."""

from augenblick.plan.checking import Checking
from augenblick.plan.document import Path
from augenblick.plan.eventsets import resolve_events
from augenblick.plan.model.occasions import ActorKeys, EventKeys
from augenblick.plan.model.trigger import Trigger
from augenblick.plan.occasions._occasion import Occasion, Rule


def _resolve(checking: Checking, trigger: Trigger, path: Path) -> Rule | None:
    if trigger.event is None:
        checking.problems.add(path, "`actor` needs `event`: the events that the class gets")
        return None
    events = resolve_events(checking, trigger.event, (*path, "event"), trigger.where)
    if events is None:
        return None
    return Rule(
        "actor",
        at_hand=events.names,
        events=events,
        actor=trigger.actor or "",
        params=trigger.params,
    )


OCCASION = Occasion(ActorKeys, (EventKeys,), _resolve)
