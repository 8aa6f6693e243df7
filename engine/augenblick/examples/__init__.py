"""Plans with their data, found by name: `example:otto` is otto.yaml and otto.ndjson.gz.

The command line asks for them wherever a plan or a file of events may stand.
"""

from pathlib import Path

from augenblick.errors import UsageError, unknown_name

PREFIX = "example:"
FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The examples that are there, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def plan_path(text: str) -> Path:
    """The plan that `text` means: a path, or `example:NAME`. Raises UsageError when unknown."""
    return _resolve(text, ".yaml")


def events_path(text: str) -> Path:
    """The events that `text` means: a path, or `example:NAME`. Raises UsageError likewise."""
    return _resolve(text, ".ndjson.gz")


def _resolve(text: str, suffix: str) -> Path:
    if not text.startswith(PREFIX):
        return Path(text)
    name = text.removeprefix(PREFIX)
    if name not in names():
        raise UsageError(unknown_name("example", name, names()))
    return FOLDER / f"{name}{suffix}"
