"""Socket to firing: how many events a second one machine takes, every process counted."""

from collections.abc import Iterator

from augenblick_bench.harness.report import Result
from augenblick_bench.harness.scenario import Options, Scenario
from augenblick_bench.harness.throughput import measure


class Throughput(Scenario):
    """Closed loop at the highest rate; open loop if `--rate` is given."""

    description = "socket to firing at the highest rate, reference plan"

    def run(self, options: Options) -> Iterator[Result]:
        """One run."""
        yield measure(options)


SCENARIO = Throughput()
