"""The channel `webhook`: a record as the JSON body of an HTTP POST."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from augenblick import limits
from augenblick.channels._addresses import AddressPolicy, AddressRefused
from augenblick.channels._channel import Attempt, Channel, ChannelSettings
from augenblick.channels._line_writer import encode_line
from augenblick.channels._secrets import load_secret
from augenblick.channels._webhook_format import judge_answer, make_signer, webhook_headers
from augenblick.errors import DeliveryFailed, PlanError

TIMEOUT_MS = 10_000
BODY_SECONDS = 1.0  # the status has decided; the body is read only to keep the connection


class WebhookChannel(Channel):
    """`{webhook: URL, secret: env:NAME|file:PATH, timeout: 10s}`.

    Accepted is any 2xx. The address behind the host is checked after resolving and again on the
    socket that connects; no redirect is followed; cookies, proxies from the environment and
    compressed answers are not used. Each action has connections and a resolver thread of its own,
    so that a slow target or name server holds up nobody else.
    """

    PARAMETERS = frozenset({"webhook", "secret", "timeout"})
    concurrency_max = 16

    def __init__(self, action: str, parameters: dict[str, Any], settings: ChannelSettings) -> None:
        unknown = sorted(set(parameters) - self.PARAMETERS)
        if unknown:
            raise PlanError(f"action {action!r}: webhook has no parameter {unknown[0]!r}")
        self._url = _checked_url(parameters.get("webhook"), action)
        self._timeout_seconds = _checked_timeout_ms(parameters.get("timeout"), action) / 1000
        self._policy = AddressPolicy.parse(
            settings.webhook_allow, loopback_allowed=settings.loopback_allowed
        )
        self._signer = None
        if (reference := parameters.get("secret")) is not None:
            secret = load_secret(str(reference), action=action, allowed=settings.secrets)
            self._signer = make_signer(secret, action)
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session; nothing is resolved or connected yet."""
        connector = aiohttp.TCPConnector(
            limit=self.concurrency_max,
            resolver=_CheckedResolver(self._policy),
            socket_factory=partial(_checked_socket, self._policy),
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"User-Agent": "augenblick"},
            skip_auto_headers=["Accept-Encoding"],
        )

    async def deliver(self, attempt: Attempt) -> None:
        """POST the record once."""
        assert self._session is not None
        now = datetime.now(UTC)
        body = encode_line(attempt.record)[:-1]
        headers = webhook_headers(attempt.key, body, now, self._signer)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._session.post(
                    self._url, data=body, headers=headers, allow_redirects=False
                )
        except TimeoutError:
            text = f"no answer within {self._timeout_seconds:g} s"
            raise DeliveryFailed(text, retryable=True) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _failure(error) from None
        await _drain(response)
        failure = judge_answer(response.status, response.headers.get("Retry-After"), now)
        if failure is not None:
            raise failure

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read a short body so that the connection can be used again; close it for a long one."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body_bytes = 0
            async for chunk in response.content.iter_any():
                body_bytes += len(chunk)
                if body_bytes > limits.webhook_body_bytes_max:
                    break
            else:
                response.release()
                return
    except (TimeoutError, aiohttp.ClientError, OSError):
        pass
    response.close()


def _failure(error: Exception) -> DeliveryFailed:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, AddressRefused):
        return DeliveryFailed(f"address refused: {cause}", retryable=False)
    if isinstance(error, aiohttp.InvalidURL):
        return DeliveryFailed(f"address refused: {error}", retryable=False)
    return DeliveryFailed(f"{type(error).__name__}: {error}", retryable=True)


class _CheckedResolver(AbstractResolver):
    """Resolves on a thread of its own and hands on the addresses that may be reached."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="resolve")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        look_up = partial(socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._executor, look_up)
        results: list[ResolveResult] = []
        refused: AddressRefused | None = None
        for found_family, _, protocol, _, address in found:
            try:
                self._policy.check(str(address[0]))
            except AddressRefused as error:
                refused = error
                continue
            results.append(
                ResolveResult(
                    hostname=host,
                    host=str(address[0]),
                    port=int(address[1]),
                    family=found_family,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
            )
        if not results and refused is not None:
            raise refused
        return results

    async def close(self) -> None:
        self._executor.shutdown(wait=False)


def _checked_socket(policy: AddressPolicy, address_info: Any) -> socket.socket:
    """The last look at the address, numeric hosts included, before a socket connects to it."""
    family, kind, protocol, _, address = address_info
    policy.check(str(address[0]))
    return socket.socket(family, kind, protocol)


def _checked_url(text: object, action: str) -> URL:
    try:
        url = URL(text) if isinstance(text, str) else URL()
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise PlanError(f"action {action!r}: webhook needs an http:// or https:// address")
    if url.user is not None or url.password is not None:
        raise PlanError(f"action {action!r}: a webhook's address holds no user or password")
    return url


def _checked_timeout_ms(value: object, action: str) -> int:
    if value is None:
        return TIMEOUT_MS
    timeout_max_ms = int(limits.delivery_attempt_seconds_max * 1000) - 2000
    if not isinstance(value, int) or not 1 <= value <= timeout_max_ms:
        raise PlanError(f"action {action!r}: timeout is from 1ms to {timeout_max_ms // 1000}s")
    return value


CHANNEL = WebhookChannel
