"""No text holds what is true on one machine only."""

import re
from pathlib import Path

import pytest
from tests.tidy.sources import BINARY, text_of, tracked

HERE = str(Path(__file__).relative_to(Path(__file__).parents[2]))
MACHINE = {
    "a machine's path": re.compile(r"(?<![\w.$}-])/(?:work|root|home|Users|mnt)/[\w.]"),
    "a registry's host": re.compile(
        r"\b(?:deb\.debian\.org|security\.debian\.org|files\.pythonhosted\.org"
        r"|pypi\.org/simple|registry\.npmjs\.org)\b"
    ),
    "a number of a work list": re.compile(r"\b(?:issue|task|ticket) \d+\b", re.IGNORECASE),
    "a mark of unfinished work": re.compile(r"\b(?:TODO|FIXME|XXX)\b"),
    "a conflict": re.compile(r"^(?:<<<<<<<|>>>>>>>) ", re.MULTILINE),
}
TEXTS = [path for path in tracked() if path.suffix not in BINARY and str(path) != HERE]


@pytest.mark.parametrize("path", TEXTS, ids=str)
def test_text(path: Path):
    text = text_of(path)
    wrong = [
        f"{path}:{text.count(chr(10), 0, found.start()) + 1}: {what}: {found.group()}"
        for what, pattern in MACHINE.items()
        for found in pattern.finditer(text)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", TEXTS, ids=str)
def test_ends_with_one_newline_and_has_no_tabs_or_trailing_blanks(path: Path):
    text = text_of(path)
    if not text or path.name == "LICENSE":
        return
    assert text.endswith("\n"), f"{path} does not end with a newline"
    assert not text.endswith("\n\n"), f"{path} ends with empty lines"
    trailing = [number for number, line in enumerate(text.split("\n"), 1) if line != line.rstrip()]
    assert not trailing, f"{path}: blanks at the end of lines {trailing}"
    if path.name != "Makefile":
        assert "\t" not in text or path.suffix not in {".py", ".pyx", ".pxd", ".yaml", ".toml"}
