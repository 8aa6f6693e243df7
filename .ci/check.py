"""Run every static check, all of them even if one fails; called by `make check`.

Prints the name of each check and, for the ones that fail, what they printed. Exit code 1 if any
failed, 2 for an unknown name.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
BIN = Path(PYTHON).parent
CHECKS: dict[str, list[str]] = {
    "format": [str(BIN / "ruff"), "format", "--check", "--diff", "."],
    "lint": [str(BIN / "ruff"), "check", "."],
    "cython-lint": [str(BIN / "cython-lint"), "native"],
    "types": [PYTHON, "-m", "mypy"],
    "stubs": [
        PYTHON,
        "-m",
        "mypy.stubtest",
        "augenblick_native",
        "--mypy-config-file",
        "pyproject.toml",
        "--ignore-missing-stub",
        "--allowlist",
        ".ci/stubs-allowed",
        "--ignore-unused-allowlist",
    ],
    "tidy": [PYTHON, "-m", "pytest", "--quiet", "--no-header", "tests/tidy"],
}


def run(name: str, command: list[str]) -> bool:
    """Run one check; true when it passes."""
    started = time.monotonic()
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # cython-lint calls pycodestyle
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    passed = done.returncode == 0
    seconds = time.monotonic() - started
    print(f"{name:12} {'ok' if passed else 'FAILED'}  {seconds:.1f} s", flush=True)
    if not passed:
        print(done.stdout, flush=True)
    return passed


def main(names: list[str]) -> int:
    """Run the named checks, or all."""
    unknown = set(names) - set(CHECKS)
    if unknown:
        print(f"unknown check {', '.join(unknown)}; known: {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    results = [run(name, command) for name, command in CHECKS.items() if name in (names or CHECKS)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
