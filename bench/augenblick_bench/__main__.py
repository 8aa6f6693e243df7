"""`python -m augenblick_bench`: run scenarios, print what they found, add it to the results."""

import argparse
import json
import os
import shlex
import signal
import sys
from pathlib import Path
from types import FrameType

from augenblick import AugenblickError
from augenblick_bench.harness.chart import draw
from augenblick_bench.harness.report import append
from augenblick_bench.harness.scenario import Options
from augenblick_bench.scenarios import SCENARIOS

_IN_SOURCE_TREE = Path("bench", "results")
_ELSEWHERE = Path("augenblick-bench-results")
_SETTINGS = {
    "AUGENBLICK_DURABILITY",
    "AUGENBLICK_JOBS",
    "AUGENBLICK_PEERS",
}  # what changes the figures


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when every scenario was measured, 1 when one failed, 2 for bad usage."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    scenarios = SCENARIOS.all()
    if chosen.list:
        for name, scenario in scenarios.items():
            print(f"{name:12} {scenario.description}")
        return 0
    unknown = [name for name in chosen.scenario if name not in scenarios]
    if unknown:
        parser.error(f"no scenario {unknown[0]!r}; there are {', '.join(scenarios)}")
    names = chosen.scenario or [name for name, one in scenarios.items() if one.is_default]
    out = chosen.out or (_IN_SOURCE_TREE if _IN_SOURCE_TREE.is_dir() else _ELSEWHERE)
    options = Options(
        chosen.seconds,
        chosen.rate,
        chosen.users,
        chosen.shards,
        chosen.connections,
        chosen.rounds,
    )
    signal.signal(signal.SIGTERM, _end)
    failed = [name for name in names if not _run(name, options, out, as_json=chosen.json)]
    return 1 if failed else 0


def _run(name: str, options: Options, out: Path, *, as_json: bool) -> bool:
    """One scenario; did it end well?"""
    settings = (f"{key}={value}" for key, value in sorted(os.environ.items()) if key in _SETTINGS)
    command = shlex.join([*settings, "python", "-m", "augenblick_bench", *sys.argv[1:]])
    results = []
    try:
        for result in SCENARIOS.get(name).run(options):
            line = append(result, command, out)
            print(json.dumps(line) if as_json else result.text(), flush=True)
            results.append(result)
    except AugenblickError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return False
    if results and not draw(results, out / f"{name}.png"):
        text = "no chart: matplotlib is not installed (pip install augenblick[bench])"
        print(text, file=sys.stderr)
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("augenblick_bench", description=__doc__)
    parser.add_argument("scenario", nargs="*", help="what to run; the default is everything")
    parser.add_argument("--list", action="store_true", help="name the scenarios and end")
    parser.add_argument("--seconds", type=float, help="length of each run")
    parser.add_argument("--rate", type=int, help="events per second (throughput: open loop)")
    parser.add_argument("--users", type=int, help="users with state")
    parser.add_argument("--shards", type=int, help="shard processes")
    parser.add_argument("--connections", type=int, help="client connections")
    parser.add_argument("--rounds", type=int, help="how often what is compared runs in turn")
    parser.add_argument("--json", action="store_true", help="print the lines as JSON")
    parser.add_argument("--out", type=Path, help=f"folder of the results ({_IN_SOURCE_TREE})")
    return parser


def _end(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends the run and, on the way out, everything it started."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
