"""Fuzz the targets, each in a process of its own: `make fuzz`.

Exit code 1 if anything was found: the input is then in build/fuzz/TARGET.bin, and
`python -m tests.fuzz.run TARGET --input build/fuzz/TARGET.bin` tries it again. `--keep` puts the
inputs with outcomes of their own into tests/fuzz/corpora.
"""

import argparse
import multiprocessing
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from mmap import mmap
from pathlib import Path

from tests.fuzz.fuzzing import fuzz, keep
from tests.fuzz.targets import TARGETS

FINDINGS = Path("build", "fuzz")
NOTE_BYTES = 64 * 1024
SIZE_BYTES = 4


def fuzz_noted(name: str, runs: int, seed: int, note_path: Path, *, is_kept: bool) -> None:
    """In a process of its own; the input at hand is in the file, also when the process dies."""
    with note_path.open("r+b") as file, mmap(file.fileno(), NOTE_BYTES) as view:

        def note(data: bytes) -> None:
            view[: SIZE_BYTES + len(data)] = len(data).to_bytes(SIZE_BYTES, "little") + data

        began_s = time.monotonic()
        found = fuzz(TARGETS[name], runs, seed, note)
    seconds = max(time.monotonic() - began_s, 1e-9)
    if is_kept:
        keep(name, found)
    print(f"{name}: {found.runs:,} runs, {found.runs / seconds:,.0f} a second, "
          f"{len(found.outcomes)} outcomes", flush=True)  # fmt: skip


def fuzz_one(name: str, runs: int, seed: int, *, is_kept: bool) -> bool:
    """Did the process end well? If not, its last input is kept as a finding."""
    FINDINGS.mkdir(parents=True, exist_ok=True)
    note_path = FINDINGS / f"{name}.note"
    note_path.write_bytes(bytes(NOTE_BYTES))
    process = multiprocessing.get_context("spawn").Process(
        target=fuzz_noted, args=(name, runs, seed, note_path), kwargs={"is_kept": is_kept}
    )
    process.start()
    process.join()
    noted = note_path.read_bytes()
    note_path.unlink()
    if process.exitcode == 0:
        return True
    size = int.from_bytes(noted[:SIZE_BYTES], "little")
    path = FINDINGS / f"{name}.bin"
    path.write_bytes(noted[SIZE_BYTES : SIZE_BYTES + size])
    print(f"{name}: ended with {process.exitcode}; the input is {path}", flush=True)
    return False


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 if nothing was found."""
    parser = argparse.ArgumentParser("tests.fuzz.run", description=__doc__)
    parser.add_argument("target", nargs="*", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--runs", type=int, default=1_000_000, help="of each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="renew tests/fuzz/corpora")
    parser.add_argument("--input", type=Path, help="try just this file")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.target) - set(TARGETS):
        parser.error(f"no target {unknown.pop()!r}; there are {', '.join(TARGETS)}")
    names = chosen.target or list(TARGETS)
    if chosen.input:
        for name in names:
            print(name, TARGETS[name].prepare()(chosen.input.read_bytes()))
        return 0

    def one(name: str) -> bool:
        return fuzz_one(name, chosen.runs, chosen.seed, is_kept=chosen.keep)

    with ThreadPoolExecutor(multiprocessing.cpu_count()) as pool:
        return 0 if all(list(pool.map(one, names))) else 1


if __name__ == "__main__":
    sys.exit(main())
