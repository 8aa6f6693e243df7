"""The launcher's end of the link: asks the coordinator for status and for the stop."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import Any

from augenblick.link.handshake import Identity
from augenblick.link.messages import Kind, Message
from augenblick.link.node import LinkNode


class ControlLink:
    """One connection to the coordinator; made inside the event loop that uses it."""

    def __init__(self, cluster_id: str, secret: bytes, coordinator: str) -> None:
        name = f"control-{os.getpid()}"
        identity = Identity("control", name, int(time.time() * 1000), cluster_id)
        self.stopped = asyncio.Event()
        self.is_ending = False  # the engine ends by itself: somebody asked it to
        self._node = LinkNode(identity, secret, self)
        self._node.connect("coordinator", coordinator)
        self._answers: dict[int, asyncio.Future[tuple[int, Any]]] = {}
        self._last = 0

    async def ask(self, method: str, path: str, seconds_max: float) -> Any | None:
        """The JSON answer to a control request; None if there was none in time."""
        self._last += 1
        answer: asyncio.Future[tuple[int, Any]] = asyncio.get_running_loop().create_future()
        self._answers[self._last] = answer
        header: dict[str, Any] = {"id": self._last, "method": method, "path": path, "query": ""}
        try:
            if not self._node.send("coordinator", Kind.REQUEST, header):
                return None
            async with asyncio.timeout(seconds_max):
                return (await answer)[1]
        except (TimeoutError, ConnectionError):
            return None
        finally:
            del self._answers[header["id"]]

    async def close(self) -> None:
        """End the connection."""
        await self._node.close()

    def on_link_up(self, peer: str, hello: dict[str, Any]) -> None:
        """The coordinator is there."""

    def on_link_message(self, peer: str, message: Message) -> None:
        """An answer, or the end of the stop."""
        if message.kind == Kind.STOPPED:
            self.stopped.set()
        elif message.kind == Kind.STOP:
            self.is_ending = True
        elif message.kind == Kind.RESPONSE:
            answer = self._answers.get(message.header["id"])
            if answer is not None and not answer.done():
                answer.set_result((message.header["status"], json.loads(bytes(message.payload))))

    def on_link_down(self, peer: str, reason: str) -> None:
        """The coordinator has gone: who waits hears it."""
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError(reason))

    def on_link_refused(self, reason: str) -> None:
        """Not proven; the next attempt follows."""
