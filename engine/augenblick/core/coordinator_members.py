"""Who takes part in the engine, as the coordinator sees it, and the routing table that follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from augenblick import limits
from augenblick.core.routing import (
    Route,
    RoutingTable,
    ShardRoute,
    even_ranges,
    gateway_name,
    host_name,
    shard_name,
    spare_name,
)


@dataclass(slots=True)
class Member:
    """One process: what it registered, whether it is connected, its latest status."""

    name: str
    role: str
    incarnation: int = 0
    epoch: int = 0
    address: str = ""
    is_up: bool = False
    lost_ms: float = 0.0
    losses: int = 0  # in quick succession
    asked_ms: float = 0.0  # when a new shard was last asked for
    asked_incarnation: int = 0
    status: dict[str, Any] = field(default_factory=dict)


class Members:
    """The members the layout calls for; others (the command line) are peers but no members."""

    def __init__(
        self,
        shards: int,
        gateways: int,
        hosts: tuple[str, ...],
        first_epoch: int,
        spares: int = 0,
    ) -> None:
        names = [(shard_name(index), "shard") for index in range(shards)]
        names += [(gateway_name(index), "gateway") for index in range(gateways)]
        names += [(host_name(trigger), "host") for trigger in hosts]
        names.append(("delivery", "delivery"))
        names += [(spare_name(index), "spare") for index in range(shards if spares else 0)]
        self.all = {name: Member(name, role) for name, role in names}
        self.table: RoutingTable | None = None
        self._ranges = even_ranges(shards)
        self._epoch = first_epoch

    @property
    def up(self) -> list[str]:
        """The names of the members that are connected."""
        return [member.name for member in self.all.values() if member.is_up]

    def of_role(self, role: str) -> list[Member]:
        """The members of a role, in order."""
        return [member for member in self.all.values() if member.role == role]

    @property
    def shard_hosts(self) -> tuple[str, ...]:
        """The machine's address of each shard, "" for one that is away."""
        return tuple(_host(shard) if shard.is_up else "" for shard in self.of_role("shard"))

    @property
    def spares(self) -> list[Member]:
        """The spares the layout calls for: on each machine of shards that of its first one."""
        spares = self.of_role("spare")
        hosts = [_host(shard) for shard in self.of_role("shard")]
        return [one for index, one in enumerate(spares) if hosts.index(hosts[index]) == index]

    @property
    def is_ready(self) -> bool:
        """Is everybody there, and does every gateway reach every shard?"""
        needed = [member for member in self.all.values() if member.role != "spare"]
        return all(member.is_up for member in needed) and all(
            gateway.status.get("is_ready") for gateway in self.of_role("gateway")
        )

    def on_connected(self, name: str) -> None:
        """A peer has connected."""
        member = self.all.get(name)
        if member is not None:
            member.is_up = True

    def on_lost(self, name: str, now_ms: float) -> bool:
        """A peer has gone; was it a member?"""
        member = self.all.get(name)
        if member is None or not member.is_up:
            return False
        member.is_up = False
        has_lived = now_ms - member.lost_ms > limits.shard_settled_ms
        member.losses = 1 if has_lived else member.losses + 1
        member.lost_ms = now_ms
        if "is_ready" in member.status:
            member.status["is_ready"] = False
        return True

    def on_status(self, name: str, status: dict[str, Any]) -> None:
        """A heartbeat."""
        member = self.all.get(name)
        if member is not None:
            member.status = status

    def on_register(self, name: str, facts: dict[str, Any]) -> Member | None:
        """A member says where it listens; returns what is known of the incarnation that ended."""
        member = self.all.get(name)
        if member is None or facts["incarnation"] < member.incarnation:
            return None
        changed = (member.incarnation, member.address, member.epoch) != (
            facts["incarnation"],
            facts["address"],
            facts.get("epoch", 0),
        )
        ended = None
        if member.incarnation and facts["incarnation"] != member.incarnation:
            ended = Member(name, member.role, member.incarnation, status=member.status)
            member.status = {}
        member.incarnation = facts["incarnation"]
        member.address = facts["address"]
        member.epoch = facts.get("epoch", 0)
        member.is_up = True
        if member.role == "spare":  # others ask nothing of it
            return ended
        member.asked_ms = 0.0
        if changed or self.table is None:
            self._make_table()
        return ended

    def shard_index(self, name: str, epoch: int) -> int | None:
        """The index of a shard whose epoch this is; None for an old owner or a stranger."""
        member = self.all.get(name)
        if member is None or member.role != "shard" or member.epoch != epoch:
            return None
        return self.of_role("shard").index(member)

    def shards_to_start(self, now_ms: float, started_ms: float) -> list[tuple[int, int]]:
        """(index, incarnation) of the shards to ask for now; each is asked for again after a while.

        A shard never seen gets the time of a whole start; one that dies again and again is asked
        for less and less often. A spare that is there is quicker and needs nobody's word.
        """
        wanted = []
        spared = {_host(self._shard_of(spare)) for spare in self.spares if spare.is_up}
        for index, member in enumerate(self.of_role("shard")):
            if member.is_up:
                continue
            since_ms = member.lost_ms or started_ms
            pause_ms = limits.shard_start_ms_max
            if member.lost_ms:
                doubled_ms = limits.shard_lost_ms << min(member.losses - 1, 16)
                pause_ms = min(doubled_ms, limits.shard_pause_ms_max)
                if _host(member) in spared:
                    pause_ms = max(pause_ms, limits.spare_ms_max)
            if member.asked_ms:
                since_ms, pause_ms = member.asked_ms, limits.shard_start_ms_max
            if now_ms - since_ms < pause_ms:
                continue
            member.asked_ms = now_ms
            known = max(member.incarnation, member.asked_incarnation)
            member.asked_incarnation = max(int(now_ms), known + 1)
            wanted.append((index, member.asked_incarnation))
        return wanted

    def spares_to_start(self, now_ms: float) -> list[tuple[int, int, str]]:
        """(index, incarnation, machine's address) of the spares to ask for now: once all is well,
        so that they wait behind the owners of the directories and take no time from those that are
        needed more.
        """
        if self.table is None or not self.is_ready:
            return []
        wanted = []
        for spare in self.spares:
            if spare.is_up or (spare.asked_ms and now_ms - spare.asked_ms < limits.spare_pause_ms):
                continue
            spare.asked_ms = now_ms
            spare.asked_incarnation = max(int(now_ms), spare.incarnation + 1)
            shard = self._shard_of(spare)
            index = self.of_role("shard").index(shard)
            wanted.append((index, spare.asked_incarnation, _host(shard)))
        return wanted

    def on_not_started(self, index: int, incarnation: int, now_ms: float) -> None:
        """A shard that was asked for will not come (its machine was dead already): as if lost."""
        member = self.of_role("shard")[index]
        if member.asked_incarnation == incarnation and not member.is_up:
            member.asked_ms = 0.0
            member.lost_ms = now_ms
            member.losses += 1

    def _shard_of(self, spare: Member) -> Member:
        """The first shard on the spare's machine."""
        return self.of_role("shard")[self.of_role("spare").index(spare)]

    def _make_table(self) -> None:
        """A new version, once every shard and delivery have registered."""
        shards, delivery = self.of_role("shard"), self.all["delivery"]
        if not delivery.address or not all(shard.address for shard in shards):
            return
        self._epoch += 1
        self.table = RoutingTable(
            epoch=self._epoch,
            shards=tuple(
                ShardRoute(index, one.address, one.incarnation, one.epoch, *self._ranges[index])
                for index, one in enumerate(shards)
            ),
            gateways=tuple(member.name for member in self.of_role("gateway")),
            delivery=Route("delivery", delivery.address, delivery.incarnation),
            hosts=tuple(
                Route(one.name, one.address, one.incarnation) for one in self.of_role("host")
            ),
        )


def _host(member: Member) -> str:
    """The address of a member's machine, "" before it has registered."""
    return member.address.rpartition(":")[0]
