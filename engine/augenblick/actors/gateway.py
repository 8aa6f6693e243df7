"""The shell of a gateway: client ports on one side, the link on the other."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

from augenblick.actors.audit_notes import note_answer, note_request
from augenblick.actors.link_shell import LOG, LinkShell
from augenblick.actors.user_requests import UserRequests
from augenblick.binding.pseudonyms import Pseudonyms
from augenblick.binding.scanning import Router
from augenblick.binding.user_marks import UserMarks
from augenblick.config.process import GatewaySettings, ProcessSettings
from augenblick.config.secret import load, pseudonym_key
from augenblick.core.effects import (
    Answer,
    CloseClient,
    Effect,
    PauseReading,
    ResumeReading,
    WriteClient,
)
from augenblick.core.gateway import GatewayCore
from augenblick.core.gateway_sources import ClockRules
from augenblick.core.routing import gateway_name
from augenblick.durability.audit import AuditLog
from augenblick.errors import EngineUnavailable
from augenblick.ingest.dialects import Chunk
from augenblick.ingest.transports.http import HttpServer
from augenblick.ingest.transports.http_app import (
    ControlRequest,
    ControlResponse,
    HttpAccess,
    HttpApp,
)
from augenblick.ingest.transports.tcp import ForwardServer
from augenblick.link.messages import Kind, Message

_HTTP = 0  # the HTTP port's connection number; Forward connections count from 1
_TO_COORDINATOR = ("/v1/status", "/v1/plan", "/v1/savepoints")


class GatewayShell(LinkShell):
    """One gateway's process; made inside its event loop, then `start`."""

    core: GatewayCore

    def __init__(
        self, settings: ProcessSettings, gateway: GatewaySettings, index: int, incarnation: int
    ) -> None:
        super().__init__(settings, "gateway", gateway_name(index), incarnation)
        self._gateway = gateway
        program = settings.program
        key = pseudonym_key(gateway.pseudonym_key_file) if program.pseudonymise else None
        router = Router(program, settings.hash_key, key)
        router.clock_event = settings.is_event_clock
        router.now_limit_ms = settings.now_limit_ms
        rules = ClockRules(
            lateness_ms=program.lateness_ms,
            idle_ms=program.idle_ms,
            future_ms=program.future_ms,
            is_event_clock=settings.is_event_clock,
            catch_up_ms=settings.catch_up_ms,
        )
        address = f"http://{gateway.http}" if gateway.http else ""
        pseudonyms = Pseudonyms(key) if key is not None else None
        self.core = GatewayCore(
            self.name,
            incarnation,
            router,
            rules,
            address=address,
            pseudonyms=pseudonyms,
        )
        self._audit = AuditLog(settings.data)
        marks = UserMarks(settings.hash_key)
        self._users = UserRequests(marks, pseudonyms, self.core.shard_of, self._ask)
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._controls: dict[int, asyncio.Future[ControlResponse]] = {}
        self._requests = 0
        self._forward = self._make_forward()
        self._http: HttpServer | None = None
        self._flowing = asyncio.Event()
        self._opening: asyncio.Task[int] | None = None

    async def start(self) -> None:
        """Serve HTTP (health first), report for duty; Forward follows when the engine is ready."""
        await self.listen()
        if self._gateway.http:
            write_key = self._gateway.write_key_file
            access = HttpAccess(
                control_token=load(self._gateway.control_token_file),
                write_key=load(write_key) if write_key else None,
                origins=frozenset(self._gateway.origins),
            )
            self._http = HttpServer(HttpApp(self, access))
            await self._http.listen(*_host_port(self._gateway.http))
        self.carry_out(self.core.on_opened(_HTTP, "http", self.now_ms(), is_http=True))
        self.open()

    def tick(self) -> None:
        """Open the Forward port once the engine is ready, then tick."""
        if self._opening is None and self._gateway.forward and self.core.is_ready:
            listening = self._forward.listen(*_host_port(self._gateway.forward))
            self._opening = self.loop.create_task(listening)
        if self._opening is not None and self._opening.done():
            self._opening.result()  # a port that cannot be had ends the process
        super().tick()

    # ---- clients -------------------------------------------------------------------------------

    def on_opened(self, connection: int, peer: str) -> None:
        """A Forward client may send events."""
        self.carry_out(self.core.on_opened(connection, peer, self.now_ms()))

    def on_chunk(self, connection: int, chunk: Chunk) -> None:
        """Events of a Forward client."""
        self.carry_out(self.core.on_chunk(connection, chunk, self.now_ms()))

    def on_turn_end(self) -> None:
        """What was readable has been handed over."""
        self.carry_out(self.core.on_turn_end(self.now_ms()))

    def on_closed(self, connection: int, reason: str) -> None:
        """A Forward client is gone."""
        self.carry_out(self.core.on_closed(connection, reason, self.now_ms()))

    def on_refused(self, reason: str) -> None:
        """A Forward client did not get as far as sending."""
        LOG.info("%s: refused a client: %s", self.name, reason)

    async def ingest(self, chunk: Chunk) -> Sequence[str | None] | None:
        """Events over HTTP: the answer comes after the ack."""
        await self._flowing.wait()
        self._requests += 1
        request = self._requests
        answer = self._answers[request] = self.loop.create_future()
        self.carry_out(self.core.on_request_opened(_HTTP, self.now_ms()))
        try:
            effects = self.core.on_chunk(_HTTP, chunk, self.now_ms(), request=request)
            self.carry_out([*effects, *self.core.on_turn_end(self.now_ms())])
            done = await answer
            return done.results if done.status == 200 else None
        finally:
            del self._answers[request]
            self.carry_out(self.core.on_request_closed(_HTTP, self.now_ms()))

    def is_ready(self) -> bool:
        """May clients send events?"""
        return self.core.is_ready

    async def control(self, request: ControlRequest) -> ControlResponse:
        """Pass a control request on to who can answer it; what is more than a question is noted
        in the audit log, before and with its outcome.
        """
        is_coordinators = request.path.startswith(_TO_COORDINATOR)
        peer = "coordinator" if is_coordinators else "delivery"
        if request.method == "GET":
            return await self._ask(peer, request)
        is_user = self._users.is_one(request)
        noted = self._users.noted(request) if is_user else request
        number = await asyncio.to_thread(note_request, self._audit, noted)
        status = None
        try:
            asking = self._users.answer(request) if is_user else self._ask(peer, request)
            answer = await asking
            status = answer.status
        finally:
            noting = asyncio.to_thread(note_answer, self._audit, noted, number, status)
            await asyncio.shield(noting)
        return answer

    async def _ask(self, peer: str, request: ControlRequest) -> ControlResponse:
        self._requests += 1
        number = self._requests
        header = {
            "id": number,
            "method": request.method,
            "path": request.path,
            "query": request.query,
        }
        if not self.node.send(peer, Kind.REQUEST, header, request.body):
            raise EngineUnavailable(f"the {peer} is away; try again in a moment")
        answer: asyncio.Future[ControlResponse] = self.loop.create_future()
        self._controls[number] = answer
        try:
            return await answer
        finally:
            del self._controls[number]

    # ---- the link ------------------------------------------------------------------------------

    def on_link_message(self, peer: str, message: Message) -> None:
        """Answers to control requests end here; everything else is the core's."""
        if message.kind == Kind.RESPONSE:
            waiting = self._controls.get(message.header["id"])
            if waiting is not None and not waiting.done():
                header = message.header
                waiting.set_result(
                    ControlResponse(
                        header["status"], header["content_type"], bytes(message.payload)
                    )
                )
            return
        if message.kind == Kind.STOP:
            self._forward.stop_listening()
        super().on_link_message(peer, message)

    def carry_out_one(self, effect: Effect) -> None:
        """Write to clients, pause and resume them; the rest is common."""
        match effect:
            case WriteClient(connection, data, chunks):
                if (client := self._forward.get(connection)) is not None:
                    client.write(data, chunks)
            case Answer(request=request):
                if (waiting := self._answers.get(request)) is not None and not waiting.done():
                    waiting.set_result(effect)
            case PauseReading(connection) | ResumeReading(connection):
                self._set_paused(connection, isinstance(effect, PauseReading))
            case CloseClient(connection, reason):
                if (client := self._forward.get(connection)) is not None:
                    client.end(reason)
            case _:
                super().carry_out_one(effect)

    def _set_paused(self, connection: int, is_paused: bool) -> None:
        if connection == _HTTP:
            if is_paused:
                self._flowing.clear()
            else:
                self._flowing.set()
        elif (client := self._forward.get(connection)) is not None:
            if is_paused:
                client.pause()
            else:
                client.resume()

    def _make_forward(self) -> ForwardServer:
        tls: ssl.SSLContext | None = None
        if self._gateway.tls_cert is not None:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(self._gateway.tls_cert, self._gateway.tls_key)
        key_file = self._gateway.shared_key_file
        key = load(key_file).encode() if key_file is not None else None
        return ForwardServer(self, server_name=self.name, shared_key=key, tls=tls)


def _host_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
