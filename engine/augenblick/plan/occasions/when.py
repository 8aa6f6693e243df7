"""``when: COND`` alone: fires when an event makes the condition true."""

from augenblick.plan.checking import Checking
from augenblick.plan.document import Path
from augenblick.plan.model.occasions import WhenKeys
from augenblick.plan.model.trigger import Trigger
from augenblick.plan.occasions._occasion import Occasion, Rule


def _resolve(checking: Checking, trigger: Trigger, path: Path) -> Rule | None:
    return Rule("when", fire=trigger.fire or "rise")


OCCASION = Occasion(WhenKeys, (), _resolve)
