"""What one stimulus of the delivery core has led to, and what of it is on its way to the disk."""

from dataclasses import dataclass
from typing import Any

from augenblick.core.delivery_target import Delivery
from augenblick.core.effects import Effect


@dataclass(slots=True)
class Write:
    """Dead letters on their way to disk: how many, whose final outcome they are, who is to hear."""

    letters: int
    deliveries: list[Delivery]
    answer: tuple[str, int] | None


class Turn:
    """What one stimulus has led to so far."""

    def __init__(self, now_ms: float) -> None:
        self.now_ms = now_ms
        self.effects: list[Effect] = []
        self.touched: dict[str, None] = {}  # actions, in order
        self.letters: list[dict[str, Any]] = []
        self.given_up: list[Delivery] = []
        self.outcomes: dict[tuple[str, int], list[tuple[int, str]]] = {}

    def settled(self, sender: str, seq: int, index: int, outcome: str) -> None:
        """Note that a record of a sender's batch is final."""
        self.outcomes.setdefault((sender, seq), []).append((index, outcome))
