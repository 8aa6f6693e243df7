"""A whole engine of pure cores and real kernels on the simulated network, with client and target.

Store `none`: a shard that crashes has lost its state. Everybody else may crash at any time and
nothing that was acknowledged may be lost.
"""

import struct
from collections.abc import Sequence
from typing import Any

import msgpack
from tests.simulation.network import Node, World

from augenblick.binding.kernel import Kernel
from augenblick.binding.releases import arrivals, unpack
from augenblick.binding.scanning import RECORDS, Router
from augenblick.core.actor_host import ActorHostCore
from augenblick.core.coordinator import CoordinatorCore, Layout
from augenblick.core.delivery import DeliveryCore
from augenblick.core.effects import (
    Append,
    CallCustom,
    Effect,
    EndProcess,
    FinishSavepoint,
    PauseReading,
    Perform,
    PrepareSavepoint,
    ResumeReading,
    Send,
    StartShard,
    Stopped,
    StoreDeadLetters,
    WakeAt,
    WriteClient,
)
from augenblick.core.gateway import GatewayCore
from augenblick.core.gateway_sources import ClockRules
from augenblick.core.routing import gateway_name, host_name, shard_name
from augenblick.core.shard import ShardCore
from augenblick.errors import DeliveryFailed
from augenblick.ingest.dialects import Chunk
from augenblick.link.messages import Kind
from augenblick.plan.program import Program

HASH_KEY = bytes(range(16))
START_MS = (50.0, 400.0)  # a process's start
PERFORM_MS = (0.5, 40.0)
FAILURE_SHARE = 0.2


class ShardNode(Node):
    """A shard; the store `none` answers at once."""

    def carry_out_own(self, effect: Effect) -> None:
        if isinstance(effect, Append):
            self.carry_out(self.core.on_appended(effect.token, self.world.now_ms))
        elif isinstance(effect, Stopped):
            self.is_stopped = True

    is_stopped = False


class CoordinatorNode(Node):
    """The coordinator; a shard it asks for starts after a while."""

    cluster: "Cluster"
    core: CoordinatorCore

    def carry_out_own(self, effect: Effect) -> None:
        if isinstance(effect, StartShard):
            index, incarnation = effect.shard, effect.incarnation
            delay_ms = self.world.between(START_MS)
            self.world.later(delay_ms, lambda: self.cluster.start_shard(index, incarnation))
        elif isinstance(effect, PrepareSavepoint):
            answer = self.core.on_savepoint_prepared(effect.name, "place", "", self.world.now_ms)
            self.carry_out(answer)
        elif isinstance(effect, FinishSavepoint):
            self.cluster.savepoints.append(effect.name)
            self.carry_out(self.core.on_savepoint_finished(effect.name, "", self.world.now_ms))
        elif isinstance(effect, Stopped):
            self.cluster.is_stopped = True


class DeliveryNode(Node):
    """Delivery; the target takes every record once it does not fail."""

    cluster: "Cluster"
    core: DeliveryCore

    def on_connected(self, peer: str, hello: dict[str, Any]) -> list[Effect]:
        if peer != "coordinator":
            return []
        facts = {"role": "delivery", "name": self.name, "address": self.address}
        return [Send(peer, Kind.REGISTER, {**facts, "incarnation": self.incarnation})]

    def receive(self, peer: str, message: Send) -> None:
        seq = message.header.get("seq", 0)
        if message.kind == Kind.RECORDS:
            items = arrivals(message.payload)
            self.carry_out(self.core.on_records(peer, seq, items, self.world.now_ms))
        elif message.kind == Kind.DEAD_LETTERS:
            items = msgpack.unpackb(message.payload, strict_map_key=False)
            self.carry_out(self.core.on_dead_letters(peer, seq, items, self.world.now_ms))
        elif message.kind == Kind.STOP:
            self._stop()

    def _stop(self) -> None:
        if not self.is_alive:
            return
        if self.core.outstanding:
            self.world.later(10.0, self._stop)
        else:
            self.carry_out([Send("coordinator", Kind.STOPPED, {"name": self.name})])

    def carry_out_own(self, effect: Effect) -> None:
        if isinstance(effect, Perform):
            self.world.later(self.world.between(PERFORM_MS), lambda: self._perform(effect))
        elif isinstance(effect, StoreDeadLetters):
            self.world.later(1.0, lambda: self._store(effect))
        elif isinstance(effect, WakeAt):
            wait_ms = max(effect.at_ms - self.world.now_ms, 0.0)
            self.world.later(wait_ms, self._wake)

    def _perform(self, effect: Perform) -> None:
        if not self.is_alive:
            return
        failure = None
        if self.world.random.random() < FAILURE_SHARE:
            failure = DeliveryFailed("busy", retryable=True)
        else:
            self.cluster.received.append(unpack(effect.packed))
        self.carry_out(self.core.on_performed([(effect.delivery, failure)], self.world.now_ms))

    def _store(self, effect: StoreDeadLetters) -> None:
        if self.is_alive:
            self.cluster.letters += effect.letters
            self.carry_out(self.core.on_dead_letters_stored(effect.token, True, self.world.now_ms))

    def _wake(self) -> None:
        if self.is_alive:
            self.carry_out(self.core.on_tick(self.world.now_ms))


