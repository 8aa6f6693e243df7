"""A receiver of webhooks that misbehaves as told, and a delivery runner to send to it."""

import asyncio
import base64
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import msgpack
from aiohttp import web

from augenblick.actors.delivery_runner import DeliveryRunner
from augenblick.binding.releases import arrivals
from augenblick.channels import ChannelSettings
from augenblick.core.effects import Effect, Send
from augenblick.link.messages import Kind
from augenblick.plan.program import Action, Program

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Receiver:
    """Keeps every request; `answers` decides per path, else 204."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    open_at: Counter[str] = field(default_factory=Counter)
    open_max: Counter[str] = field(default_factory=Counter)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        body = await request.read()
        self.requests.append((path, dict(request.headers), body))
        self.open_at[path] += 1
        self.open_max[path] = max(self.open_max[path], self.open_at[path])
        try:
            answer = self.answers.get(path)
            return await answer(request) if answer else web.Response(status=204)
        finally:
            self.open_at[path] -= 1

    def keys(self, path: str) -> list[str]:
        return [headers["webhook-id"] for where, headers, _ in self.requests if where == path]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a free loopback port."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    receiver.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    await web.SockSite(runner, listener).start()
    try:
        yield receiver
    finally:
        await runner.cleanup()


def program(**actions: dict[str, Any]) -> Program:
    """A program with nothing but actions: NAME={channel: value, parameter: value, ...}."""
    made = {
        name: Action(name, next(iter(parameters)), parameters)
        for name, parameters in actions.items()
    }
    empty: dict[str, Any] = {found.name: () for found in fields(Program)}
    return Program(**(empty | {"actions": made}))


@dataclass
class Delivering:
    """A started runner and what it told its senders."""

    runner: DeliveryRunner
    outcomes: dict[str, str] = field(default_factory=dict)
    letters_done: list[int] = field(default_factory=list)
    sent: dict[int, list[str]] = field(default_factory=dict)

    def send(self, *keys: str, to: list[str]) -> None:
        seq, items = self._message(keys, to)
        self.runner.on_records("shard-0", seq, arrivals(msgpack.packb(items)))

    def send_packed(self, *keys: str, to: list[str]) -> None:
        seq, items = self._message(keys, to)
        self.runner.on_packed_records("shard-0", seq, msgpack.packb(items))

    def _message(self, keys: tuple[str, ...], to: list[str]) -> tuple[int, list[dict[str, Any]]]:
        seq = len(self.sent) + 1
        self.sent[seq] = list(keys)
        records = [
            {"kind": "firing", "id": key, "trigger": "t", "user": "grün", "values": {"n": 1.5}}
            for key in keys
        ]
        return seq, [{"record": record, "actions": to, "shadow": False} for record in records]

    def hear(self, effect: Effect) -> None:
        assert isinstance(effect, Send)
        seq = effect.header["seq"]
        if effect.kind == Kind.DEAD_LETTERS_DONE:
            self.letters_done.append(seq)
        else:
            for index, outcome in effect.header["outcomes"]:
                self.outcomes[self.sent[seq][index]] = outcome

    async def until(self, *keys: str, seconds: float = 20) -> list[str]:
        """The outcomes of these records, once all are final."""
        async with asyncio.timeout(seconds):
            while not all(key in self.outcomes for key in keys):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        return [self.outcomes[key] for key in keys]

    def letters(self) -> list[dict[str, Any]]:
        return list(self.runner.store.read())


@asynccontextmanager
async def delivering(
    data: Path, drain_seconds: float = 0.0, allow: bool = True, **actions: dict[str, Any]
) -> AsyncIterator[Delivering]:
    """A runner over a data directory, stopped at the end."""
    settings = ChannelSettings(data, loopback_allowed=allow, secrets=("env:HOOK_SECRET",))
    found = Delivering(DeliveryRunner(lambda effect: found.hear(effect)))
    await found.runner.start(program(**actions), settings)
    try:
        yield found
    finally:
        await found.runner.stop(drain_seconds)
