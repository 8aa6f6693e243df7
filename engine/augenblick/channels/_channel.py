"""What every action channel is: the contract of this package."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from augenblick.binding.releases import unpack
from augenblick.errors import DeliveryFailed


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """What the operator, not the plan, decides about what leaves; plain values, never secrets.

    data_dir          the engine's data directory; files are written below `data_dir/out`
    file_allow        further directories below which a plan may write files
    webhook_allow     networks (CIDR) that a webhook may reach although they are not public
    loopback_allowed  whether a webhook may reach this machine: when serving on loopback only
    secrets           the `env:NAME` and `file:PATH` references that a plan may name
    """

    data_dir: Path
    file_allow: tuple[Path, ...] = ()
    webhook_allow: tuple[str, ...] = ()
    loopback_allowed: bool = False
    secrets: tuple[str, ...] = ()


class Attempt(NamedTuple):
    """One attempt to carry out an action for one record.

    `key` is equal in every attempt of one record: targets recognise a repetition by it. `packed` is
    the record as msgpack. `number` counts attempts from 1.
    """

    key: str
    packed: bytes
    number: int

    @property
    def record(self) -> dict[str, Any]:
        """The record, unpacked anew at each call."""
        found: dict[str, Any] = unpack(self.packed)
        return found


class Channel(ABC):
    """One action's way out; made, opened, used and closed by the delivery runner, on one loop.

    The constructor checks the parameters and opens nothing; it raises PlanError for what the plan
    says wrongly and UsageError for what the operator has not allowed. `deliver` may run many times
    at once, up to `concurrency_max`; it never blocks the loop and ends within
    limits.delivery_attempt_seconds_max, or is cancelled then.
    """

    PARAMETERS: ClassVar[
        frozenset[str]
    ]  # every parameter's name; the first form's is the channel's
    concurrency_max: int = 16
    records_max: int = 1  # that one call may carry: above 1, `deliver_all` gets what is due
    apart_ms: float = 0.0  # at most one call begins in each such interval: records gather

    @abstractmethod
    def __init__(self, action: str, parameters: dict[str, Any], settings: ChannelSettings) -> None:
        """Check the parameters, resolve secrets."""

    @abstractmethod
    async def open(self) -> None:
        """Get ready; reaches no target yet. Raises StorageError if that cannot be."""

    @abstractmethod
    async def deliver(self, attempt: Attempt) -> None:
        """Return once the target has accepted the record; raise DeliveryFailed when it has not."""

    async def deliver_all(self, attempts: Sequence[Attempt]) -> list[DeliveryFailed | None]:
        """Deliver and return what became of each: None if the target has accepted it.

        A channel to which many cost little more than one overrides this and sets `records_max`.
        """
        outcomes: list[DeliveryFailed | None] = []
        for attempt in attempts:
            try:
                await self.deliver(attempt)
                outcomes.append(None)
            except DeliveryFailed as failure:
                outcomes.append(failure)
        return outcomes

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything; no attempt is running any more. Harmless when not open."""
