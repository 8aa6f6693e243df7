"""What the routing table says to a shard: whom to dial, whose clocks count, what is its own."""

from __future__ import annotations

from typing import Any

from augenblick.core.effects import Connect, Disconnect, Effect
from augenblick.core.routing import RoutingTable
from augenblick.core.shard_clock import GatewayClocks


class ShardTable:
    """The latest table that one shard has heard of; `key_groups` counts its own."""

    def __init__(self, index: int, clocks: GatewayClocks) -> None:
        self.key_groups = 0
        self._index = index
        self._clocks = clocks
        self._table: RoutingTable | None = None
        self._early: dict[str, Any] | None = None

    def on_table(self, header: dict[str, Any], *, is_recovering: bool) -> list[Effect]:
        """A table of the coordinator's; while the shard recovers it is kept for `on_recovered`. An
        older one than the latest is passed over.
        """
        if is_recovering:
            self._early = header
            return []
        table = RoutingTable.from_header(header)
        if self._table is not None and table.epoch < self._table.epoch:
            return []
        before = {route.name for route in self._table.hosts} if self._table else set()
        self._table = table
        self._clocks.on_table(table.gateways)
        mine = [route for route in table.shards if route.index == self._index]
        self.key_groups = sum(route.last - route.first + 1 for route in mine)
        effects: list[Effect] = [
            Connect(route.name, route.address, route.incarnation)
            for route in (table.delivery, *table.hosts)
            if route.address
        ]
        gone = before - {route.name for route in table.hosts}
        return [*effects, *(Disconnect(name) for name in sorted(gone))]

    def on_recovered(self) -> list[Effect]:
        """What the table that came too early says."""
        early, self._early = self._early, None
        return [] if early is None else self.on_table(early, is_recovering=False)
