"""The channel `webhook`: a record as the JSON body of an HTTP POST."""

import asyncio
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address
from typing import Any

from yarl import URL

from augenblick import limits
from augenblick.channels._addresses import AddressPolicy, AddressRefused
from augenblick.channels._channel import Attempt, Channel, ChannelSettings
from augenblick.channels._http_client import HttpConnection, HttpPool
from augenblick.channels._line_writer import encode_line
from augenblick.channels._secrets import load_secret
from augenblick.channels._webhook_format import (
    judge_answer,
    make_request,
    make_signer,
    request_head,
)
from augenblick.errors import DeliveryFailed, PlanError

TIMEOUT_MS = 10_000
BODY_SECONDS = 1.0  # the status has decided; the body is read only to keep the connection

Address = tuple[int, tuple[Any, ...]]
"""(address family, socket address), numeric."""


class WebhookChannel(Channel):
    """`{webhook: URL, secret: env:NAME|file:PATH, timeout: 10s}`.

    Accepted is any 2xx. The address that a host's name leads to is checked after resolving, each
    time a connection is made; no redirect is followed; cookies, proxies from the environment and
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
        self._head = request_head(self._url)
        self._timeout_seconds = _checked_timeout_ms(parameters.get("timeout"), action) / 1000
        self._policy = AddressPolicy.parse(
            settings.webhook_allow, loopback_allowed=settings.loopback_allowed
        )
        self._signer = None
        if (reference := parameters.get("secret")) is not None:
            secret = load_secret(str(reference), action=action, allowed=settings.secrets)
            self._signer = make_signer(secret, action)
        self._dialler: _Dialler | None = None
        self._pool: HttpPool | None = None

    async def open(self) -> None:
        """Get ready; nothing is resolved or connected yet."""
        self._dialler = _Dialler(self._url, self._policy)
        self._pool = HttpPool(self._dialler.dial, self.concurrency_max)

    async def deliver(self, attempt: Attempt) -> None:
        """POST the record once."""
        assert self._pool is not None
        now = datetime.now(UTC)
        body = encode_line(attempt.packed)[:-1]
        request = make_request(self._head, attempt.key, body, now, self._signer)
        try:
            answer = await self._pool.post(request, self._timeout_seconds, BODY_SECONDS)
        except TimeoutError:
            text = f"no answer within {self._timeout_seconds:g} s"
            raise DeliveryFailed(text, retryable=True) from None
        except AddressRefused as error:
            raise DeliveryFailed(f"address refused: {error}", retryable=False) from None
        except OSError as error:
            raise DeliveryFailed(f"{type(error).__name__}: {error}", retryable=True) from None
        failure = judge_answer(answer.status, answer.retry_after, now)
        if failure is not None:
            raise failure

    async def close(self) -> None:
        """Close every connection."""
        if self._pool is not None and self._dialler is not None:
            self._pool.close()
            self._dialler.close()


class _Dialler:
    """Resolves one host on a thread of its own and connects to the addresses that may be reached,
    in the order of the answer.
    """

    def __init__(self, url: URL, policy: AddressPolicy) -> None:
        self._host = url.raw_host or ""
        self._port = url.port or 0
        self._policy = policy
        self._tls = ssl.create_default_context() if url.scheme == "https" else None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="resolve")
        self._loop = asyncio.get_running_loop()

    async def dial(self) -> HttpConnection:
        """A new connection. Raises AddressRefused or another OSError."""
        failure: OSError | None = None
        for family, address in await self._resolve():
            try:
                async with asyncio.timeout(limits.webhook_connect_seconds_max):
                    return await self._connect(family, address)
            except TimeoutError:
                failure = ConnectionError(f"{address[0]} cannot be reached")
            except OSError as error:
                failure = error
        raise failure or OSError(f"{self._host} has no address")

    def close(self) -> None:
        """End the thread; a name server that hangs is left to itself."""
        self._executor.shutdown(wait=False)

    async def _resolve(self) -> list[Address]:
        look_up = partial(socket.getaddrinfo, self._host, self._port, type=socket.SOCK_STREAM)
        if _is_numeric(self._host):
            found = look_up()  # asks nobody
        else:
            found = await self._loop.run_in_executor(self._executor, look_up)
        allowed: list[Address] = []
        refused: AddressRefused | None = None
        for family, _, _, _, address in found:
            try:
                self._policy.check(str(address[0]))
                allowed.append((family, address))
            except AddressRefused as error:
                refused = error
        if not allowed and refused is not None:
            raise refused
        return allowed

    async def _connect(self, family: int, address: tuple[Any, ...]) -> HttpConnection:
        connected = socket.socket(family, socket.SOCK_STREAM)
        try:
            connected.setblocking(False)
            await self._loop.sock_connect(connected, address)
            name = self._host if self._tls is not None else None
            _, connection = await self._loop.create_connection(
                HttpConnection, sock=connected, ssl=self._tls, server_hostname=name
            )
        except BaseException:
            connected.close()
            raise
        return connection


def _is_numeric(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


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
