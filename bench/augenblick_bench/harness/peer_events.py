"""Events that another engine can be given as well: a day of views, carts and purchases.

Every event has a millisecond of its own, so that no engine has to decide a tie; 5 % arrive up to
4.5 s after their time, none twice. As CSV rows `user,ms,kind` for the peers, as Forward entries
with all properties for ours.
"""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from augenblick_bench.harness.events import BEHIND_MS, KINDS, Block, EventMaker, Traffic

DAY_MS: Final = 86_400_000
BASE_MS: Final = 1_699_920_000_000  # midnight
EVENTS_PER_USER: Final = 20  # on average
SHARES: Final = (0.90, 0.05, 0.05)  # view, add_to_cart, purchase
BLOCK_EVENTS: Final = 100_000


class PeerEvents(EventMaker):
    """So many events of one day, in the order in which they arrive."""

    def __init__(self, count: int) -> None:
        super().__init__(Traffic(max(count // EVENTS_PER_USER, 10), BASE_MS, count / 86_400))
        rng = np.random.default_rng(count)
        numbers = np.arange(count)
        self.time_ms: NDArray[np.int64] = BASE_MS + numbers * DAY_MS // count
        user = np.searchsorted(self._below, rng.random(count))
        self.user = np.minimum(user, self.traffic.users - 1).astype(np.int64)
        self.kind = np.searchsorted(np.cumsum(SHARES), rng.random(count)).clip(0, 2)
        delay_ms = np.where(rng.random(count) < 0.05, rng.integers(1, BEHIND_MS, count), 0)
        order = np.argsort(self.time_ms + delay_ms, kind="stable")
        for column in (self.time_ms, self.user, self.kind):
            column[:] = column[order]

    def __len__(self) -> int:
        return len(self.time_ms)

    def write_csv(self, path: Path) -> None:
        """`user,ms,kind` rows without a head."""
        columns = zip(self.user.tolist(), self.time_ms.tolist(), self.kind.tolist(), strict=True)
        with path.open("w", encoding="ascii") as file:
            file.writelines(
                f"user{user:012d},{time_ms},{KINDS[kind]}\n" for user, time_ms, kind in columns
            )

    def entries(self) -> list[Block]:
        """The same events as Forward entries."""
        blocks = []
        rng = np.random.default_rng(1)
        for first in range(0, len(self), BLOCK_EVENTS):
            part = slice(first, first + BLOCK_EVENTS)
            numbers = np.arange(first, first + len(self.user[part]))
            choice = np.stack([numbers % 2, numbers % 8])
            blocks.append(
                self._encode(
                    numbers, self.user[part], self.kind[part], self.time_ms[part], choice, rng
                )
            )
        return blocks
