"""Read what a source file imports, without running it."""

import ast
import re
from pathlib import Path

from tests.tidy.sources import module_name, text_of

CYTHON_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<source>[\w.]+)[ \t]+c?import[ \t]+(?P<names>\([^)]*\)|[^#\n]*)"
    r"|c?import[ \t]+(?P<plain>[^#\n]+))",
    re.MULTILINE,
)
TRIPLE_QUOTED = re.compile(r'"""(?:.|\n)*?"""')


def imports_of(path: Path) -> set[tuple[int, str]]:
    """(line, dotted name) of each import; `from a import b` counts as `a.b`.

    Whether `a.b` is a module or a name in `a` is for the reader of the result to settle: a rule
    for `a` holds for both.
    """
    text = text_of(path)
    if path.suffix == ".py":
        return set(_python(text, path))
    return set(_cython(text, path))


def _python(text: str, path: Path):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom):
            source = _absolute("." * node.level + (node.module or ""), path)
            for name in node.names:
                yield node.lineno, f"{source}.{name.name}"


def _cython(text: str, path: Path):
    text = TRIPLE_QUOTED.sub(lambda found: "\n" * found.group().count("\n"), text)
    for found in CYTHON_IMPORT.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        if found["plain"]:
            for name in found["plain"].split(","):
                yield line, name.split(" as ")[0].strip()
            continue
        source = _absolute(found["source"], path)
        for name in found["names"].strip("()").replace("\n", " ").split(","):
            if name.strip():
                yield line, f"{source}.{name.split(' as ')[0].strip()}"


def _absolute(name: str, path: Path) -> str:
    """The dotted name without leading dots; `path` is the importing file."""
    stripped = name.lstrip(".")
    level = len(name) - len(stripped)
    if not level:
        return name
    package = module_name(path).split(".")
    if path.stem != "__init__":
        package.pop()
    base = package[: len(package) - (level - 1)]
    return ".".join([*base, stripped] if stripped else base)
