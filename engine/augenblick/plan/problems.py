"""Collects the mistakes of one plan, so that they are reported together, each with its line.

A *path* is the way to a place in the plan as keys and list indexes: ``("triggers", "third_view",
"when")``. A plan made in Python has no lines; its problems name the path instead.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from augenblick import limits
from augenblick.errors import NotBuiltYet, PlanError, PlanErrors
from augenblick.plan.document import Document, Path

KNOWN_NAMES_SHOWN_MAX = 32


def known_names(name: str, known: Iterable[str]) -> str:
    """The tail of a sentence about an unknown name: the closest one, then what is known."""
    names = list(dict.fromkeys(known))
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}? " if close else ""
    shown = ", ".join(names[:KNOWN_NAMES_SHOWN_MAX]) or "none"
    more = len(names) - KNOWN_NAMES_SHOWN_MAX
    return f"{hint}known: {shown}" + (f" and {more} more" if more > 0 else "")


def show_path(path: Path) -> str:
    """A path as a person reads it: ``triggers.third_view.sequence[1]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@dataclass
class Problems:
    """The mistakes found so far in one plan; created per load, handed to every check."""

    document: Document | None = None
    found: list[PlanError] = field(default_factory=list)
    warnings: list[PlanError] = field(default_factory=list)
    _seen: set[tuple[int | None, str]] = field(default_factory=set)

    def add(self, path: Path, message: str, *, not_built: bool = False) -> None:
        """Notes one mistake at a place; the same sentence for the same line only once."""
        self._note(self.found, NotBuiltYet if not_built else PlanError, path, message)

    def add_at_line(self, line: int, message: str) -> None:
        """Notes one mistake on a line that no path leads to."""
        self.found.append(PlanError(message, file=self._file, line=line))

    @property
    def _file(self) -> str | None:
        return self.document.file if self.document else None

    def warn(self, path: Path, message: str) -> None:
        """Notes what is allowed and most often a slip; shown by ``check``."""
        self._note(self.warnings, PlanError, path, message)

    def _note(
        self, where: list[PlanError], kind: type[PlanError], path: Path, message: str
    ) -> None:
        line = self.document.line(path) if self.document else None
        text = message if line is not None or not path else f"{show_path(path)}: {message}"
        if (line, text) not in self._seen:
            self._seen.add((line, text))
            where.append(kind(text, file=self._file, line=line))

    def not_built(self, path: Path, what: str) -> None:
        """Notes that the plan asks for what the design names and this version does not have."""
        self.add(path, f"{what} is not built yet", not_built=True)

    def raise_if_any(self) -> None:
        """Raises PlanErrors with every mistake in the order of the file."""
        if not self.found:
            return
        ordered = sorted(self.found, key=lambda problem: problem.line or 0)
        shown = ordered[: limits.plan_problems_max]
        if len(ordered) > len(shown):
            shown.append(PlanError(f"and {len(ordered) - len(shown)} more", file=ordered[0].file))
        raise PlanErrors(shown)
