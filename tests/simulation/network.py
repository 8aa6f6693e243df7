"""A clock and a network made of a seed: everything that happens is an event in one queue.

Connections are like TCP's: messages arrive in order, each after a random delay; when a connection
breaks, what was under way in either direction is lost from some message on, and both ends hear it.
"""

import heapq
import random
from collections.abc import Callable
from itertools import count
from typing import Any

from augenblick.core.effects import Connect, Disconnect, Effect, Send

DELAY_MS = (0.05, 12.0)
REDIAL_MS = (5.0, 60.0)
NOTICE_MS = (0.1, 20.0)  # until an end hears that its connection broke


class World:
    """Virtual time; `now_ms` is the wall clock that cores are given."""

    def __init__(self, seed: int, begin_ms: float) -> None:
        self.random = random.Random(seed)
        self.now_ms = begin_ms
        self.nodes: dict[str, Node] = {}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def later(self, delay_ms: float, act: Callable[[], None]) -> None:
        """Do something after a while."""
        heapq.heappush(self._queue, (self.now_ms + delay_ms, next(self._order), act))

    def between(self, bounds: tuple[float, float]) -> float:
        """A random number."""
        return self.random.uniform(*bounds)

    def run_until(self, condition: Callable[[], bool], limit_ms: float) -> bool:
        """Let time pass until the condition holds; False if it does not within the limit."""
        end_ms = self.now_ms + limit_ms
        while not condition():
            if not self._queue or self._queue[0][0] > end_ms:
                return False
            self.now_ms, _, act = heapq.heappop(self._queue)
            act()
        return True


class Connection:
    """Two nodes that have proved themselves to each other."""

    def __init__(self, world: World, a: "Node", b: "Node") -> None:
        self.is_up = True
        self._world = world
        self._ends = (a, b)
        self._free_ms = {a.name: world.now_ms, b.name: world.now_ms}  # next arrival, by receiver

    def other(self, node: "Node") -> "Node":
        """The node at the other end."""
        return self._ends[1] if self._ends[0] is node else self._ends[0]

    def send(self, sender: "Node", message: Send) -> None:
        """Deliver after a delay, never before what was sent earlier."""
        receiver = self.other(sender)
        at_ms = self._world.now_ms + self._world.between(DELAY_MS)
        at_ms = max(at_ms, self._free_ms[receiver.name])
        self._free_ms[receiver.name] = at_ms
        self._world.later(
            at_ms - self._world.now_ms, lambda: self._arrive(receiver, sender, message)
        )

    def end(self) -> None:
        """Break: what is under way is lost; each end that lives hears it in a while."""
        if self.is_up:
            self.is_up = False
            for node in self._ends:
                delay_ms = self._world.between(NOTICE_MS)
                self._world.later(delay_ms, lambda one=node: one.on_broken(self))  # type: ignore[misc]

    def _arrive(self, receiver: "Node", sender: "Node", message: Send) -> None:
        if self.is_up and receiver.is_alive:
            receiver.receive(sender.name, message)


class Node:
    """One process: a core and its connections. Subclasses carry out the effects of their role."""

    def __init__(self, world: World, name: str, core: Any, role: str, incarnation: int) -> None:
        self.world = world
        self.name = name
        self.core = core
        self.role = role
        self.incarnation = incarnation
        self.is_alive = True
        self.address = f"{name}@{incarnation}"
        self._connections: dict[str, Connection] = {}
        self._dials: dict[str, tuple[str, int]] = {}
        world.nodes[name] = self
        self._tick()

    def hello(self) -> dict[str, Any]:
        """What this node tells who connects."""
        facts = self.core.facts() if hasattr(self.core, "facts") else {}
        identity = {"role": self.role, "name": self.name, "incarnation": self.incarnation}
        return {**facts, **identity, "epoch": getattr(self.core, "epoch", 0)}

    def crash(self) -> None:
        """Gone, with everything it held."""
        self.is_alive = False
        for connection in list(self._connections.values()):
            connection.end()

    def break_one(self) -> None:
        """A random connection breaks."""
        if self._connections:
            peer = self.world.random.choice(sorted(self._connections))
            self._connections[peer].end()

    def carry_out(self, effects: list[Effect]) -> None:
        """Effects of the core, in order."""
        for effect in effects:
            if isinstance(effect, Send):
                connection = self._connections.get(effect.peer)
                if connection is not None:
                    connection.send(self, effect)
            elif isinstance(effect, Connect):
                self.dial(effect.peer, effect.address, effect.incarnation)
            elif isinstance(effect, Disconnect):
                self._dials.pop(effect.peer, None)
                connection = self._connections.get(effect.peer)
                if connection is not None:
                    connection.end()
            else:
                self.carry_out_own(effect)

    def carry_out_own(self, effect: Effect) -> None:
        """An effect of the role; logs and the like are nobody's."""

    def receive(self, peer: str, message: Send) -> None:
        """A message."""
        kind, header, payload = message.kind, dict(message.header), message.payload
        self.carry_out(self.core.on_message(peer, kind, header, payload, self.world.now_ms))

    # ---- connections ---------------------------------------------------------------------------

    def dial(self, peer: str, address: str, incarnation: int = 0) -> None:
        """Keep a connection open."""
        if self._dials.get(peer) != (address, incarnation):
            self._dials[peer] = (address, incarnation)
            if peer in self._connections:
                self._connections[peer].end()
            self.world.later(self.world.between(DELAY_MS), lambda: self._try(peer, address))

    def _try(self, peer: str, address: str) -> None:
        wanted = self._dials.get(peer)
        if not self.is_alive or wanted is None or wanted[0] != address or peer in self._connections:
            return
        node = self.world.nodes.get(peer)
        if node is None or not node.is_alive or address not in (node.address, peer):
            self.world.later(self.world.between(REDIAL_MS), lambda: self._try(peer, address))
            return
        if self.name in node._connections:  # the other end has not heard of the break yet
            node._connections[self.name].end()
            node.on_broken(node._connections[self.name])
        connection = Connection(self.world, self, node)
        for one, other in ((self, node), (node, self)):
            one._connections[other.name] = connection
        for one, other in ((self, node), (node, self)):
            if connection.is_up:
                hello = other.hello()
                one.carry_out(one.on_connected(other.name, hello))

    def on_connected(self, peer: str, hello: dict[str, Any]) -> list[Effect]:
        """A peer is there."""
        effects: list[Effect] = self.core.on_peer_connected(peer, hello, self.world.now_ms)
        return effects

    def on_broken(self, connection: Connection) -> None:
        """A connection of this node has ended."""
        peer = connection.other(self).name
        if not self.is_alive or self._connections.get(peer) is not connection:
            return
        del self._connections[peer]
        self.carry_out(self.core.on_peer_lost(peer, self.world.now_ms))
        if peer in self._dials:
            address = self._dials[peer][0]
            self.world.later(self.world.between(REDIAL_MS), lambda: self._try(peer, address))

    def _tick(self) -> None:
        if self.is_alive:
            self.world.later(10.0, self._tick)
            self.carry_out(self.core.on_tick(self.world.now_ms))
