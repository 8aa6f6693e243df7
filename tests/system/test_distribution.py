"""What is built for others to install holds everything, and works away from the source tree."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from tests.tidy.sources import ROOT, tracked, with_suffix

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

MODULES = {path.stem for path in with_suffix(".pyx", below="native")}
DATA = [
    *with_suffix(".pyx", ".pxd", ".pyi", below="native"),
    *(path for path in tracked() if path.name == "py.typed"),
    *(path for path in tracked() if path.is_relative_to("engine/augenblick/examples")),
    *with_suffix(".py", below="engine"),
    *with_suffix(".py", below="bench/augenblick_bench"),
]


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("tree")
    for path in tracked():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tree / path)
    run(sys.executable, "setup.py", "--quiet", "sdist", cwd=tree)
    (archive,) = (tree / "dist").glob("augenblick-*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
        *("--no-build-isolation", "--no-deps", "--no-index", str(sdist)),
        cwd=folder,
    )
    (built,) = folder.glob("augenblick-*.whl")
    return built


def test_sdist_holds_every_source(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    missing = {str(path) for path in DATA} - names
    assert not missing
    assert not [name for name in names if name.endswith((".so", ".c"))]


def test_wheel_holds_modules_and_data_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    compiled = {Path(name).name.split(".")[0] for name in names if name.endswith(".so")}
    assert compiled == MODULES
    missing = {path.as_posix().split("/", 1)[1] for path in DATA} - names
    assert not missing
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"augenblick", "augenblick_bench", "augenblick_native"}


def test_wheel_works_alone(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = (
        "import sys; sys.path.insert(0, 'site')\n"
        "import augenblick, augenblick_native, augenblick.cli\n"
        "for module in (augenblick, augenblick_native):\n"
        "    assert 'site' in module.__file__, module.__file__\n"
        "sys.argv = ['augenblick', 'simulate', 'example:otto']\n"
        "augenblick.cli.main()\n"
    )
    (tmp_path / "run.py").write_text(program)
    out = run(sys.executable, "run.py", cwd=tmp_path)
    assert '"kind":"firing"' in out.replace(" ", "")


def test_the_tree_is_left_alone(wheel):
    assert not os.path.exists(ROOT / "dist")