class HostNode(Node):
    """A custom trigger: fires for every event, keyed by its id; sometimes it raises or hangs."""

    cluster: "Cluster"

    def carry_out_own(self, effect: Effect) -> None:
        if isinstance(effect, CallCustom):
            self.world.later(self.world.between((0.1, 5.0)), lambda: self._answer(effect))
        elif isinstance(effect, EndProcess):
            self.crash()
            delay_ms = self.world.between(START_MS)
            self.world.later(delay_ms, lambda: self.cluster.restart(self.name))

    def _answer(self, effect: CallCustom) -> None:
        if self.is_alive:
            ids = effect.columns["id"]
            firings = [(row, ids[row], {"row": row}) for row in range(len(ids))]
            self.carry_out(self.core.on_called(effect.token, firings, "", self.world.now_ms))


class GatewayNode(Node):
    """A gateway with one Forward client."""

    cluster: "Cluster"

    def carry_out_own(self, effect: Effect) -> None:
        if isinstance(effect, WriteClient):
            ack = effect.data
            self.world.later(self.world.between((0.05, 2.0)), lambda: self._ack(ack))
        elif isinstance(effect, PauseReading | ResumeReading):
            self.is_paused = isinstance(effect, PauseReading)

    is_paused = False

    def _ack(self, acks: bytes) -> None:
        if self.is_alive:
            for (number,) in struct.iter_unpack("<I", acks):
                self.cluster.client.on_ack(number)


class Client:
    """Sends chunks in order, a few at a time, and sends again what a lost gateway has not acked."""

    def __init__(self, cluster: "Cluster", chunks: Sequence[bytes], window: int) -> None:
        self.acked: set[int] = set()
        self._cluster = cluster
        self._chunks = chunks
        self._window = window
        self._sent = 0
        self._gateway: GatewayNode | None = None
        self._go_on()

    @property
    def is_done(self) -> bool:
        """Is everything acknowledged?"""
        return len(self.acked) == len(self._chunks)

    def on_ack(self, number: int) -> None:
        """A chunk is confirmed."""
        self.acked.add(number)

    def _go_on(self) -> None:
        world = self._cluster.world
        world.later(world.between((0.2, 4.0)), self._go_on)
        gateway = world.nodes["gateway-0"]
        assert isinstance(gateway, GatewayNode)
        if not gateway.is_alive or not gateway.core.is_ready:
            return
        if gateway is not self._gateway:  # a new connection: begin with the first not confirmed
            self._gateway = gateway
            gateway.carry_out(gateway.core.on_opened(1, "client", world.now_ms))
            waiting = [n for n in range(len(self._chunks)) if n not in self.acked]
            self._sent = waiting[0] if waiting else len(self._chunks)
        first_open = min(
            (n for n in range(len(self._chunks)) if n not in self.acked), default=len(self._chunks)
        )
        while self._sent < min(len(self._chunks), first_open + self._window):
            if gateway.is_paused:
                break
            self._send(gateway, self._sent)
            self._sent += 1
        gateway.carry_out(gateway.core.on_turn_end(world.now_ms))

    def _send(self, gateway: GatewayNode, number: int) -> None:
        data = self._chunks[number]
        ack = struct.pack("<I", number)
        is_end = number == len(self._chunks) - 1
        chunk = Chunk(RECORDS, data, 0, len(data), b"sim", ack, ack, is_end=is_end)
        world = self._cluster.world
        gateway.carry_out(gateway.core.on_chunk(1, chunk, world.now_ms))


