"""The spare's core: a process that waits to be a shard, keeps what a shard must know, and tells a
silent owner from a slow one.

Driven by `actors.spare`. It owns nothing: the directory's lock alone decides who does.
"""

from __future__ import annotations

from typing import Any

import msgpack

from augenblick import limits
from augenblick.core.effects import Effect, KillOwner, Log, Send, Stopped
from augenblick.core.routing import RoutingTable, spare_name
from augenblick.link.messages import Kind


class SpareCore:
    """One per spare process, on one thread; `index`: of the first shard on its machine.

    `table` is the header of the latest routing table: with it a new owner reaches delivery and
    trigger hosts while the coordinator is away.
    """

    def __init__(self, index: int, incarnation: int) -> None:
        self.name = spare_name(index)
        self.incarnation = incarnation
        self.table: dict[str, Any] | None = None
        self.is_stopping = False
        self._signs: dict[int, tuple[int, float]] = {}  # by shard: its last sign, when that was new
        self._looked_ms = 0.0
        self._heartbeat_ms = 0.0

    def on_peer_connected(self, peer: str, hello: dict[str, Any], now_ms: float) -> list[Effect]:
        """The coordinator is there: report for duty."""
        facts = {"role": "spare", "name": self.name, "incarnation": self.incarnation, "address": ""}
        return [Send(peer, Kind.REGISTER, facts)]

    def on_peer_lost(self, peer: str, now_ms: float) -> list[Effect]:
        """The coordinator has gone; nothing depends on it."""
        return []

    def on_message(
        self,
        peer: str,
        kind: int,
        header: dict[str, Any],
        payload: bytes | memoryview,
        now_ms: float,
    ) -> list[Effect]:
        """A newer table, or the orderly stop: nothing is taken over any more."""
        if kind == Kind.TABLE:
            if self.table is None or header["epoch"] >= self.table["epoch"]:
                self.table = header
            return []
        if kind == Kind.STOP:
            return self.on_stop(now_ms)
        return [Log("warning", "an unexpected message", {"peer": peer, "kind": kind})]

    def on_stop(self, now_ms: float) -> list[Effect]:
        """The whole engine stops: its shards end in order, nobody is to replace them."""
        self.is_stopping = True
        return [Send("coordinator", Kind.STOPPED, {"name": self.name}), Stopped()]

    def on_tick(self, now_ms: float) -> list[Effect]:
        """Once a second: alive."""
        if now_ms - self._heartbeat_ms < limits.heartbeat_ms:
            return []
        self._heartbeat_ms = now_ms
        status = msgpack.packb({"waits_for": sorted(self._signs)})
        return [Send("coordinator", Kind.HEARTBEAT, {}, status)]

    def on_signs(self, signs: dict[int, int], now_ms: float) -> list[Effect]:
        """What the owners' last signs of life are (any number that changes with each), by shard.

        To be called once a second. Only what is seen here counts, no clock of the owner's; time in
        which this process itself stood still does not.
        """
        stood_still = now_ms - self._looked_ms > limits.spare_standstill_ms
        self._looked_ms = now_ms
        effects: list[Effect] = []
        for shard, sign in signs.items():
            known, since_ms = self._signs.get(shard, (-1, now_ms))
            if sign != known or stood_still:
                since_ms = now_ms
            elif now_ms - since_ms > limits.lock_patience_seconds * 1000:
                since_ms = now_ms
                effects.append(KillOwner(shard))
                text = f"shard-{shard} gives no sign of life: its process is ended"
                effects.append(Log("warning", text))
            self._signs[shard] = (sign, since_ms)
        return effects

    def next_incarnation(self, shard: int, now_ms: float) -> int:
        """For the new owner of this shard: above every one that is known."""
        known = 0
        if self.table is not None:
            routes = RoutingTable.from_header(self.table).shards
            known = max(route.incarnation for route in routes if route.index == shard)
        return max(int(now_ms), known + 1)
