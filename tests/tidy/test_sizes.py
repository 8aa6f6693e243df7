"""Nothing grows past the size at which a reader loses the thread (line length: the linters)."""

import ast
import re
from pathlib import Path

import pytest
from tests.tidy.sources import text_of, with_suffix

LINES_MAX = {".py": 500, ".pyx": 600, ".pxd": 600}
FUNCTION_LINES_MAX = 60
# (file, name): (its own limit, why it is better in one piece)
LONG_FUNCTIONS = {
    ("native/augenblick_native/msgpack.pyx", "read_head"): (75, "one case for each tag"),
    ("native/augenblick_native/msgpack.pyx", "read_value"): (75, "one case for each tag"),
    ("native/augenblick_native/predicate.pyx", "evaluate"): (105, "one case for each opcode"),
    ("engine/augenblick/cli/serve.py", "serve"): (240, "one parameter for each flag"),
}

PYTHON = with_suffix(".py")
CYTHON = with_suffix(".pyx", ".pxd")
DEFINITION = re.compile(r"^(?P<indent> *)(?:def|c(?:p)?def)\b[^=\n(]*?(?P<name>\w+)\(")


def python_functions(text: str):
    """(name, first line, lines) of each function, decorators not counted."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1


def cython_functions(text: str):
    """(name, first line, lines) of each function, by indentation; blank tail not counted."""
    lines = text.split("\n")
    for first, line in enumerate(lines):
        found = DEFINITION.match(line)
        if not found:
            continue
        indent = len(found["indent"])
        last = first
        closed = False
        for index in range(first, len(lines)):
            text_there = lines[index].strip()
            if closed and text_there and len(lines[index]) - len(lines[index].lstrip()) <= indent:
                break
            closed = closed or text_there.split("#")[0].rstrip().endswith(":")
            if text_there:
                last = index
            if not closed and index > first + 20:  # a declaration without a body
                last = first
                break
        yield found["name"], first + 1, last - first + 1


@pytest.mark.parametrize("path", PYTHON + CYTHON, ids=str)
def test_file(path: Path):
    count = text_of(path).count("\n")
    limit = LINES_MAX[path.suffix]
    assert count <= limit, f"{path} has {count} lines, the limit is {limit}"


@pytest.mark.parametrize("path", PYTHON + CYTHON, ids=str)
def test_functions(path: Path):
    functions = python_functions if path.suffix == ".py" else cython_functions
    wrong = []
    for name, first, count in functions(text_of(path)):
        limit, _ = LONG_FUNCTIONS.get((str(path), name), (FUNCTION_LINES_MAX, ""))
        if count > limit:
            wrong.append(f"{path}:{first}: {name} has {count} lines, the limit is {limit}")
    assert not wrong, "\n".join(wrong)


def test_the_measures():
    python = "@x\ndef a():\n    pass\n\nclass B:\n    async def c(self):\n        return (\n1)\n"
    assert [tuple(found) for found in python_functions(python)] == [("a", 2, 2), ("c", 6, 3)]
    cython = (
        "cdef inline int a(\n    int b,\n) noexcept nogil:\n    return b\n\n"
        "cdef class C:\n    cpdef d(self):\n        return 1\n\n        # end\n    x = 1\n"
    )
    assert list(cython_functions(cython)) == [("a", 1, 4), ("d", 7, 4)]
