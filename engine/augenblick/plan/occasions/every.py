"""``every: day|week|month + OFFSET``: fires for each user, by the calendar of the plan's zone."""

from augenblick.plan.calendars import UNITS, Unit
from augenblick.plan.checking import Checking
from augenblick.plan.document import Path
from augenblick.plan.durations import format_duration, parse_duration
from augenblick.plan.model.occasions import EveryKeys
from augenblick.plan.model.trigger import Trigger
from augenblick.plan.occasions._occasion import Occasion, Rule
from augenblick.plan.resolved import Schedule

DAY_MS = 86_400_000
OFFSET_MS_MAX: dict[Unit, int] = {"day": DAY_MS, "week": 7 * DAY_MS, "month": 31 * DAY_MS}
FORM = "write day, week or month, and how long after it begins: every: month + 30d"


def _resolve(checking: Checking, trigger: Trigger, path: Path) -> Rule | None:
    at = (*path, "every")
    try:
        unit, offset_ms = parse_schedule(trigger.every or "")
    except ValueError as error:
        checking.problems.add(at, str(error))
        return None
    schedule = Schedule(checking.plan.zone or "UTC", unit, offset_ms)
    return Rule("every", at_hand=(), schedule=schedule)


def parse_schedule(text: str) -> tuple[Unit, int]:
    """Unit and offset in ms. Raises ValueError with one sentence."""
    first, *offsets = (part.strip() for part in text.split("+"))
    unit = next((one for one in UNITS if one == first), None)
    if unit is None:
        raise ValueError(f"{text!r} is no schedule; {FORM}")
    offset_ms = sum(parse_duration(offset) for offset in offsets)
    if offset_ms > OFFSET_MS_MAX[unit]:
        raise ValueError(
            f"{format_duration(offset_ms)} is longer than any {unit} "
            f"({format_duration(OFFSET_MS_MAX[unit])})"
        )
    return unit, offset_ms


OCCASION = Occasion(EveryKeys, (), _resolve)
