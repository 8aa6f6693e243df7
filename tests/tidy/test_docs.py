"""What the documents point at is there."""

import re
from pathlib import Path

import pytest
from tests.tidy.sources import ROOT, text_of, with_suffix

PAGES = with_suffix(".md")
DECISIONS = sorted(path for path in with_suffix(".md", below="docs/adr") if path.stem != "README")
DECISION_PARTS = [
    "Context",
    "Decision",
    "Rejected options",
    "Consequence",
    "How we would notice that it was wrong",
]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
TARGET = re.compile(r"\bmake ([a-z][a-z-]+)")
PHRASES = {"sure", "it"}  # English that follows "make" in a sentence


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):.*## ", text_of(Path("Makefile")), re.MULTILINE))


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_links(path: Path):
    missing = [
        target
        for target in LINK.findall(text_of(path))
        if not (ROOT / path.parent / target).exists()
    ]
    assert not missing, f"{path} links to {missing}"


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_make_targets(path: Path):
    code = re.findall(r"`([^`\n]+)`|^ {4,}(.+)$|^(make .+)$", text_of(path), re.MULTILINE)
    named = {name for parts in code for part in parts for name in TARGET.findall(part)}
    assert named - PHRASES <= make_targets(), f"{path} names targets that are not there"


def test_the_targets_of_the_house():
    assert make_targets() == set(
        "help setup build test test-system test-all check format bench demo docs fuzz soak sim"
        " sim-mutants kills sanitized clean".split()
    )


@pytest.mark.parametrize("path", DECISIONS, ids=str)
def test_decisions_have_their_parts(path: Path):
    text = text_of(path)
    number, _, _ = path.stem.partition("-")
    assert text.startswith(f"# {number}: "), f"{path} does not begin with its number"
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == DECISION_PARTS
    assert text.count("\n") <= 100, f"{path} is longer than a page"


def test_decisions_are_numbered_once():
    numbers = [path.stem.partition("-")[0] for path in DECISIONS]
    assert len(numbers) == len(set(numbers))
    assert all(re.fullmatch(r"\d{4}", number) for number in numbers)


def test_changelog_begins_with_what_is_not_released():
    headings = re.findall(r"^## (.+)$", text_of(Path("CHANGELOG.md")), re.MULTILINE)
    assert headings[0] == "Unreleased"
