"""The link's sockets: one `LinkNode` per process listens, dials, keeps connections alive and sends.

It knows peers by name and hands proven messages to its owner, in the order sent. It keeps nothing
for a peer that is not connected: who needs a message delivered sends it again on `on_link_up`.
Everything runs on one event loop.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from augenblick import limits
from augenblick.errors import AuthenticationFailed
from augenblick.link.codec import encode
from augenblick.link.connection import LinkConnection
from augenblick.link.handshake import Identity, link_key
from augenblick.link.messages import Kind, Message


class LinkOwner(Protocol):
    """Who uses a LinkNode; its methods run on the node's event loop and must not block."""

    def on_link_up(self, peer: str, hello: dict[str, Any]) -> None:
        """A peer proved itself; messages may be sent to it from now on."""

    def on_link_message(self, peer: str, message: Message) -> None:
        """A message of a proven peer."""

    def on_link_down(self, peer: str, reason: str) -> None:
        """The connection to a peer that was up has ended."""

    def on_link_refused(self, reason: str) -> None:
        """A connection ended before it was proven (counted, never answered)."""


class LinkNode:
    """This process's end of every link connection.

    Created inside the event loop that serves it; `close()` ends it. `identity` may be replaced
    while running: new connections use the new one.
    """

    def __init__(
        self,
        identity: Identity,
        secret: bytes,
        owner: LinkOwner,
        *,
        nonce: Callable[[int], bytes] = os.urandom,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.identity = identity
        self.facts: Callable[[], dict[str, Any]] | None = None  # for the hello of each connection
        self.key = link_key(secret)
        self.owner = owner
        self.nonce = nonce
        self._jitter = jitter
        self._loop = asyncio.get_running_loop()
        self._open: dict[str, LinkConnection] = {}
        self._strangers: set[LinkConnection] = set()
        self._dials: dict[str, tuple[str, int, asyncio.Task[None]]] = {}
        self._server: asyncio.AbstractServer | None = None
        self._keeper = self._loop.create_task(self._keep_alive())
        self._closing = False

    async def listen(self, host: str, port: int) -> str:
        """Accept connections; returns the address that others dial, "host:port"."""
        self._server = await self._loop.create_server(
            lambda: LinkConnection(self), host, port, backlog=256
        )
        name = self._server.sockets[0].getsockname()
        return f"{name[0]}:{name[1]}"

    def connect(self, peer: str, address: str, incarnation: int = 0) -> None:
        """Keep a connection to this peer open, dialling again with a growing, jittered pause.

        `incarnation`: the oldest that may answer.
        """
        known = self._dials.get(peer)
        if known is not None:
            if known[:2] == (address, incarnation):
                return
            current = self._open.get(peer)
            if known[0] == address and current is not None and current.incarnation >= incarnation:
                self._dials[peer] = (address, incarnation, known[2])
                return
            self.disconnect(peer)
        task = self._loop.create_task(self._dial(peer, address, incarnation))
        self._dials[peer] = (address, incarnation, task)

    def disconnect(self, peer: str) -> None:
        """Dial the peer no more and close its connection."""
        known = self._dials.pop(peer, None)
        if known is not None:
            known[2].cancel()
        connection = self._open.get(peer)
        if connection is not None:
            connection.end("disconnected")

    def is_connected(self, peer: str) -> bool:
        """Is the peer up?"""
        return peer in self._open

    @property
    def peers(self) -> list[str]:
        """The names of the peers that are up."""
        return list(self._open)

    def send(
        self, peer: str, kind: int, header: dict[str, Any], payload: bytes | memoryview = b""
    ) -> bool:
        """Write a message to a peer; False if it is not up (the message is dropped)."""
        connection = self._open.get(peer)
        if connection is None:
            return False
        connection.write(encode(kind, header, payload), payload)
        return True

    def send_all(self, peer: str, messages: Iterable[tuple[int, dict[str, Any], bytes]]) -> bool:
        """Write several small messages (kind, header, payload) to a peer at once, in order."""
        connection = self._open.get(peer)
        if connection is None:
            return False
        frames = [encode(*message) + message[2] for message in messages]
        connection.write(b"".join(frames), b"")
        return True

    def current_identity(self) -> Identity:
        """What a connection that begins now says of this process."""
        return self.identity if self.facts is None else replace(self.identity, facts=self.facts())

    def set_epoch(self, epoch: int) -> None:
        """Name this epoch in the hello of later connections."""
        self.identity = replace(self.identity, epoch=epoch)

    async def close(self) -> None:
        """End every connection after what was written has left (at most a second), stop listening
        and dialling.
        """
        self._closing = True
        self._keeper.cancel()
        if self._server is not None:
            self._server.close()
        tasks = [task for *_, task in self._dials.values()]
        self._dials.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(self._keeper, *tasks, return_exceptions=True)
        connections = [*self._open.values(), *self._strangers]
        for connection in connections:
            connection.finish()
        waits = [connection.closed for connection in connections]
        if waits:
            await asyncio.wait(waits, timeout=limits.link_close_seconds_max)
        for connection in connections:
            connection.end("closed")

    # ---- what connections report -------------------------------------------------------------

    def on_connection_made(self, connection: LinkConnection) -> bool:
        """May this connection go on? Strangers are bounded."""
        if self._closing or len(self._strangers) >= limits.link_strangers_max:
            return False
        self._strangers.add(connection)
        return True

    def check_newest(self, hello: dict[str, Any]) -> None:
        """Raise AuthenticationFailed if a newer incarnation of this peer is connected."""
        known = self._open.get(hello["name"])
        if known is not None and known.incarnation > hello["incarnation"]:
            raise AuthenticationFailed(f"an old incarnation of {hello['name']!r}")

    def on_connection_proven(self, connection: LinkConnection, hello: dict[str, Any]) -> None:
        """The connection's peer is known; an older connection of the same peer gives way."""
        self._strangers.discard(connection)
        peer = hello["name"]
        older = self._open.get(peer)
        if older is not None:
            older.end("replaced by a newer connection")
            self._down(older, "replaced by a newer connection")
        self._open[peer] = connection
        self.owner.on_link_up(peer, hello)

    def on_connection_ended(self, connection: LinkConnection, reason: str) -> None:
        """The connection is gone."""
        if connection in self._strangers:
            self._strangers.discard(connection)
            if not self._closing:
                self.owner.on_link_refused(reason)
            return
        self._down(connection, reason)

    def _down(self, connection: LinkConnection, reason: str) -> None:
        peer = connection.peer
        if peer is not None and self._open.get(peer) is connection:
            del self._open[peer]
            self.owner.on_link_down(peer, reason)

    # ---- tasks -------------------------------------------------------------------------------

    async def _dial(self, peer: str, address: str, incarnation: int) -> None:
        host, _, port = address.rpartition(":")
        pause = limits.link_redial_seconds_min
        while True:
            connection = LinkConnection(
                self, dialled=True, expected=peer, expected_incarnation=incarnation
            )
            try:
                async with asyncio.timeout(limits.link_dial_seconds_max):
                    await self._loop.create_connection(partial(_same, connection), host, int(port))
            except (OSError, TimeoutError):
                pass
            else:
                try:
                    await asyncio.shield(connection.closed)
                except asyncio.CancelledError:
                    connection.end("disconnected")
                    raise
                if connection.peer is not None:
                    pause = limits.link_redial_seconds_min
            await asyncio.sleep(pause * (0.5 + self._jitter()))
            pause = min(pause * 2, limits.link_redial_seconds_max)

    async def _keep_alive(self) -> None:
        """Time in which this process itself stood still is no silence of others."""
        looked = self._loop.time()
        while True:
            await asyncio.sleep(limits.link_keepalive_seconds / 2)
            now = self._loop.time()
            stood_still = now - looked > limits.link_keepalive_seconds
            looked = now
            for connection in [*self._open.values(), *self._strangers]:
                if stood_still:
                    connection.excuse(now)
                connection.check(now)

    def ping(self) -> bytes:
        """The frame that keeps a quiet connection alive."""
        return encode(Kind.PING, {})


def _same(connection: LinkConnection) -> LinkConnection:
    """The protocol factory of a dialled connection: the one made for it."""
    return connection
