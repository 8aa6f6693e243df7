"""Files and classes say what they hold."""

import ast
import re
from pathlib import Path

import pytest
from tests.tidy.sources import text_of, tracked, with_suffix

EMPTY_WORDS = {"util", "utils", "helper", "helpers", "common", "manager", "misc", "stuff"}
TOP_LEVEL = {
    "engine",
    "native",
    "bench",
    "tests",
    "docker",
    "docs",
    "pyproject.toml",
    "setup.py",
    "README.md",
    "Makefile",
    "LICENSE",
    "CHANGELOG.md",
}
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def words(name: str) -> set[str]:
    return {word.lower() for word in WORD.findall(name)}


def test_every_package_has_its_init_file():
    """A folder without one works in the source tree and is missing from what is installed."""
    sources = [
        *with_suffix(".py", below="engine/augenblick"),
        *with_suffix(".py", ".pyx", ".pxd", below="native/augenblick_native"),
        *with_suffix(".py", below="bench/augenblick_bench"),
    ]
    assert sources
    missing = {str(path.parent) for path in sources} - {
        str(path.parent) for path in sources if path.name in ("__init__.py", "__init__.pxd")
    }
    assert not missing


def test_files_and_folders():
    wrong = {
        str(path)
        for path in tracked()
        if any(words(Path(part).stem) & EMPTY_WORDS for part in path.parts)
    }
    assert not wrong, f"these names say nothing: {sorted(wrong)}"


@pytest.mark.parametrize("path", with_suffix(".py"), ids=str)
def test_classes_and_functions(path: Path):
    wrong = [
        f"{path}:{node.lineno}: {node.name}"
        for node in ast.walk(ast.parse(text_of(path)))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and words(node.name) & (EMPTY_WORDS - {"common"})  # a common type is a term
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_else_at_top_level():
    found = {path.parts[0] for path in tracked()}
    extra = {name for name in found if not name.startswith(".")} - TOP_LEVEL
    assert not extra, f"not at top level: {sorted(extra)}"


def test_words():
    assert words("HTTPManager") == {"http", "manager"}
    assert words("json_helpers") == {"json", "helpers"}
