"""Create .venv and install the package into it, editable, with what developing needs.

Called by `make setup` with the system's Python; runs again only when pyproject.toml or the Python
changed. Names the Debian package for whatever is missing. Only the standard library is there yet.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed"
OLDEST, NEWEST = (3, 11), (3, 13)


def missing_packages() -> list[str]:
    """The Debian packages without which nothing can be installed or built."""
    missing = []
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        missing.append("python3-venv")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        missing.append("python3-dev")
    if not any(shutil.which(name) for name in (os.environ.get("CC", "cc").split()[0], "gcc")):
        missing.append("gcc")
    if shutil.which("make") is None:
        missing.append("make")
    return missing


def fingerprint(pyproject: bytes) -> str:
    """What decides the content of .venv: the declared packages and this Python."""
    declared = tomllib.loads(pyproject.decode())
    parts = (
        sys.version_info[:3],
        declared["build-system"],
        {key: value for key, value in declared["project"].items() if key != "description"},
        declared["dependency-groups"],
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def install() -> None:
    """Fill .venv; pip's own output is the progress that is shown."""
    python = str(VENV / "bin" / "python")
    if not Path(python).exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--upgrade", "pip>=25.1"], check=True, cwd=ROOT)  # knows --group
    subprocess.run([*pip, "--group", "dev"], check=True, cwd=ROOT)
    subprocess.run(
        [*pip, "--no-build-isolation", "--editable", ".[bench]"],
        check=True,
        cwd=ROOT,
        env={**os.environ, "AUGENBLICK_BUILD": "none"},  # `make build` compiles, once
        stderr=subprocess.PIPE,  # setuptools' remarks on editable installs; shown when it fails
        text=True,
    )


def main() -> int:
    """Exit code 0 when .venv is ready, 1 when something is missing or fails."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        found = ".".join(map(str, sys.version_info[:3]))
        print(
            f"Python 3.11, 3.12 or 3.13 is needed, {sys.executable} is {found}; "
            "name another one with `make setup PYTHON=...`",
            file=sys.stderr,
        )
        return 1
    if missing := missing_packages():
        print(
            "Missing Debian packages; install them with\n"
            f"  sudo apt-get install {' '.join(missing)}",
            file=sys.stderr,
        )
        return 1
    wanted = fingerprint((ROOT / "pyproject.toml").read_bytes())
    if STAMP.exists() and STAMP.read_text() == wanted:
        return 0
    print("Installing into .venv (a few minutes the first time) ...", flush=True)
    try:
        install()
    except subprocess.CalledProcessError as error:
        print(f"{error.stderr or ''}failed: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        return 1
    STAMP.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
