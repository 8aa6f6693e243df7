"""What a scenario is: one file, one object, some results."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

from augenblick_bench.harness.report import Result


@dataclass(frozen=True)
class Options:
    """What the command line asks for; None means the scenario's own choice."""

    seconds: float | None = None
    rate: int | None = None
    users: int | None = None
    shards: int | None = None
    connections: int | None = None
    rounds: int | None = None


class Scenario(ABC):
    """One thing that is measured. `description` is one line; `is_default`: part of `make bench`."""

    description: str
    is_default: bool = True

    @abstractmethod
    def run(self, options: Options) -> Iterator[Result]:
        """Measure; one result for each run, as they come. Leaves no process behind."""
