"""Plug-ins are found in one folder, then by entry points, and mistakes are loud."""

import sys
import textwrap
from importlib import invalidate_caches
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from augenblick import registry
from augenblick.errors import PluginError
from augenblick.registry import Registry


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest):
    """A function that writes a package of plug-ins and gives its registry; the type is int."""
    package = f"plugins_{abs(hash(request.node.nodeid))}"
    monkeypatch.syspath_prepend(tmp_path)

    def make(**modules: str) -> Registry[int]:
        home = tmp_path / package
        home.mkdir()
        (home / "__init__.py").touch()
        for name, text in modules.items():
            (home / f"{name}.py").write_text(textwrap.dedent(text))
        invalidate_caches()
        return Registry("number", package, "NUMBER", int, "augenblick.numbers")

    yield make
    for name in [name for name in sys.modules if name.startswith(package)]:
        del sys.modules[name]


def entries(monkeypatch: pytest.MonkeyPatch, *found: tuple[str, str]) -> None:
    points = EntryPoints(EntryPoint(name, value, "augenblick.numbers") for name, value in found)
    monkeypatch.setattr(registry, "entry_points", lambda group: points.select(group=group))


def test_files_are_plugins_and_underscored_ones_are_not(folder):
    numbers = folder(one="NUMBER = 1", two="NUMBER = 2", _three="NUMBER = 3")
    assert numbers.names() == ["one", "two"]
    assert numbers.all() == {"one": 1, "two": 2}


def test_a_subclass_is_as_good_as_an_instance(folder):
    numbers = folder(kind="class NUMBER(int): pass")
    assert issubclass(numbers.get("kind"), int)


def test_listing_imports_nothing(folder):
    numbers = folder(broken="raise RuntimeError('imported')")
    assert numbers.names() == ["broken"]
    with pytest.raises(PluginError, match="'broken'.*cannot be imported: imported"):
        numbers.get("broken")


def test_unknown_name_says_the_known_ones(folder):
    with pytest.raises(PluginError, match="unknown number 'four'; known: one, two"):
        folder(one="NUMBER = 1", two="NUMBER = 2").get("four")


def test_nameless(folder):
    with pytest.raises(PluginError, match="'one'.*holds no NUMBER"):
        folder(one="number = 1").all()


@pytest.mark.parametrize("value", ["'1'", "str"])
def test_wrong_type(folder, value):
    with pytest.raises(PluginError, match="'one'.*is no int"):
        folder(one=f"NUMBER = {value}").all()


def test_entry_points_add(folder, monkeypatch):
    entries(monkeypatch, ("cpus", "math:pi"), ("level", "zlib:Z_BEST_SPEED"))
    numbers = folder(one="NUMBER = 1")
    assert numbers.names() == ["cpus", "level", "one"]
    assert numbers.get("level") == 1
    with pytest.raises(PluginError, match="'cpus' .math:pi of an installed package. is no int"):
        numbers.get("cpus")


def test_duplicate(folder, monkeypatch):
    entries(monkeypatch, ("one", "zlib:Z_BEST_SPEED"))
    with pytest.raises(PluginError, match=r"'one' is there twice: plugins_\d+\.one and zlib:"):
        folder(one="NUMBER = 1").names()


@pytest.mark.parametrize("name", ["", "One", "1st", "a-b"])
def test_entry_point_with_no_usable_name(folder, monkeypatch, name):
    entries(monkeypatch, (name, "zlib:Z_BEST_SPEED"))
    with pytest.raises(PluginError, match="a name has lower-case letters"):
        folder().names()