def new_router(program: Program) -> Router:
    """A router under the keys of `simulate`, so that it makes the same pseudonyms."""
    return Router(program, HASH_KEY, bytes(32) if program.pseudonymise else None)


class Cluster:
    """The engine, its client and its target; `received` is what the target has accepted."""

    is_event_clock = True
    catch_up_ms = 0
    start_ms = START_MS

    def __init__(
        self, world: World, program: Program, shards: int, chunks: Sequence[bytes], window: int
    ) -> None:
        self.world = world
        self.received: list[dict[str, Any]] = []
        self.letters: list[dict[str, Any]] = []
        self.is_stopped = False
        self.savepoints: list[str] = []
        self._program = program
        self._shards = shards
        self._epochs = dict.fromkeys(range(shards), 0)
        self._hosts = [one.name for one in program.triggers if one.kind == "actor"]
        for name in self.restartable:
            self.restart(name)
        for index in range(shards):
            self.start_shard(index, int(world.now_ms))
        self.client = self.make_client(chunks, window)

    def make_client(self, chunks: Sequence[bytes], window: int) -> Any:
        """Whoever sends the events; it is told of acks."""
        return Client(self, chunks, window)

    @property
    def restartable(self) -> list[str]:
        """Everybody whose state can be asked for or sent again."""
        hosts = [host_name(trigger) for trigger in self._hosts]
        return ["coordinator", "delivery", gateway_name(0), *hosts]

    def crash(self, name: str) -> None:
        """A process dies; its supervisor starts another, except for shards."""
        if not self.world.nodes[name].is_alive:
            return
        self.world.nodes[name].crash()
        if name in self.restartable:
            self.world.later(self.world.between(self.start_ms), lambda: self.restart(name))

    def restart(self, name: str) -> None:
        """A new incarnation of a process."""
        incarnation = int(self.world.now_ms)
        node = self._make(name, incarnation)
        node.cluster = self  # type: ignore[attr-defined]
        if name != "coordinator":
            node.dial("coordinator", "coordinator")

    def start_shard(self, index: int, incarnation: int) -> None:
        """A shard with an empty kernel and the next epoch, unless the one before still lives."""
        name = shard_name(index)
        before = self.world.nodes.get(name)
        if before is not None and before.is_alive:
            return  # it holds the directory's lock: the coordinator gave it up too early
        self._epochs[index] += 1
        core = ShardCore(
            self._program,
            Kernel(self._program, stamp_ingest=self.is_event_clock, source=name),
            index=index,
            incarnation=incarnation,
            epoch=self._epochs[index],
            address=f"{name}@{incarnation}",
        )
        node = ShardNode(self.world, name, core, "shard", incarnation)
        node.dial("coordinator", "coordinator")

    def is_quiet(self) -> bool:
        """Does no shard, host, gateway or delivery hold anything that is still to leave?"""
        for node in self.world.nodes.values():
            core = node.core
            if isinstance(core, ShardCore):
                status = core.status(self.world.now_ms)
                if any(status["outbox"].values()):
                    return False
                if any(one["waiting"] for one in status["actors"].values()):
                    return False
            if isinstance(core, DeliveryCore) and core.outstanding:
                return False
            if isinstance(core, GatewayCore) and not core.letters.is_empty:
                return False
        return True

    def _make(self, name: str, incarnation: int) -> Node:
        program, world = self._program, self.world
        if name == "coordinator":
            hosts = tuple(self._hosts)
            layout = Layout(self._shards, 1, hosts, is_event_clock=self.is_event_clock)
            coordinator = CoordinatorCore(program, layout, incarnation=incarnation)
            return CoordinatorNode(world, name, coordinator, "coordinator", incarnation)
        if name == "delivery":
            delivery = DeliveryCore(dict.fromkeys(program.actions, 4), random=world.random.random)
            return DeliveryNode(world, name, delivery, "delivery", incarnation)
        if name.startswith("trigger-"):
            address = f"{name}@{incarnation}"
            host = ActorHostCore(name.removeprefix("trigger-"), incarnation, address=address)
            return HostNode(world, name, host, "host", incarnation)
        rules = ClockRules(
            lateness_ms=program.lateness_ms,
            idle_ms=program.idle_ms,
            future_ms=program.future_ms,
            is_event_clock=self.is_event_clock,
            catch_up_ms=self.catch_up_ms,
        )
        gateway = GatewayCore(name, incarnation, new_router(program), rules)
        return GatewayNode(world, name, gateway, "gateway", incarnation)
