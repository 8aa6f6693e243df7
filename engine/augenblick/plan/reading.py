"""Reads a plan's YAML 1.2 text into plain data with the place of everything.

The reader works on the parser's events, so that nothing is built before it is allowed: no anchors,
aliases, tags or second documents, bounded bytes, depth and counts. ``off``, ``n``, ``on`` and
``no`` are text, as YAML 1.2 says.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from augenblick import limits
from augenblick.errors import PlanError
from augenblick.plan import quoting
from augenblick.plan.document import Document, Mark, Path
from augenblick.plan.problems import Problems

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass
class _Open:
    """One map or list that is being read."""

    is_map: bool
    flow: bool
    path: Path
    line: int
    value: Any
    key: str | None = None
    key_line: int = 0
    dropped: bool = False  # the entry at hand is left out: its mistake has been noted
    last_plain: Path | None = None  # the last entry's path when its value was written unquoted
    mended: set[str] = field(default_factory=set)
    keys: dict[str, int] = field(default_factory=dict)


def read_document(text: str, file: str | None, problems: Problems) -> Document:
    """Reads one plan. Mistakes that leave the rest readable go to ``problems``.

    Raises PlanError when the text cannot be read at all.
    """
    return _Reader(text, file, problems).read()


class _Reader:
    """One reading of one text; thrown away afterwards."""

    def __init__(self, text: str, file: str | None, problems: Problems) -> None:
        self._text = text.removeprefix("\ufeff")
        self._document = Document(file, self._text.splitlines())
        self._problems = problems
        self._stack: list[_Open] = []
        self._nodes = 0
        problems.document = self._document

    def read(self) -> Document:
        """The whole text as a Document."""
        if len(self._text.encode("utf-8", "replace")) > limits.plan_bytes_max:
            raise self._error(f"the plan is larger than {limits.plan_bytes_max} bytes", None)
        control = _CONTROL.search(self._text)
        if control:
            line = self._text.count("\n", 0, control.start()) + 1
            raise self._error(f"control character {control.group()!r}", line)
        try:
            for event in YAML(typ="safe", pure=True).parse(self._text):
                self._take(event)
        except MarkedYAMLError as error:
            raise self._unreadable(error) from None
        except YAMLError as error:
            raise self._error(f"this is no valid YAML: {error}".split("\n")[0], None) from None
        if not isinstance(self._document.data, dict):
            raise self._error("a plan is a map that begins with `plan: NAME`", 1)
        return self._document

    def _take(self, event: Any) -> None:
        kind = type(event).__name__
        line = event.start_mark.line + 1
        if kind == "DocumentStartEvent":
            self._check_document_start(event, line)
            return
        if kind == "AliasEvent" or getattr(event, "anchor", None):
            raise self._error("anchors and aliases (& and *) are not allowed in a plan", line)
        if kind not in ("MappingStartEvent", "SequenceStartEvent", "ScalarEvent"):
            if kind in ("MappingEndEvent", "SequenceEndEvent"):
                closed = self._stack.pop()
                self._put(closed.value, closed.path, self._mark(event, closed.line, plain=False))
            return
        if getattr(event, "tag", None):
            raise self._error("tags (!) are not allowed in a plan", line)
        self._nodes += 1
        if self._nodes > limits.plan_nodes_max:
            raise self._error(f"the plan has more than {limits.plan_nodes_max} values", line)
        if kind == "ScalarEvent":
            self._scalar(event, line)
        else:
            self._open(event, kind == "MappingStartEvent", line)

    def _check_document_start(self, event: Any, line: int) -> None:
        if self._document.marks:
            raise self._error("a plan is one YAML document: `---` begins a second one", line)
        version = getattr(event, "version", None)
        if version is not None and str(version) not in ("1.2", "(1, 2)"):
            raise self._error("a plan is YAML 1.2; take the %YAML line out", line)

    def _open(self, event: Any, is_map: bool, line: int) -> None:
        if len(self._stack) >= limits.plan_depth_max:
            raise self._error(
                f"maps and lists are nested deeper than {limits.plan_depth_max}", line
            )
        parent = self._stack[-1] if self._stack else None
        if parent is not None and parent.is_map and parent.key is None:
            hint = f": {quoting.RULE}" if parent.flow else ""
            raise self._error(f"a key must be text{hint}", line)
        path = self._next_path()
        key_line = parent.key_line if parent is not None and parent.is_map else line
        opened = _Open(is_map, bool(event.flow_style), path, key_line, {} if is_map else [])
        self._document.marks[path] = self._mark(event, key_line, plain=False)
        self._stack.append(opened)

    def _scalar(self, event: Any, line: int) -> None:
        parent = self._stack[-1] if self._stack else None
        plain = event.style is None
        if parent is not None and parent.is_map and parent.key is None:
            self._key(parent, event, line)
            return
        path = self._next_path()
        key_line = parent.key_line if parent is not None and parent.is_map else line
        value = self._resolve(event.value, line) if plain else event.value
        self._put(value, path, self._mark(event, key_line, plain=plain))

    def _key(self, parent: _Open, event: Any, line: int) -> None:
        key: str = event.value
        parent.dropped = False
        if parent.flow and event.style is None and self._joins_cut_condition(parent, key):
            parent.dropped = True
        elif key in parent.keys:
            message = f"{key!r} is there twice (first on line {parent.keys[key]})"
            self._problems.add_at_line(line, message)
            parent.dropped = True
        else:
            parent.keys[key] = line
        parent.key, parent.key_line = key, line

    def _joins_cut_condition(self, parent: _Open, key: str) -> bool:
        """Whether this key is the rest of a condition that a comma cut; then mends the value."""
        if parent.last_plain is None:
            return False
        name = parent.last_plain[-1]
        before = parent.value[name]
        if not isinstance(before, str) or not quoting.is_open(before):
            return False
        if name not in parent.mended:
            self._problems.add(parent.last_plain, quoting.explain_cut_by_comma(before))
            parent.mended.add(str(name))
        parent.value[name] = f"{before}, {key}"
        return True

    def _put(self, value: Any, path: Path, mark: Mark) -> None:
        parent = self._stack[-1] if self._stack else None
        if parent is None:
            self._document.data = value
            self._document.marks.setdefault(path, mark)
            return
        if not parent.is_map:
            parent.value.append(value)
            self._document.marks[path] = mark
            return
        assert parent.key is not None
        if not parent.dropped:
            parent.value[parent.key] = value
            self._document.marks[path] = mark
            parent.last_plain = path if mark.plain else None
        parent.key = None

    def _next_path(self) -> Path:
        if not self._stack:
            return ()
        parent = self._stack[-1]
        part = parent.key if parent.is_map else len(parent.value)
        assert part is not None
        return (*parent.path, part)

    def _mark(self, event: Any, line: int, *, plain: bool) -> Mark:
        return Mark(line, event.end_mark.line + 1, event.end_mark.column, plain)

    def _resolve(self, text: str, line: int) -> Any:
        """An unquoted scalar by the core schema of YAML 1.2."""
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            number = float(text)
            if number in (float("inf"), float("-inf")):
                raise self._error(f"the number {text[:40]} is too large", line)
            return number
        return text

    def _unreadable(self, error: MarkedYAMLError) -> PlanError:
        mark = error.problem_mark or error.context_mark
        last = mark.line + 1 if mark else 1
        first = error.context_mark.line + 1 if error.context_mark else last
        explained = quoting.explain_unreadable(
            self._document.lines, str(error.context), first, last
        )
        if explained is not None:
            return self._error(explained[1], explained[0])
        what = " ".join(str(part) for part in (error.context, error.problem) if part)
        return self._error(f"this is no valid YAML: {what}", min(last, len(self._document.lines)))

    def _error(self, message: str, line: int | None) -> PlanError:
        return PlanError(message, file=self._document.file, line=line)
