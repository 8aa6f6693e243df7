"""The reference pages are what the code says."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

FOLDER = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def generate():
    sys.path.insert(0, str(FOLDER))  # as for a script: beside it lies what it imports
    spec = spec_from_file_location("generate", FOLDER / "generate.py")
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules["generate"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["generate"]
    sys.path.remove(str(FOLDER))


class Leaf(BaseModel):
    """A leaf."""

    kept: int = 3


class Tree(BaseModel):
    """A tree."""

    leaves: dict[str, Leaf] = Field({}, description="by name | kind")
    size: Annotated[int | None, Field(ge=1)] = None
    mode: Literal["live", "off"] = "live"
    when: str | None = None
    of_: list[str] | None = Field(None, alias="of")
    name: str = Field(description="what it is called")
    flag: bool = False


PAGES = [
    "aggregates.md",
    "examples.md",
    "occasions.md",
    "plan.md",
    "policies.md",
    "limits.md",
    "formats.md",
]


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(generate, name):
    written = (FOLDER / "reference" / name).read_text(encoding="utf-8")
    assert written == generate.pages()[name], "run `make docs`"


def test_every_occasion_has_an_example(generate):
    from augenblick.plan.occasions import OCCASIONS

    assert sorted([*generate.worked.OCCASION_EXAMPLES, "actor"]) == OCCASIONS.names()


def test_no_page_is_left_over(generate):
    assert {path.name for path in (FOLDER / "reference").iterdir()} == set(generate.pages())


def test_plan_page(generate):
    lines = generate.plan_page(Tree).splitlines()
    for line in (
        "## Tree",
        r"| `leaves` | map of text to [Leaf](#leaf) |  | by name \| kind |",
        "| `size` | whole number |  |  |",
        "| `mode` | `live` or `off` | `live` |  |",
        "| `when` | condition |  |  |",
        "| `of` | list of text |  |  |",
        "| `name` | text | required | what it is called |",
        "| `flag` | true or false | `false` |  |",
        "## Leaf",
        "| `kept` | whole number | `3` |  |",
    ):
        assert line in lines


def test_every_key_of_the_plan_is_there(generate):
    from augenblick.plan.model.plan import Plan

    page = generate.plan_page(Plan)
    for model in generate.reachable(Plan):
        assert f"## {model.__name__}\n" in page
        for name, field in model.model_fields.items():
            assert f"| `{field.alias or name}` |" in page


def test_limits_page_has_a_reason_for_every_bound(generate):
    rows = [line for line in generate.pages()["limits.md"].splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    without = [row for row in rows if row.endswith("|  |")]
    assert not without


def test_unknown_types_are_named(generate):
    assert generate.describe(Any) == "anything"
    assert generate.describe(Path) == "Path"
