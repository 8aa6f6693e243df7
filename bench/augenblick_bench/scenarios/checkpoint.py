"""What journal and checkpoints cost: the throughput scenario with, without and almost without."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from augenblick_bench.harness.report import Result
from augenblick_bench.harness.scenario import Options, Scenario
from augenblick_bench.harness.throughput import measure

ROUNDS: Final = 3
NOTHING, JOURNAL, ALL = "nothing on disk", "journal", "journal and checkpoints"
FLAGS: Final = {
    NOTHING: ("--durability", "none"),
    JOURNAL: ("--replay-max", "1000000000"),  # every key group once a minute
    ALL: (),
}


class Checkpoint(Scenario):
    """The three in turn, `--rounds` times, each an engine of its own; then the ratios of medians.

    `--rate` makes the runs open loop: then only CPU and latency can differ.
    """

    description = "throughput without a journal, with it, and with checkpoints; ratios"
    is_default = False

    def run(self, options: Options) -> Iterator[Result]:
        """Three results each round, then one with the ratios."""
        found: dict[str, list[Result]] = {name: [] for name in FLAGS}
        for _ in range(options.rounds or ROUNDS):
            for name, flags in FLAGS.items():
                one = measure(options, *flags)
                one = replace(one, scenario="checkpoint", variant=f"{one.variant}, {name}")
                found[name].append(one)
                yield one
        yield _ratios(found)


def _ratios(found: dict[str, list[Result]]) -> Result:
    """Cost in percent: events a second that are lost, CPU that is added; and ms of latency."""

    def median(figure: Callable[[Result], float]) -> dict[str, float]:
        return {name: statistics.median(map(figure, runs)) for name, runs in found.items()}

    rate = median(lambda one: one.events_per_s)
    core = median(lambda one: one.events_per_s_per_core)
    p50_ms = median(lambda one: one.latency_ms["p50"])
    facts = {
        "rounds": len(found[ALL]),
        "journal_throughput_cost_percent": _lost(rate[NOTHING], rate[ALL]),
        "checkpoint_throughput_cost_percent": _lost(rate[JOURNAL], rate[ALL]),
        "journal_cpu_cost_percent": _lost(core[NOTHING], core[ALL]),
        "checkpoint_cpu_cost_percent": _lost(core[JOURNAL], core[ALL]),
        "journal_ack_p50_cost_ms": round(p50_ms[ALL] - p50_ms[NOTHING], 2),
    }
    shared = found[ALL][0].variant.removesuffix(f", {ALL}")
    seconds = sum(one.seconds for runs in found.values() for one in runs)
    return Result("checkpoint", f"{shared}, costs", 0, seconds, facts=facts)


def _lost(without: float, with_it: float) -> float:
    return round((1 - with_it / without) * 100, 1)


SCENARIO = Checkpoint()
