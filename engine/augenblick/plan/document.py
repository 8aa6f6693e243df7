"""A plan's YAML as plain data together with the place of everything in it.

Made by ``reading.read_document``; ``Problems`` asks it for lines, ``quoting`` for the text around a
condition.
"""

from dataclasses import dataclass, field
from typing import Any

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where one value stands. Lines count from 1, columns from 0; ``line`` is that of its key.

    ``plain``: written without quotes. ``end_line`` and ``end_column``: the first place after it.
    """

    line: int
    end_line: int
    end_column: int
    plain: bool


@dataclass(slots=True)
class Document:
    """What one YAML text says. ``data`` has dicts with text keys, lists and scalars only."""

    file: str | None
    lines: list[str]
    data: Any = None
    marks: dict[Path, Mark] = field(default_factory=dict)

    def mark(self, path: Path) -> Mark | None:
        """The mark of the nearest thing above or at a path that the text holds."""
        for length in range(len(path), -1, -1):
            found = self.marks.get(path[:length])
            if found is not None:
                return found
        return None

    def line(self, path: Path) -> int | None:
        """The line on which to look for a path; counts from 1."""
        found = self.mark(path)
        return found.line if found else None

    def rest_of_line(self, path: Path) -> str:
        """The text after an unquoted value on its line: a `` #`` there has cut the value."""
        found = self.marks.get(path)
        if found is None or not found.plain or found.end_line > len(self.lines):
            return ""
        return self.lines[found.end_line - 1][found.end_column :]
