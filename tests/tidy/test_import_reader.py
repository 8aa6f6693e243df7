"""The reader of imports sees every form of import."""

from pathlib import Path

import pytest
from tests.tidy import imports

PYTHON = """
import a, b.c as d
from e import f, g as h
from . import i
from ..j import k
if TYPE_CHECKING:
    from l import m
def n():
    import o
"""
CYTHON = '''"""Docstring: import nothing, from x import y."""
cimport a
from b.c cimport d, e as f
from libc.stdint cimport (
    uint64_t,
    uint8_t,
)
from .g cimport h
import i as j
cdef import_array():
    pass
'''


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        (
            "engine/augenblick/plan/model.py",
            PYTHON,
            {"a", "b.c", "e.f", "e.g", "augenblick.plan.i", "augenblick.j.k", "l.m", "o"},
        ),
        (
            "engine/augenblick/plan/__init__.py",
            "from .model import Plan",
            {"augenblick.plan.model.Plan"},
        ),
        (
            "native/augenblick_native/scan.pyx",
            CYTHON,
            {
                "a",
                "b.c.d",
                "b.c.e",
                "libc.stdint.uint64_t",
                "libc.stdint.uint8_t",
                "augenblick_native.g.h",
                "i",
            },
        ),
    ],
)
def test_imports_of(monkeypatch, name, text, found):
    monkeypatch.setattr(imports, "text_of", lambda path: text)
    assert {imported for _, imported in imports.imports_of(Path(name))} == found


def test_lines(monkeypatch):
    monkeypatch.setattr(imports, "text_of", lambda path: CYTHON)
    path = Path("native/augenblick_native/scan.pyx")
    assert (2, "a") in imports.imports_of(path)
    assert (9, "i") in imports.imports_of(path)
