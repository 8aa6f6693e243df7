"""The HTTP port as a bare ASGI application: events in, health, and control requests handed on.

No framework: one request costs one call. What an event or a control request means is decided by
the owner; this module checks who asks and how much they send.
"""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from augenblick.errors import AugenblickError, LimitExceeded, ProtocolError
from augenblick.ingest.dialects import Chunk
from augenblick.ingest.dialects.http_events import encode_answer, parse_body
from augenblick.limits import (
    control_body_bytes_max,
    frame_bytes_max,
    http_answer_seconds_max,
    http_body_seconds_max,
)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

EVENTS_PATH = "/v1/events"
CONTROL_PATHS = (
    "/v1/status",
    "/v1/tail",
    "/v1/dead-letters",
    "/v1/plan",
    "/v1/savepoints",
    "/v1/users",
)
_PREFLIGHT: Headers = [
    (b"access-control-allow-methods", b"POST"),
    (
        b"access-control-allow-headers",
        b"authorization, content-encoding, content-type, idempotency-key",
    ),
    (b"access-control-max-age", b"3600"),
]


class ControlRequest(NamedTuple):
    """A control request for the coordinator or delivery; `query` as it stands in the URL. `who`:
    who asks, as the client says, and the address it came from.
    """

    method: str
    path: str
    query: str
    body: bytes
    who: str = ""


class ControlResponse(NamedTuple):
    """Its answer."""

    status: int
    content_type: str
    body: bytes


class HttpOwner(Protocol):
    """Who takes what comes over HTTP; runs on the server's event loop."""

    async def ingest(self, chunk: Chunk) -> Sequence[str | None] | None:
        """Route the events and wait until they are applied: per event None or why it was refused.

        None for the whole when the engine takes no events now.
        """

    def is_ready(self) -> bool:
        """May clients send events?"""

    async def control(self, request: ControlRequest) -> ControlResponse:
        """Answer a control request; raises EngineUnavailable when nobody can."""


@dataclass(frozen=True, slots=True)
class HttpAccess:
    """Who may do what. `write_key` None: everybody may send events (loopback).

    `origins` are the web origins that may send events from a page ("*": all); none by default.
    """

    control_token: str
    write_key: str | None = None
    origins: frozenset[str] = frozenset()


