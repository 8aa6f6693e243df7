"""``event: EVENT``: fires at each one."""

from augenblick.plan.checking import Checking
from augenblick.plan.document import Path
from augenblick.plan.eventsets import resolve_events
from augenblick.plan.model.occasions import EventKeys
from augenblick.plan.model.trigger import Trigger
from augenblick.plan.occasions._occasion import Occasion, Rule


def _resolve(checking: Checking, trigger: Trigger, path: Path) -> Rule | None:
    assert trigger.event is not None
    events = resolve_events(checking, trigger.event, (*path, "event"), trigger.where)
    return Rule("event", at_hand=events.names, events=events) if events is not None else None


OCCASION = Occasion(EventKeys, (), _resolve)
