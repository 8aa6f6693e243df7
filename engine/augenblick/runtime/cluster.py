"""The launcher: the whole engine on Ray, from the command line to the last process's end.

`Engine.start` prepares the data directory, waits for the Ray that `runtime.launch` has begun to
start (or joins one), starts all processes side by side and waits until every gateway reaches every
shard; `stop` is the orderly stop. Ray's library is imported while Ray is starting, so that the two
overlap.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from augenblick import limits
from augenblick.config import secret
from augenblick.config.process import DeliverySettings, GatewaySettings, ProcessSettings
from augenblick.config.serve import ServeOptions, numbered
from augenblick.core.routing import even_ranges, gateway_name, host_name
from augenblick.durability import cluster_file
from augenblick.durability.audit import AuditLog, whoever
from augenblick.durability.directory import DirectoryLock
from augenblick.durability.formation import form, holds_state, refuse_half_restored
from augenblick.durability.key_file import check_keys, load_keys, load_keys_if_any
from augenblick.durability.pseudonym_mark import settle_mark
from augenblick.durability.roster import load_roster, refuse_elsewhere
from augenblick.errors import EngineUnavailable, UsageError
from augenblick.examples import plan_path
from augenblick.plan.compiler import compile_plan
from augenblick.plan.load import load_plan
from augenblick.plan.program import Program
from augenblick.runtime.control import ControlLink
from augenblick.runtime.follow import FollowedProcesses
from augenblick.runtime.ports import free_port, settle
from augenblick.runtime.ray_node import RayNode

if TYPE_CHECKING:
    from augenblick.actors.nodes import Node
    from augenblick.actors.shard_starter import ShardStarter
    from augenblick.runtime.spread import Spread

T = TypeVar("T")
LOG = logging.getLogger("augenblick")


@dataclass(slots=True)
class StartTimes:
    """Seconds from the start: Ray ready, processes asked for, engine ready."""

    ray: float = 0.0
    processes: float = 0.0
    ready: float = 0.0


@dataclass(slots=True)
class Engine:
    """One engine of this launcher; used from the main thread's event loop.

    `node` is a Ray of its own that has begun to start, None where one is joined. `addresses`: per
    gateway (Forward, HTTP).
    """

    options: ServeOptions
    node: RayNode | None
    program: Program
    plan_text: str
    addresses: list[tuple[str, str]] = field(default_factory=list)
    times: StartTimes = field(default_factory=StartTimes)
    shows_output: bool = True
    _lock: DirectoryLock | None = None
    _control: ControlLink | None = None
    _namespace: str = ""
    _followed: FollowedProcesses | None = None
    _starter: ShardStarter | None = None
    _spread: Spread | None = None
    _ray_call: asyncio.Task[Any] | None = None

    @staticmethod
    def prepare(options: ServeOptions, node: RayNode | None) -> Engine:
        """Check plan and ports; for `runtime.launch`. Raises UsageError or PlanError."""
        if options.key_file is not None:
            load_keys(options.key_file)
        path = plan_path(options.plan)
        program = compile_plan(load_plan(path))
        _check_plugins(program, options)
        engine = Engine(options, node, program, path.read_text(encoding="utf-8-sig"))
        if options.ray is None:
            engine._settle_ports()
        return engine

    async def start(self, watch_signals: Callable[[], None]) -> None:
        """Start everything and wait until events are accepted; raises EngineUnavailable or
        StorageError. `stop` is called in any case.

        `watch_signals` is called whenever Ray's library may have replaced the handlers of signals.
        """
        began = self.node.began if self.node is not None else time.monotonic()
        data = self.options.data.absolute()
        self._lock = DirectoryLock(data)
        self._lock.take()
        if self.options.is_spread:
            cluster = await self._with_ray(self._settle_spread, data)
            watch_signals()
        else:
            cluster = await asyncio.to_thread(self._settle_cluster, data)
            self._settle_directories(data, cluster)
        check_keys(data, load_keys_if_any(self.options.key_file))
        given = os.environ.get(secret.SECRET_VARIABLE)
        cluster_secret = given or secret.load_or_create(data / secret.SECRET_FILE)
        secret.load_or_create(data / secret.TOKEN_FILE)
        if self.program.pseudonymise:
            self._settle_pseudonyms(data)
        await asyncio.to_thread(self._note_start, data)
        ray_address = self.options.ray or await self._wait_ray()
        self.times.ray = time.monotonic() - began
        coordinator = await self._with_ray(self._start_processes, ray_address, cluster)
        watch_signals()
        self.times.processes = time.monotonic() - began
        self._control = ControlLink(cluster.cluster_id, cluster_secret.encode(), coordinator)
        await self._wait_ready()
        self.times.ready = time.monotonic() - began
        await self._with_ray(_leave_ray)
        watch_signals()

    async def status(self) -> dict[str, Any] | None:
        """The status document; None if the coordinator does not answer now."""
        if self._control is None:
            return None
        answer = await self._control.ask("GET", "/v1/status", 5.0)
        return answer if isinstance(answer, dict) else None

    def show_output(self) -> None:
        """Pass on what the processes have printed since the last call (own Ray only)."""
        if self._followed is not None and self.shows_output:
            self._followed.copy()

    @property
    def is_ending(self) -> bool:
        """Has it been told to end, by `savepoint --stop`?"""
        return self._control is not None and self._control.is_ending

    def is_alive(self) -> bool:
        """Is the Ray that was started still there?"""
        return self.node is None or self.node.is_alive()

    async def stop(self) -> bool:
        """The orderly stop, then the end of everything started; was it orderly?"""
        is_orderly = self._control is None
        if self._control is not None:
            # Without Ray its processes are ending: nobody is left to stop in order.
            answers = self.is_alive() and await self._control.ask("POST", "/v1/stop", 5.0)
            if answers:
                try:
                    async with asyncio.timeout(limits.stop_seconds_max):
                        await self._control.stopped.wait()
                    is_orderly = True
                except TimeoutError:
                    pass
            await self._control.close()
        self.show_output()
        if self._ray_call is not None:  # Ray's library hangs for seconds if Ray goes before it
            await asyncio.wait({self._ray_call}, timeout=limits.ray_stop_seconds_max)
            await asyncio.to_thread(_leave_ray)
        await asyncio.to_thread(self._end_processes)
        if self.node is not None:
            await asyncio.to_thread(self.node.stop)
        if self._lock is not None:
            self._lock.release()
        return is_orderly

    # ---- inside ------------------------------------------------------------------------------

    async def _with_ray(self, call: Callable[..., T], *arguments: Any) -> T:
        """The answer of a blocking call of Ray's library; it goes on when this is cancelled."""
        self._ray_call = asyncio.create_task(asyncio.to_thread(call, *arguments))
        return cast(T, await asyncio.shield(self._ray_call))

    async def _wait_ray(self) -> str:
        """The address of the Ray that is starting, once it is there and its library is loaded."""
        assert self.node is not None
        os.environ.update(self.node.environment())
        importing = asyncio.create_task(asyncio.to_thread(_import_ray))
        async with asyncio.timeout(limits.ray_start_seconds_max):
            while (address := self.node.address_if_ready()) is None:  # noqa: ASYNC110 - a file of Ray's: there is nothing to wait on
                await asyncio.sleep(0.02)
        await importing
        return address

    def _settle_cluster(self, data: Path) -> cluster_file.Cluster:
        """Whose directory it is: one that was there, a new one, or that of a savepoint."""
        options = self.options
        refuse_half_restored(data, is_restored=options.from_savepoint is not None)
        if options.from_savepoint is not None:
            from augenblick.runtime.restore import restore

            keys = load_keys_if_any(options.key_file)
            restore(
                options.from_savepoint,
                data,
                options.shards,
                keys,
                _show_restored,
                pseudonym_file=self._pseudonym_file(data),
            )
        return cluster_file.load_or_create(data)

    def _settle_spread(self, data: Path) -> cluster_file.Cluster:
        """Each shard has its directory on one of Ray's nodes."""
        from augenblick.runtime.spread import settle_spread

        self._spread = settle_spread(self.options, data)
        return self._spread.cluster

    def _settle_directories(self, data: Path, cluster: cluster_file.Cluster) -> None:
        """Each shard has its directory, or none will be kept."""
        options = self.options
        if options.store != "none":
            refuse_elsewhere(data)
            form(data, cluster, even_ranges(options.shards), options.accept_loss)
        elif holds_state(data) or load_roster(data) is not None:
            raise UsageError(
                f"{data} holds the state of users, which --durability none would pass over: use"
                " another --data, or --durability fsync"
            )

    def _note_start(self, data: Path) -> None:
        """What the command line asks for stands in the audit log before it happens."""
        log, who = AuditLog(data), whoever()
        for shard in self.options.accept_loss:
            log.append("accept-loss", who, {"shard": shard})
        plan = {"plan": self.program.plan_name, "hash": self.program.plan_hash.hex()}
        log.append("apply", who, {**plan, "durability": self.options.store})

    def _pseudonym_file(self, data: Path) -> Path:
        return (self.options.pseudonym_key_file or data / secret.PSEUDONYM_FILE).absolute()

    def _settle_pseudonyms(self, data: Path) -> None:
        """The key is there, and the same that was used before."""
        path = self._pseudonym_file(data)
        secret.load_or_create(path)
        settle_mark(data, secret.pseudonym_key(path), str(path))

    def _settle_ports(self, seconds: float = 0.0) -> None:
        for index in range(self.options.gateways):
            forward = settle("--forward", numbered(self.options.forward, index), seconds)
            http = settle("--http", numbered(self.options.http, index), seconds)
            self.addresses.append((forward, http))

    def _process_settings(self, cluster: cluster_file.Cluster, host: str) -> ProcessSettings:
        options = self.options
        clock = options.clock or self.program.clock or "wall"
        return ProcessSettings(
            cluster_id=cluster.cluster_id,
            hash_key=cluster.hash_key,
            program=self.program,
            plan_text=self.plan_text,
            data=options.data.absolute(),
            coordinator=f"{host}:{free_port(host)}",
            link_host=host if options.ray is None else "",
            shards=options.shards,
            gateways=options.gateways,
            is_event_clock=clock == "event",
            log_level=options.log_level,
            memory_bytes_max=options.memory_bytes_max,
            home_resource="" if options.ray is None else f"node:{host}",
            shard_resource=options.shard_resource,
            durability=options.store,
            spares=options.spares_kept,
            key_file=None if options.key_file is None else options.key_file.absolute(),
            catch_up_ms=options.catch_up_ms,
            journal_age_ms_max=options.journal_age_ms_max,
            savepoint_allow=options.savepoint_allow,
            directories=() if self._spread is None else self._spread.directories,
            replay_max=options.replay_max,
        )

    def _join_ray(self, address: str, cluster: cluster_file.Cluster) -> tuple[str, list[Node]]:
        """Join Ray and make room; returns the host for processes on this node, and the living nodes
        for shards.

        A launcher that was killed leaves its processes in a Ray it had joined. The directory's lock
        says that it is gone, and a second set of processes must not run beside the first.
        """
        from augenblick.actors.remote import namespace
        from augenblick.runtime.cluster_ray import end_processes, join, wait_for_nodes

        node_address = join(address)
        self._namespace = namespace(cluster.cluster_id)
        options = self.options
        if options.ray is None:
            return "127.0.0.1", wait_for_nodes("", 1)
        if ended := end_processes(self._namespace):
            lost = "; their state is lost" if options.store == "none" else ""
            LOG.warning("ended %d processes of an earlier start%s", ended, lost)
        self._settle_ports(limits.processes_end_seconds_max if ended else 0.0)
        if self._spread is not None:
            return node_address, self._spread.nodes
        nodes = wait_for_nodes(options.shard_resource, max(options.shard_nodes, 1))
        if len(nodes) < options.shard_nodes:
            LOG.warning("only %d of %d nodes for shards are here", len(nodes), options.shard_nodes)
        return node_address, nodes

    def _start_processes(self, ray_address: str, cluster: cluster_file.Cluster) -> str:
        """On a thread: join Ray and ask for every process; none is waited for.

        Returns the coordinator's address.
        """
        from augenblick.actors.remote import start_process
        from augenblick.actors.shard_starter import ShardStarter

        host, nodes = self._join_ray(ray_address, cluster)
        settings = self._process_settings(cluster, host)
        options = self.options
        start_process("coordinator", settings, "coordinator")
        machines = None if self._spread is None else self._spread.machines
        self._starter = ShardStarter(settings, machines)
        self._starter.start_all(int(time.time() * 1000), nodes)
        for index, (forward, http) in enumerate(self.addresses):
            gateway = GatewaySettings(
                forward=forward,
                http=http,
                control_token_file=settings.data / secret.TOKEN_FILE,
                pseudonym_key_file=self._pseudonym_file(settings.data),
                shared_key_file=options.shared_key_file,
                tls_cert=options.tls_cert,
                tls_key=options.tls_key,
                write_key_file=options.write_key_file,
                origins=options.origins,
            )
            name = gateway_name(index)
            start_process(name, settings, "gateway", index, gateway)
        delivery = DeliverySettings(
            file_allow=options.file_allow,
            webhook_allow=options.webhook_allow,
            loopback_allowed=options.is_loopback,
            secrets=options.secrets,
        )
        start_process("delivery", settings, "delivery", delivery)
        for trigger in self.program.triggers:
            if trigger.kind == "actor":
                name = host_name(trigger.name)
                start_process(name, settings, "host", trigger.name, options.plugins)
        if self.node is not None:
            logs = self.node.directory / "session_latest" / "logs"
            self._followed = FollowedProcesses(logs, sys.stdout.buffer, sys.stderr.buffer)
        return settings.coordinator

    async def _wait_ready(self) -> None:
        try:
            async with asyncio.timeout(limits.ready_seconds_max):
                while True:
                    status = await self.status()
                    if status is not None and status["ready"]:
                        return
                    self.show_output()
                    if self._starter is not None and self.node is None:
                        await asyncio.to_thread(self._starter.ask_again)
                    if not self.is_alive():
                        raise EngineUnavailable("Ray has ended while the engine was starting")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            self.show_output()
            text = f"the engine was not ready within {limits.ready_seconds_max:.0f} s"
            raise EngineUnavailable(text) from None

    def _end_processes(self) -> None:
        """On a thread: end the actors; our own Ray ends them with itself."""
        if self._namespace and self.options.ray is not None:
            from augenblick.runtime.cluster_ray import end_processes, join, leave

            join(self.options.ray)
            end_processes(self._namespace)
            leave()


def _check_plugins(program: Program, options: ServeOptions) -> None:
    """Custom triggers come from named packages only."""
    for trigger in program.triggers:
        package = trigger.actor.partition(":")[0].partition(".")[0]
        if trigger.kind == "actor" and package not in options.plugins:
            raise UsageError(
                f"trigger {trigger.name!r} runs {trigger.actor}: allow it with --plugins {package}"
            )


def _show_restored(text: str) -> None:
    print(f"augenblick: {text}", file=sys.stderr, flush=True)


def _import_ray() -> None:
    import augenblick.actors.shard_starter
    import augenblick.runtime.cluster_ray  # noqa: F401


def _leave_ray() -> None:
    from augenblick.runtime.cluster_ray import leave

    leave()
