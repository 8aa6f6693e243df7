"""One process of the engine inside a Ray actor: a role's shell on an event loop of its own.

A plain class; `actors.remote` makes a Ray actor of it. The constructor returns at once, so that all
processes start side by side, and runs again when Ray restarts the actor. The shell's loop has a
thread of its own: Ray's calls are only for supervision and touch no event. Whatever ends the shell
unexpectedly ends the process, and the supervisor starts another.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from typing import Any

import uvloop

from augenblick.actors import collection
from augenblick.config.process import DeliverySettings, GatewaySettings, ProcessSettings

LOG = logging.getLogger("augenblick")


class EngineProcess:
    """A role and its arguments: ("shard", index, incarnation, is_start), ("spare", index,
    incarnation), ("coordinator",), ("gateway", index, settings), ("delivery", settings), ("host",
    trigger, plugins).
    """

    def __init__(self, settings: ProcessSettings, role: str, *arguments: Any) -> None:
        self._settings = settings
        self._role = role
        self._arguments = arguments
        self._shell: Any = None
        logging.basicConfig(
            level=settings.log_level.upper(),
            stream=sys.stderr,
            format="%(asctime)s %(levelname)s %(message)s",
        )
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        self._thread = threading.Thread(target=self._run, name=role, daemon=True)
        self._thread.start()

    def pid(self) -> int:
        """The process's id on its machine; the call returns once the process is up."""
        return os.getpid()

    def address(self) -> str:
        """Where the process listens on the link."""
        while self._shell is None or not self._shell.address:
            time.sleep(0.01)
        address: str = self._shell.address
        return address

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._main())
        except BaseException:
            LOG.exception("%s ends", self._role)
        logging.shutdown()
        os._exit(1)

    async def _main(self) -> None:
        loop = asyncio.get_running_loop()
        broken: asyncio.Future[None] = loop.create_future()

        def on_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception") or RuntimeError(context.get("message"))
            if not broken.done():
                broken.set_exception(error)

        loop.set_exception_handler(on_error)
        self._shell = self._make_shell()
        await self._shell.start()
        collection.settle()
        await broken

    def _make_shell(self) -> Any:
        """Import and make the role's shell; only what this role needs is imported."""
        settings, arguments = self._settings, self._arguments
        incarnation = int(time.time() * 1000)
        if self._role == "shard":
            from augenblick.actors.shard import ShardShell

            return ShardShell(settings, *arguments)
        if self._role == "spare":
            from augenblick.actors.spare import SpareShell

            return SpareShell(settings, *arguments)
        if self._role == "gateway":
            from augenblick.actors.gateway import GatewayShell

            index, gateway = arguments
            assert isinstance(gateway, GatewaySettings)
            return GatewayShell(settings, gateway, index, incarnation)
        if self._role == "coordinator":
            from augenblick.actors.coordinator import CoordinatorShell
            from augenblick.actors.shard_starter import ShardStarter

            return CoordinatorShell(settings, incarnation, ShardStarter(settings))
        if self._role == "delivery":
            from augenblick.actors.delivery import DeliveryShell

            (delivery,) = arguments
            assert isinstance(delivery, DeliverySettings)
            return DeliveryShell(settings, delivery, incarnation)
        from augenblick.actors.trigger_host import TriggerHostShell

        trigger, plugins = arguments
        return TriggerHostShell(settings, trigger, plugins, incarnation)