class _Refusal(Exception):
    """An answer that ends the request: (status, text)."""

    def __init__(self, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(text)
        self.status = status
        self.headers = list(headers)


class HttpApp:
    """The ASGI application of one gateway."""

    def __init__(self, owner: HttpOwner, access: HttpAccess) -> None:
        self._owner = owner
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; WebSockets are refused, the lifespan protocol is not used."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        extra: Headers = []
        try:
            headers: dict[bytes, bytes] = dict(scope["headers"])
            extra = self._origin_headers(scope["path"], headers)
            status, content_type, body, more = await self._answer(scope, headers, receive)
            extra += more
        except _Refusal as refusal:
            status, content_type, body = refusal.status, "application/json", _error(str(refusal))
            extra += refusal.headers
        if body is None:  # the client has gone
            return
        answer_headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(body)).encode()),
            *extra,
        ]
        await send({"type": "http.response.start", "status": status, "headers": answer_headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive
    ) -> tuple[int, str, bytes | None, Headers]:
        method, path = scope["method"], scope["path"]
        if path == EVENTS_PATH:
            if method == "OPTIONS" and self._access.origins:
                return 204, "text/plain", b"", _PREFLIGHT
            _want(method, "POST")
            return 200, "application/json", await self._events(headers, receive), []
        if path in ("/healthz", "/readyz"):
            _want(method, "GET", "HEAD")
            if path == "/readyz" and not self._owner.is_ready():
                raise _Refusal(503, "not ready")
            return 200, "text/plain", b"ok\n", []
        if any(path == prefix or path.startswith(prefix + "/") for prefix in CONTROL_PATHS):
            if not _has_bearer(headers, self._access.control_token):
                raise _Refusal(401, "the control token is missing or wrong", _CHALLENGE)
            body = await _read_body(headers, receive, control_body_bytes_max)
            if body is None:
                return 400, "text/plain", None, []
            query = scope["query_string"].decode("ascii", "replace")
            request = ControlRequest(method, path, query, bytes(body), _who(scope, headers))
            return (*await self._control(request), [])
        raise _Refusal(404, f"no such path; events go to POST {EVENTS_PATH}")

    async def _events(self, headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
        if self._access.write_key is not None and not _has_bearer(headers, self._access.write_key):
            raise _Refusal(401, "the write key is missing or wrong", _CHALLENGE)
        body = await _read_body(headers, receive, frame_bytes_max)
        if body is None:
            return None
        try:
            chunk = parse_body(body, chunk_id=headers.get(b"idempotency-key", b""))
        except LimitExceeded as error:
            raise _Refusal(413, str(error)) from None
        except ProtocolError as error:
            raise _Refusal(400, f"{error.reason}: {error}") from None
        try:
            async with asyncio.timeout(http_answer_seconds_max):
                results = await self._owner.ingest(chunk)
        except TimeoutError:
            raise _Refusal(503, "the events were not confirmed in time", _RETRY) from None
        if results is None:
            raise _Refusal(503, "the engine takes no events now", _RETRY)
        return encode_answer(results)

    async def _control(self, request: ControlRequest) -> ControlResponse:
        try:
            async with asyncio.timeout(http_answer_seconds_max):
                return await self._owner.control(request)
        except (TimeoutError, OSError):
            raise _Refusal(504, "no answer from inside the engine", _RETRY) from None
        except AugenblickError as error:
            raise _Refusal(503 if error.retryable else 500, str(error)) from None

    def _origin_headers(self, path: str, headers: dict[bytes, bytes]) -> Headers:
        """CORS. A page of a foreign origin is refused, also where it needs no preflight."""
        origin = headers.get(b"origin")
        if origin is None or origin.partition(b"://")[2] == headers.get(b"host", b""):
            return []
        allowed = self._access.origins
        if path == EVENTS_PATH and ("*" in allowed or origin.decode("latin-1") in allowed):
            return [(b"access-control-allow-origin", origin), (b"vary", b"origin")]
        raise _Refusal(403, "pages of this origin may not send events (--cors)")


_CHALLENGE = (b"www-authenticate", b"Bearer")
_RETRY = (b"retry-after", b"1")


async def _read_body(
    headers: dict[bytes, bytes], receive: Receive, bytes_max: int
) -> bytearray | None:
    """The body, None if the client has gone; refused before it is read where it says its length."""
    announced = headers.get(b"content-length", b"0")
    if not announced.isdigit() or int(announced) > bytes_max:
        raise _Refusal(413, f"a body of {announced.decode('latin-1')} bytes")
    body = bytearray()
    try:
        async with asyncio.timeout(http_body_seconds_max):
            while True:
                part = await receive()
                if part["type"] == "http.disconnect":
                    return None
                body += part.get("body", b"")
                if len(body) > bytes_max:
                    raise _Refusal(413, f"a body of more than {bytes_max} bytes")
                if not part.get("more_body", False):
                    return body
    except TimeoutError:
        raise _Refusal(408, "the body did not come in time", (b"connection", b"close")) from None


def _has_bearer(headers: dict[bytes, bytes], secret: str) -> bool:
    scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
    return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), secret.encode())


def _who(scope: Scope, headers: dict[bytes, bytes]) -> str:
    said = headers.get(b"x-augenblick-who", b"").decode("ascii", "replace")
    address = (scope.get("client") or ("an unknown address",))[0]
    return f"{said or 'somebody'} from {address}"


def _want(method: str, *allowed: str) -> None:
    if method not in allowed:
        text = f"{method} is not allowed here"
        raise _Refusal(405, text, (b"allow", ", ".join(allowed).encode()))


def _error(text: str) -> bytes:
    return json.dumps({"error": text}).encode()
