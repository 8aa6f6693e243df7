"""``over:`` of a feature or metric."""

from dataclasses import dataclass

from augenblick import limits
from augenblick.plan.calendars import LENGTH_MS_MAX, Unit
from augenblick.plan.checking import Checking
from augenblick.plan.document import Path
from augenblick.plan.eventsets import resolve_events
from augenblick.plan.model.features import Over
from augenblick.plan.program import WindowKind
from augenblick.plan.resolved import EventSet

FORMS = (
    "session, lifetime, {sliding: D}, {tumbling: D}, {hopping: D, every: D}, "
    "{calendar: day|week|month} or {since: EVENTS}"
)


@dataclass(frozen=True, slots=True)
class Window:
    """A window, sizes in milliseconds; 0 where the kind has none."""

    kind: WindowKind
    size_ms: int = 0
    every_ms: int = 0
    reset: EventSet | None = None
    unit: Unit | None = None

    @property
    def length_ms_max(self) -> int:
        """The longest of its windows."""
        return LENGTH_MS_MAX[self.unit] if self.unit else self.size_ms


def resolve_window(checking: Checking, over: str | Over | None, path: Path) -> Window | None:
    """The window; None with the mistake noted."""
    problems, at = checking.problems, (*path, "over")
    if over is None:
        problems.add(path, f"`over` is missing: {FORMS}")
        return None
    if over == "session":
        return Window("session")
    if isinstance(over, str):
        return Window("lifetime")
    given = [
        kind for kind in ("sliding", "tumbling", "hopping", "calendar", "since")
        if getattr(over, kind) is not None
    ]  # fmt: skip
    if len(given) != 1:
        problems.add(at, f"`over` is one window: {FORMS}")
        return None
    if over.every is not None and over.hopping is None:
        problems.add((*at, "every"), "`every` belongs to `hopping`")
        return None
    if over.sliding is not None:
        return Window("sliding", over.sliding)
    if over.tumbling is not None:
        return Window("tumbling", over.tumbling)
    if over.hopping is not None:
        return _hopping(checking, over.hopping, over.every, at)
    if over.calendar is not None:
        return Window("calendar", unit=over.calendar)
    assert over.since is not None
    reset = resolve_events(checking, over.since, (*at, "since"))
    return Window("since", reset=reset) if reset is not None else None


def _hopping(checking: Checking, size_ms: int, every_ms: int | None, at: Path) -> Window | None:
    problem = ""
    if every_ms is None:
        problem = "a hopping window needs `every`, as in {hopping: 1h, every: 5m}"
    elif every_ms > size_ms or size_ms % every_ms:
        problem = "the size of a hopping window is a whole multiple of `every`"
    elif size_ms // every_ms > limits.windows_per_event_max:
        problem = f"an event lies in more than {limits.windows_per_event_max} of these windows"
    if problem or every_ms is None:
        checking.problems.add((*at, "hopping"), problem)
        return None
    return Window("hopping", size_ms, every_ms)
