"""Make an environment below build/peers for each peer: `python bench/peers/install.py [PEER...]`.

Nothing goes into .venv. What cannot be installed is named and left out; exit code 1 then. Flink
needs Java 17 (Debian: openjdk-17-jre-headless), Redis its server (Debian: redis-server).
"""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "peers"
NEEDS = {"flink": "java", "redis": "redis-server"}


def install(name: str) -> str | None:
    """Why it failed; None when it is there."""
    command = NEEDS.get(name)
    if command and shutil.which(command) is None:
        return f"{command} is not installed"
    wanted = HERE / name / "requirements.txt"
    folder = BUILD / name
    stamp = folder / "installed.txt"
    if stamp.exists() and stamp.read_text() == wanted.read_text():
        return None
    python = str(folder / "bin" / "python")
    steps = [
        [sys.executable, "-m", "venv", str(folder)],
        [python, "-m", "pip", "install", "--quiet", "--requirement", str(wanted)],
    ]
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            return (done.stderr.strip() or "no reason given").splitlines()[-1]
    shutil.copyfile(wanted, stamp)
    return None


def main(names: list[str]) -> int:
    """Exit code 0 if all that were asked for are there."""
    known = sorted(path.parent.name for path in HERE.glob("*/requirements.txt"))
    if unknown := set(names) - set(known):
        print(f"no peer {unknown.pop()!r}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    failed = False
    for name in names or known:
        problem = install(name)
        print(f"{name:10} {problem or 'ready'}", flush=True)
        failed = failed or problem is not None
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
