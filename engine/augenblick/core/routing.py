"""The routing table: which shard owns which key groups, and where everybody listens.

The coordinator makes it and pushes it to all; each version has a higher epoch. Pure values.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

KEY_GROUPS: Final = 4096


@dataclass(frozen=True, slots=True)
class ShardRoute:
    """One shard: key groups `first` to `last`, both inclusive; `address` is "" while nobody
    serves.
    """

    index: int
    address: str
    incarnation: int
    epoch: int
    first: int
    last: int

    @property
    def name(self) -> str:
        """Its name on the link."""
        return shard_name(self.index)


@dataclass(frozen=True, slots=True)
class Route:
    """A peer that owns no key groups (delivery, a trigger host); `address` is "" while it is
    away.
    """

    name: str
    address: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """One version of the table; `gateways` are the names of all gateways that count for the
    clock.
    """

    epoch: int
    shards: tuple[ShardRoute, ...]
    gateways: tuple[str, ...]
    delivery: Route
    hosts: tuple[Route, ...]

    def to_header(self) -> dict[str, Any]:
        """The TABLE message's header."""
        return {
            "epoch": self.epoch,
            "shards": [
                [one.index, one.address, one.incarnation, one.epoch, one.first, one.last]
                for one in self.shards
            ],
            "gateways": list(self.gateways),
            "delivery": [self.delivery.name, self.delivery.address, self.delivery.incarnation],
            "hosts": [[one.name, one.address, one.incarnation] for one in self.hosts],
        }

    @staticmethod
    def from_header(header: dict[str, Any]) -> RoutingTable:
        """The table of a TABLE message."""
        return RoutingTable(
            epoch=header["epoch"],
            shards=tuple(ShardRoute(*row) for row in header["shards"]),
            gateways=tuple(header["gateways"]),
            delivery=Route(*header["delivery"]),
            hosts=tuple(Route(*row) for row in header["hosts"]),
        )

    def shard_of_key_group(self) -> list[int]:
        """The owner's shard index for each key group."""
        owners = [0] * KEY_GROUPS
        for shard in self.shards:
            owners[shard.first : shard.last + 1] = [shard.index] * (shard.last - shard.first + 1)
        return owners


def even_ranges(shards: int) -> list[tuple[int, int]]:
    """Contiguous key group ranges (first, last; inclusive) for so many shards, sizes differing by
    at most one.
    """
    bounds = [KEY_GROUPS * index // shards for index in range(shards + 1)]
    return [(first, after - 1) for first, after in pairwise(bounds)]


def shard_name(index: int) -> str:
    """A shard's name on the link."""
    return f"shard-{index}"


def spare_name(index: int) -> str:
    """The link name of the spare on the machine of this shard."""
    return f"spare-{index}"


def gateway_name(index: int) -> str:
    """A gateway's name on the link."""
    return f"gateway-{index}"


def host_name(trigger: str) -> str:
    """The link name of the host that runs a custom trigger."""
    return f"trigger-{trigger}"
