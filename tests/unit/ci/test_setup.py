"""`make setup` names what is missing and does nothing when nothing changed."""

import ast
import shutil
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PYPROJECT = (ROOT / "pyproject.toml").read_bytes()


@pytest.fixture
def setup_script(tmp_path, monkeypatch):
    spec = spec_from_file_location("setup_script", ROOT / ".ci" / "setup.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "installed")
    (tmp_path / "pyproject.toml").write_bytes(PYPROJECT)
    module.calls = []

    def install():
        module.VENV.mkdir(exist_ok=True)
        module.calls.append("install")

    monkeypatch.setattr(module, "install", install)
    return module


def test_installs_once(setup_script):
    assert setup_script.main() == 0
    assert setup_script.main() == 0
    assert setup_script.calls == ["install"]


def test_installs_again_when_a_dependency_changes(setup_script, tmp_path):
    setup_script.main()
    changed = PYPROJECT.replace(b'"msgpack>=1.1,<2"', b'"msgpack>=1.2,<2"')
    assert changed != PYPROJECT
    (tmp_path / "pyproject.toml").write_bytes(changed)
    setup_script.main()
    assert setup_script.calls == ["install", "install"]


def test_a_linter_setting_installs_nothing(setup_script, tmp_path):
    setup_script.main()
    (tmp_path / "pyproject.toml").write_bytes(PYPROJECT + b"\n[tool.other]\nx = 1\n")
    setup_script.main()
    assert setup_script.calls == ["install"]


@pytest.mark.parametrize(
    ("command", "package"), [(("cc", "gcc"), "gcc"), (("make",), "make")], ids=["gcc", "make"]
)
def test_names_a_missing_command(setup_script, monkeypatch, capsys, command, package):
    which = shutil.which
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(
        setup_script.shutil, "which", lambda name: None if name in command else which(name)
    )
    assert setup_script.main() == 1
    assert f"sudo apt-get install {package}\n" in capsys.readouterr().err
    assert not setup_script.calls


def test_names_a_missing_module(setup_script, monkeypatch, capsys):
    monkeypatch.setattr(setup_script, "find_spec", lambda name: None)
    assert setup_script.main() == 1
    assert "python3-venv" in capsys.readouterr().err


def test_names_missing_headers(setup_script, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(setup_script.sysconfig, "get_path", lambda name: str(tmp_path))
    assert setup_script.main() == 1
    assert "python3-dev" in capsys.readouterr().err


@pytest.mark.parametrize("version", [(3, 10, 4), (3, 14, 0)])
def test_refuses_another_python(setup_script, monkeypatch, capsys, version):
    monkeypatch.setattr(setup_script.sys, "version_info", version)
    assert setup_script.main() == 1
    assert f"is {'.'.join(map(str, version))}; name another" in capsys.readouterr().err


def test_a_failed_install_leaves_no_mark(setup_script, monkeypatch, capsys):
    def fail():
        raise setup_script.subprocess.CalledProcessError(1, ["pip", "install"])

    monkeypatch.setattr(setup_script, "install", fail)
    assert setup_script.main() == 1
    assert "failed: pip install" in capsys.readouterr().err
    assert not setup_script.STAMP.exists()


def test_runs_on_every_declared_python():
    assert setup_versions() == ((3, 11), (3, 13))
    assert b'requires-python = ">=3.11,<3.14"' in PYPROJECT
    assert sys.version_info[:2] >= (3, 11)


def setup_versions() -> tuple[tuple[int, int], tuple[int, int]]:
    line = next(
        line
        for line in (ROOT / ".ci" / "setup.py").read_text().splitlines()
        if line.startswith("OLDEST, NEWEST")
    )
    return ast.literal_eval(line.split("=")[1].strip())
