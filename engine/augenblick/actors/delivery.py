"""The delivery process on the link: hands messages to the delivery runner and answers back."""

from __future__ import annotations

import asyncio
from typing import Any

import msgpack

from augenblick import limits
from augenblick.actors.delivery_requests import handle_request
from augenblick.actors.delivery_runner import DeliveryRunner
from augenblick.actors.link_shell import LinkShell
from augenblick.binding.user_marks import UserMarks
from augenblick.channels import ChannelSettings
from augenblick.config.process import DeliverySettings, ProcessSettings
from augenblick.core.effects import Effect, Send
from augenblick.durability.key_file import load_keys_if_any
from augenblick.link.messages import Kind, Message


class DeliveryShell(LinkShell):
    """One per engine. Its core is driven by the runner; this adds the link."""

    def __init__(
        self, settings: ProcessSettings, delivery: DeliverySettings, incarnation: int
    ) -> None:
        super().__init__(settings, "delivery", "delivery", incarnation)
        self._incarnation = incarnation
        self._delivery = delivery
        self._runner = DeliveryRunner(self.carry_out_one, UserMarks(settings.hash_key))
        self._outcomes: list[Send] = []  # on their way to the senders, together
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the channels, listen, report for duty."""
        channels = ChannelSettings(
            data_dir=self.settings.data,
            file_allow=self._delivery.file_allow,
            webhook_allow=self._delivery.webhook_allow,
            loopback_allowed=self._delivery.loopback_allowed,
            secrets=self._delivery.secrets,
        )
        keys = load_keys_if_any(self.settings.key_file)
        await self._runner.start(self.settings.program, channels, keys)
        await self.listen()
        self.node.connect("coordinator", self.settings.coordinator)
        self.heartbeat()

    def heartbeat(self) -> None:
        """Status to the coordinator, once a second."""
        self.loop.call_later(limits.heartbeat_ms / 1000, self.heartbeat)
        status = msgpack.packb(self._runner.status(), default=str)
        self.node.send("coordinator", Kind.HEARTBEAT, {}, status)

    def carry_out_one(self, effect: Effect) -> None:
        """Outcomes leave a few together: no event waits for them, and each message costs both ends
        as much as a firing's way through here.
        """
        if isinstance(effect, Send) and effect.kind == Kind.RECORDS_DONE:
            if not self._outcomes:
                self.loop.call_later(limits.outcomes_pause_ms / 1000, self._send_outcomes)
            self._outcomes.append(effect)
        else:
            super().carry_out_one(effect)

    def _send_outcomes(self) -> None:
        outcomes, self._outcomes = self._outcomes, []
        by_peer: dict[str, list[tuple[int, dict[str, Any], bytes]]] = {}
        for effect in outcomes:
            by_peer.setdefault(effect.peer, []).append((effect.kind, effect.header, b""))
        for peer, messages in by_peer.items():
            self.node.send_all(peer, messages)

    def on_link_up(self, peer: str, hello: dict[str, Any]) -> None:
        """The coordinator wants to know where to find this process."""
        if peer == "coordinator":
            facts = {
                "role": "delivery",
                "name": self.name,
                "incarnation": self._incarnation,
                "address": self.address,
            }
            self.node.send(peer, Kind.REGISTER, facts)

    def on_link_message(self, peer: str, message: Message) -> None:
        """Records and dead letters of shards, gateways and the coordinator; control requests."""
        kind, header, payload = message
        if kind == Kind.RECORDS:
            self._runner.on_packed_records(peer, header["seq"], payload)
        elif kind == Kind.DEAD_LETTERS:
            letters = msgpack.unpackb(payload, strict_map_key=False)
            self._runner.on_dead_letters(peer, header["seq"], letters)
        elif kind == Kind.ERASE:
            self._runner.on_erase(peer, header)
        elif kind == Kind.REQUEST:
            self._spawn(self._answer(peer, header, bytes(payload)))
        elif kind == Kind.STOP:
            self._spawn(self._stop())

    def on_link_down(self, peer: str, reason: str) -> None:
        """A sender is gone."""
        self._runner.on_peer_lost(peer)

    async def _answer(self, peer: str, header: dict[str, Any], body: bytes) -> None:
        answer = await handle_request(
            self._runner, header["method"], header["path"], header.get("query", ""), body
        )
        self.respond(peer, header["id"], answer)

    async def _stop(self) -> None:
        await self._runner.stop(self._delivery.drain_seconds)
        self._send_outcomes()
        status = msgpack.packb(self._runner.status(), default=str)
        self.node.send("coordinator", Kind.HEARTBEAT, {}, status)
        self.node.send("coordinator", Kind.STOPPED, {"name": self.name})
        self.stopped.set()

    def _spawn(self, work: Any) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
