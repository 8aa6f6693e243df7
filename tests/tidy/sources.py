"""The files of the project, as the tidy tests read them."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = {".gz", ".png", ".ico", ".whl"}


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the work tree that git has or would take, relative to ROOT, sorted."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = (Path(name) for name in listed.split("\0") if name)
    return tuple(sorted(path for path in paths if (ROOT / path).is_file()))


def with_suffix(*suffixes: str, below: str = "") -> list[Path]:
    """The tracked files with one of the suffixes, below the folder `below`."""
    return [
        path
        for path in tracked()
        if path.suffix in suffixes and (not below or path.is_relative_to(below))
    ]


def text_of(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def module_name(path: Path) -> str:
    """engine/augenblick/plan/model.py -> augenblick.plan.model; a package is its own name."""
    parts = list(path.with_suffix("").parts[1:])
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)
