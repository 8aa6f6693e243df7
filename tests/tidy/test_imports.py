"""Each package imports what its row of the matrix allows, and nothing else."""

import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from tests.tidy.imports import imports_of
from tests.tidy.matrix import NATIVE_LEVELS, PLUGIN_FOLDERS, RESERVED, ROWS, Row
from tests.tidy.sources import module_name, with_suffix

OURS = ("augenblick", "augenblick_native", "augenblick_bench")
SOURCES = [
    path for root in ("engine", "native", "bench") for path in with_suffix(".py", below=root)
]
NATIVE = with_suffix(".pyx", ".pxd", below="native")


def is_below(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def row_name(module: str) -> str:
    """The longest name of the matrix that covers the module; every package has to have one."""
    rows = [name for name in ROWS if is_below(module, name) and name != "augenblick"]
    return max(rows, key=len, default="augenblick" if module == "augenblick" else "")


def complaint(module: str, imported: str) -> str | None:
    """Why `module` may not import `imported`, or None."""
    name = row_name(module)
    if not name:
        return "belongs to no row of the matrix"
    row: Row = ROWS[name]
    top = imported.split(".")[0]
    for library, allowed in RESERVED.items():
        if top == library and not any(is_below(module, package) for package in allowed):
            return f"only {', '.join(sorted(allowed))} may"
    if top in OURS:
        if is_below(imported, name):
            return sibling_complaint(module, imported)
        allowed = any(is_below(imported, package) for package in row.ours)
        return None if allowed else f"{name} may import {', '.join(sorted(row.ours)) or 'none'}"
    if top in sys.stdlib_module_names:
        return f"{name} may never" if {top, imported} & row.never else None
    if row.outside is not None and top not in row.outside:
        return f"{name} may import {', '.join(sorted(row.outside)) or 'no library'}"
    return None


def sibling_complaint(module: str, imported: str) -> str | None:
    for folder in PLUGIN_FOLDERS:
        if module != folder and is_below(module, folder) and is_below(imported, folder):
            sibling = imported.removeprefix(folder).split(".")[1:2]
            own = module.removeprefix(folder).split(".")[1]
            if sibling and not sibling[0].startswith("_") and sibling[0] != own:
                return f"plug-ins in {folder} do not import each other"
    return None


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_python(path: Path):
    wrong = [
        f"{path}:{line}: import of {imported}: {reason}"
        for line, imported in sorted(imports_of(path))
        if (reason := complaint(module_name(path), imported))
    ]
    assert not wrong, "\n".join(wrong)


def part(imported: str) -> str:
    """augenblick_native.cursor.Cursor -> cursor"""
    return imported.split(".")[1] if "." in imported else ""


def level(name: str) -> int | None:
    found = [index for index, names in enumerate(NATIVE_LEVELS) if name in names]
    return found[0] if found else None


def native_graph() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for path in NATIVE:
        own = part(module_name(path))
        graph.setdefault(own, set()).update(
            part(imported)
            for _, imported in imports_of(path)
            if is_below(imported, "augenblick_native") and part(imported) not in ("", own)
        )
    return graph


@pytest.mark.parametrize("path", NATIVE, ids=str)
def test_native(path: Path):
    module = module_name(path)
    own = level(part(module))
    wrong = []
    for line, imported in sorted(imports_of(path)):
        other = level(part(imported)) if is_below(imported, "augenblick_native") else None
        if None not in (own, other) and other > own:
            wrong.append(f"{path}:{line}: import of {imported}: that is a level above")
        elif reason := complaint(module, imported):
            wrong.append(f"{path}:{line}: import of {imported}: {reason}")
    assert not wrong, "\n".join(wrong)


def test_native_modules_form_no_ring():
    graph = native_graph()
    sorter = TopologicalSorter(graph)
    sorter.prepare()  # raises CycleError, naming the ring
    assert set(graph) or not NATIVE


def test_every_source_root_holds_one_package():
    for root, package in (("engine", OURS[0]), ("native", OURS[1]), ("bench", OURS[2])):
        found = {path.parts[1] for path in with_suffix(".py", ".pyx", below=root)}
        assert package in found
        assert not any(name.endswith(".py") for name in found), f"{root}/ holds a module"


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("augenblick.core.gateway", "asyncio"),
        ("augenblick.core.gateway", "time.monotonic"),
        ("augenblick.core.gateway", "ray"),
        ("augenblick.plan.model", "augenblick.binding"),
        ("augenblick.plan.model", "augenblick_native.kernel"),
        ("augenblick.channels.webhook", "augenblick.core.delivery"),
        ("augenblick.channels.webhook", "augenblick.channels.log"),
        ("augenblick.runtime.local", "ray"),
        ("augenblick.errors", "pydantic"),
        ("augenblick.helpers", "augenblick.errors"),
    ],
)
def test_the_matrix_refuses(module, imported):
    assert complaint(module, imported)


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("augenblick.core.gateway", "augenblick.binding.scan"),
        ("augenblick.core.gateway", "augenblick.core.effects"),
        ("augenblick.core.gateway", "dataclasses.dataclass"),
        ("augenblick.binding.engine", "augenblick_native.kernel.Kernel"),
        ("augenblick.actors.shard", "ray"),
        ("augenblick.channels.webhook", "augenblick.channels._signing"),
    ],
)
def test_the_matrix_allows(module, imported):
    assert complaint(module, imported) is None
