"""What README and guide show works as shown."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from augenblick import load_plan
from augenblick.cli import app

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / "docs" / "guide").glob("*.md"))
COMMAND = re.compile(r"^(?: {4}|`)?augenblick ([a-z-]+)((?: [^`#\n]+)?)", re.MULTILINE)
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def test_the_plan_of_the_readme_is_right():
    (text,) = re.findall(r"```yaml\n(plan: .*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    plan = load_plan(text)
    assert set(plan.triggers) == {"third_view", "cart_abandoned", "thank_you"}


def test_the_three_lines_use_public_names():
    text = (ROOT / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(code.strip().splitlines()) == 3
    compile(code, "README.md", "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_flags_are_there(page):
    root = get_command(app)
    for name, arguments in COMMAND.findall(page.read_text(encoding="utf-8")):
        command = root.get_command(None, name)
        assert command is not None, f"{page.name}: augenblick {name}"
        if getattr(command, "commands", None):
            words = arguments.split()
            assert words, f"{page.name}: {name} {arguments}"
            assert words[0] in command.commands, f"{page.name}: {name} {arguments}"
            command = command.commands[words[0]]
        known = {flag for option in command.params for flag in option.opts}
        assert set(FLAG.findall(arguments)) <= known, f"{page.name}: {name} {arguments}"
