"""Build the native modules with every check and the sanitizers, and run their tests under them.

Called by `make sanitized`; arguments go on to pytest (default: the tests that reach native code).
The tree is copied to build/sanitized, so that the modules beside the sources stay as they are. What
is found ends the run: memory errors by AddressSanitizer, undefined behaviour by UBSan, bounds by
Cython. Leaks are not looked for: Python itself never frees all it has; the tests of the kernel
count its records instead.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPY = ROOT / "build" / "sanitized"
PARTS = ("native", "engine", "bench", "tests", "setup.py", "pyproject.toml")
SANITIZERS = "-fsanitize=address,undefined"
TESTS = (
    "tests/scenario",
    "tests/fuzz",
    "tests/unit/native",
    "tests/unit/binding",
    "tests/unit/kernel_properties",
)


def copy_tree() -> None:
    """Bring the copy up to date; unchanged files keep their time, so that little is built anew."""
    COPY.mkdir(parents=True, exist_ok=True)
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *PARTS]
    found = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True)
    wanted = {name for name in found.stdout.splitlines() if (ROOT / name).is_file()}
    for folder in PARTS[:4]:
        for path in (COPY / folder).rglob("*"):
            name = str(path.relative_to(COPY))
            if path.is_file() and name not in wanted and path.suffix not in {".so", ".pyc"}:
                path.unlink()
    for name in wanted:
        source, target = ROOT / name, COPY / name
        if not target.exists() or target.stat().st_mtime != source.stat().st_mtime:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def runtime(name: str) -> str:
    """The sanitizer's library, which must be there before Python's own."""
    command = [os.environ.get("CC", "gcc"), f"-print-file-name={name}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def build() -> None:
    """Compile in the copy, in the debug mode."""
    environment = {
        **os.environ,
        "AUGENBLICK_BUILD": "debug",
        "CFLAGS": f"{SANITIZERS} -fno-sanitize-recover=undefined",
        "LDFLAGS": SANITIZERS,
    }
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    subprocess.run(command, cwd=COPY, env=environment, check=True)


def test(arguments: list[str]) -> int:
    """Run pytest in the copy; its exit code."""
    folders = [COPY, *(COPY / name for name in ("engine", "native", "bench"))]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
        "LD_PRELOAD": f"{runtime('libasan.so')} {runtime('libubsan.so')}",
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        "PYTHONMALLOC": "malloc",
        "AUGENBLICK_EXAMPLES": os.environ.get("AUGENBLICK_EXAMPLES", "10"),
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--timeout=600",
        "-m",
        "not long and not system",
    ]
    return subprocess.run([*command, *arguments], cwd=COPY, env=environment, check=False).returncode


def main(arguments: list[str]) -> int:
    """Exit code of the tests, or 1 when building fails."""
    copy_tree()
    try:
        build()
    except subprocess.CalledProcessError:
        print("the sanitized build failed", file=sys.stderr)
        return 1
    return test(arguments or list(TESTS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
