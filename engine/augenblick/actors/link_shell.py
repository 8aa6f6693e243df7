"""What the shells of all roles share: a link node, a core, ticks, and the common effects.

A shell receives, calls one pure method and carries out the effects, in order. It runs on one event
loop; whatever it does not catch ends the process, and the supervisor starts another.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import Any

from augenblick import limits
from augenblick.config.process import ProcessSettings
from augenblick.config.secret import cluster_secret
from augenblick.core.effects import (
    Append,
    Connect,
    Disconnect,
    Effect,
    LinkedCore,
    Log,
    Send,
    Stopped,
)
from augenblick.errors import OurError
from augenblick.link.addresses import address_towards
from augenblick.link.handshake import Identity
from augenblick.link.messages import Kind, Message
from augenblick.link.node import LinkNode

LOG = logging.getLogger("augenblick")
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class LinkShell:
    """One process on the link. Subclasses set `core` before `open` and add their own effects.

    `stopped` is set when the core's orderly stop is complete.
    """

    core: LinkedCore

    def __init__(
        self, settings: ProcessSettings, role: str, name: str, incarnation: int, epoch: int = 0
    ) -> None:
        self.settings = settings
        self.name = name
        self.address = ""
        self.stopped = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.node = LinkNode(
            Identity(role, name, incarnation, settings.cluster_id, epoch),
            cluster_secret(settings.data),
            self,
        )
        self._effects: deque[Effect] = deque()
        self._is_carrying_out = False
        # The wall clock at the start plus what has passed since: it never steps back.
        self._epoch_ms = (time.time() - time.monotonic()) * 1000

    def now_ms(self) -> float:
        """The wall clock in ms, with a fraction; never steps back."""
        return self._epoch_ms + time.monotonic() * 1000

    async def listen(self, port: int = 0) -> None:
        """Accept link connections; `address` is then known."""
        settings = self.settings
        host = settings.link_host or address_towards(settings.coordinator)
        self.address = await self.node.listen(host, port)

    def open(self) -> None:
        """Dial the coordinator and begin to tick; `core` is set."""
        self.node.connect("coordinator", self.settings.coordinator)
        self.tick()

    def tick(self) -> None:
        """One tick of the core, and the next one in due time."""
        self.loop.call_later(limits.tick_ms / 1000, self.tick)
        self.carry_out(self.core.on_tick(self.now_ms()))

    def carry_out(self, effects: list[Effect]) -> None:
        """Carry out effects, and those that come of them, in order."""
        self._effects.extend(effects)
        if self._is_carrying_out:
            return
        self._is_carrying_out = True
        try:
            while self._effects:
                self.carry_out_one(self._effects.popleft())
        finally:
            self._is_carrying_out = False

    def carry_out_one(self, effect: Effect) -> None:
        """One effect; subclasses take their own and leave the rest to this."""
        match effect:
            case Send(peer, kind, header, payload):
                self.node.send(peer, kind, header, payload)
            case Append(token):
                self.append(token, effect.parts)
            case Connect(peer, address, incarnation):
                self.node.connect(peer, address, incarnation)
            case Disconnect(peer):
                self.node.disconnect(peer)
            case Log(level, text, fields):
                LOG.log(_LEVELS[level], "%s: %s %s", self.name, text, fields or "")
            case Stopped():
                self.stopped.set()
            case _:
                raise OurError(f"{self.name} cannot carry out {effect}")

    def append(self, token: int, parts: tuple[bytes | memoryview, ...]) -> None:
        """Make a journal record durable; only shards have a journal."""
        raise OurError(f"{self.name} has no journal")

    # ---- the link node's reports ---------------------------------------------------------------

    def on_link_up(self, peer: str, hello: dict[str, Any]) -> None:
        """A peer is there."""
        self.carry_out(self.core.on_peer_connected(peer, hello, self.now_ms()))

    def on_link_message(self, peer: str, message: Message) -> None:
        """A message of a peer."""
        kind, header, payload = message
        self.carry_out(self.core.on_message(peer, kind, header, payload, self.now_ms()))

    def on_link_down(self, peer: str, reason: str) -> None:
        """A peer is gone."""
        LOG.debug("%s: lost %s: %s", self.name, peer, reason)
        self.carry_out(self.core.on_peer_lost(peer, self.now_ms()))

    def on_link_refused(self, reason: str) -> None:
        """A connection was not proven."""
        LOG.warning("%s: refused a link connection: %s", self.name, reason)

    def respond(self, peer: str, request: int, answer: tuple[int, str, bytes]) -> None:
        """Answer a control request."""
        status, content_type, body = answer
        header = {"id": request, "status": status, "content_type": content_type}
        self.node.send(peer, Kind.RESPONSE, header, body)
