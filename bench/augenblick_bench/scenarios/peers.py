"""The same three jobs on our kernel and on others, over the same events: without durability.

One table, never mixed with figures of a whole system. A peer that is not installed is named, and
one whose answer differs from ours has no figure.
"""

import multiprocessing
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from augenblick import EngineUnavailable, UsageError
from augenblick_bench.harness.peer_events import PeerEvents
from augenblick_bench.harness.peer_jobs import (
    SCRIPTS,
    Outcome,
    chosen_jobs,
    is_installed,
    ours,
    peers,
    run_peer,
)
from augenblick_bench.harness.report import Result
from augenblick_bench.harness.scenario import Options, Scenario

EVENTS = 200_000
OTHER_EVENTS = {"bytewax": 20_000, "flink": 1_000_000}  # slow ones fewer, slow starters more


class Peers(Scenario):
    """Ours with as many events as the peer gets; `--rate N`: events of each run.

    AUGENBLICK_PEERS and AUGENBLICK_JOBS in the environment name some of each, separated by commas.
    """

    description = "sessions, hopping windows, abandoned carts: our kernel and others, no durability"
    is_default = False

    def run(self, options: Options) -> Iterator[Result]:
        """A result for each job and engine."""
        if not SCRIPTS.is_dir():
            raise UsageError("the peers' jobs are in the source tree only")
        wanted = os.environ.get("AUGENBLICK_PEERS", "").split(",")
        wanted = wanted if any(wanted) else peers()
        if unknown := set(wanted) - set(peers()):
            raise UsageError(f"no peer {unknown.pop()!r}; there are {', '.join(peers())}")
        there = [peer for peer in wanted if is_installed(peer)]
        for peer in sorted(set(wanted) - set(there)):
            print(f"{peer}: not installed (python bench/peers/install.py {peer})", file=sys.stderr)
        sizes = {peer: options.rate or OTHER_EVENTS.get(peer, EVENTS) for peer in there}
        with TemporaryDirectory(prefix="augenblick-peers-") as folder:
            for count in sorted(set(sizes.values()) or {EVENTS}, reverse=True):
                path = Path(folder, f"{count}.csv")
                chosen = [peer for peer, size in sizes.items() if size == count]
                yield from _compared(count, path, chosen)


def _compared(count: int, path: Path, chosen: list[str]) -> Iterator[Result]:
    """Every job with so many events."""
    PeerEvents(count).write_csv(path)
    for job in chosen_jobs():
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            own = pool.apply(measured, (job, count))
        yield _result("augenblick", job, count, own, own)
        for peer in chosen:
            found = run_peer(peer, job, str(path))
            if found.answer != own.answer:
                raise EngineUnavailable(
                    f"{peer} {job}: {found.answer}, ours {own.answer}: no figure"
                )
            yield _result(peer, job, count, found, own)


def measured(job: str, count: int) -> Outcome:
    """Ours, in a process of its own."""
    return ours(job, PeerEvents(count))


def _result(engine: str, job: str, count: int, found: Outcome, own: Outcome) -> Result:
    facts = {
        "engine": engine,
        "job": job,
        "answer": found.answer,
        "times_ours_seconds": round(found.seconds / own.seconds, 2),
        "times_ours_cpu": round(found.cpu_s / own.cpu_s, 2),
    }
    cpu_s = {"all": round(found.cpu_s, 4)}
    return Result("peers", f"{job}, {engine}", count, found.seconds, cpu_s, facts=facts)


SCENARIO = Peers()
