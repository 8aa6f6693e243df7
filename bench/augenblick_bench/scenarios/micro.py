"""The micro-benchmarks of bench/micro, by pytest-benchmark; only from a source tree."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from augenblick import UsageError
from augenblick_bench.harness.report import Result
from augenblick_bench.harness.scenario import Options, Scenario

FOLDER = Path(__file__).parents[2] / "micro"


class Micro(Scenario):
    """Every micro-benchmark; each round's best counts."""

    description = "micro-benchmarks of the native pieces (pytest-benchmark)"

    def run(self, options: Options) -> Iterator[Result]:
        """One result for each benchmark."""
        if not FOLDER.is_dir():
            raise UsageError("the micro-benchmarks are in the source tree only")
        with TemporaryDirectory() as directory:
            found = Path(directory, "micro.json")
            command = [sys.executable, "-m", "pytest", str(FOLDER), "-q", "--benchmark-disable-gc"]
            command += ["--benchmark-timer=time.process_time"]  # others on the machine count less
            done = subprocess.run(
                [*command, f"--benchmark-json={found}"],
                cwd=FOLDER.parents[1],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise UsageError(f"the micro-benchmarks failed:\n{done.stdout}")
            document = json.loads(found.read_text())
        for one in document["benchmarks"]:
            extra = one["extra_info"]
            best_s = one["stats"]["min"]
            events = extra.get("events", 1)
            facts = {
                "ns_per_event": round(best_s / events * 1e9, 1),
                "rounds": one["stats"]["rounds"],
            }
            variant = one["name"].removeprefix("test_")
            yield Result("micro", variant, events, best_s, {"one core": best_s}, facts=facts)


SCENARIO = Micro()
