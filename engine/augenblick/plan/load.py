"""Loads a plan from a file or a text: reads it, validates it, checks it as a whole.

Everything wrong is reported together: what fails to validate is left out, and the rest is checked
as if it were there.
"""

from copy import deepcopy
from pathlib import Path as FilePath
from typing import Any

from augenblick import limits
from augenblick.errors import PlanError
from augenblick.plan.assembly import assemble
from augenblick.plan.compiler import Broken, check_whole
from augenblick.plan.document import Document, Path
from augenblick.plan.model.plan import Plan
from augenblick.plan.model.translate import problems_of
from augenblick.plan.problems import Problems
from augenblick.plan.reading import read_document

_ENTRIES = ("features", "segments", "metrics", "triggers", "actions")
_ROUNDS_MAX = 8


def load_plan(path_or_text: str | FilePath, *, file: str | None = None) -> Plan:
    """A plan that is right in everything. Raises PlanErrors with each mistake, file and line.

    A Path, or a text without a line break, is a file's path; other text is the plan itself, and
    ``file`` the name for it in messages.
    """
    if isinstance(path_or_text, FilePath) or "\n" not in path_or_text:
        file = file or str(path_or_text)
        text = _read_file(FilePath(path_or_text), file)
    else:
        text = path_or_text
    problems = Problems()
    try:
        document = read_document(text, file, problems)
    except PlanError as error:
        problems.found.append(error)
        problems.raise_if_any()
    plan, broken = _validate(document, problems)
    if plan is not None:
        checked = check_whole(plan, problems, broken)
        if not problems.found:
            assemble(checked)
    problems.raise_if_any()
    assert plan is not None
    return plan


def _read_file(path: FilePath, file: str) -> str:
    try:
        with path.open("rb") as opened:
            data = opened.read(limits.plan_bytes_max + 1)
    except OSError as error:
        raise PlanError(f"cannot read the plan: {error.strerror}", file=file) from None
    if len(data) > limits.plan_bytes_max:
        raise PlanError(f"the plan is larger than {limits.plan_bytes_max} bytes", file=file)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PlanError("this is no UTF-8 text", file=file, line=line) from None


def _validate(document: Document, problems: Problems) -> tuple[Plan | None, Broken]:
    """The model of what is valid, and the names of what is not. None: nothing can be said."""
    data: dict[str, Any] = deepcopy(document.data)
    removed: dict[str, set[str]] = {section: set() for section in _ENTRIES}
    damaged: set[Path] = set()
    for _ in range(_ROUNDS_MAX):
        try:
            plan = Plan.model_validate(data)
        except PlanError as error:
            cause = error.__cause__
            assert cause is not None
            for path, sentence, not_built in list(problems_of(cause)):  # type: ignore[arg-type]
                if path[:2] not in damaged:
                    problems.add(path, sentence, not_built=not_built)
            for path, _, not_built in list(problems_of(cause)):  # type: ignore[arg-type]
                if len(path) == 1 and path[0] in (*_ENTRIES, "events"):
                    return None, Broken()
                damaged.add(path[:2])
                _leave_out(data, path, removed, modifier=not_built)
            continue
        plan._document = document
        return plan, Broken(
            frozenset(removed["features"] | removed["metrics"]),
            frozenset(removed["segments"]),
            frozenset(removed["actions"]),
        )
    return None, Broken()


def _leave_out(
    data: dict[str, Any], path: Path, removed: dict[str, set[str]], *, modifier: bool
) -> None:
    """Takes the smallest thing out of the data that makes it valid.

    A policy of a trigger that is not built leaves the rest of the trigger to be checked.
    """
    section = path[0]
    if section == "plan":
        data["plan"] = "plan"
        return
    if section in _ENTRIES and len(path) > 1:
        name = str(path[1])
        keeps = section == "triggers" and modifier and len(path) == 3
        if keeps:
            data[section].get(name, {}).pop(path[2], None)
            return
        data[section].pop(name, None)
        removed[str(section)].add(name)
        return
    if section == "policies" and len(path) > 2:
        path = path[:2]
    parent: Any = data
    for part in path[:-1]:
        parent = parent.get(part) if isinstance(parent, dict) else None
    if isinstance(parent, dict):
        parent.pop(path[-1], None)
    else:
        data.pop(str(section), None)
