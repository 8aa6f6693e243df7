"""On which machine a shard is put: the living one that has the fewest of them. No input or output.

N shards on N living machines are so one to a machine, whoever asks and in whatever order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


class ShardPlaces:
    """Where each shard is, or was put last, by its machine's address; one per asker."""

    def __init__(self) -> None:
        self._places: dict[int, str] = {}

    def learn(self, hosts: Sequence[str]) -> None:
        """The addresses of the shards that are there now, by index; "" for one that is not."""
        self._places |= {shard: host for shard, host in enumerate(hosts) if host}

    def choose(self, shard: int, living: Sequence[str]) -> int:
        """The index of the machine for this shard; of equally used ones each shard begins with
        another, so that the choice is also good where nothing is known.
        """
        used = Counter(host for index, host in self._places.items() if index != shard)
        turn = len(living)
        chosen = min(range(turn), key=lambda index: (used[living[index]], (index - shard) % turn))
        self._places[shard] = living[chosen]
        return chosen
