"""A small HTTP/1.1 client for one target: POSTs over kept connections, answers read no further than
their status needs.

Answers are parsed by httptools. No redirects, cookies, proxies or compressed answers. What a target
sends is bounded: the head of an answer in bytes, its body in bytes and time; beyond that the
connection is closed, while the answer counts as soon as its head is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from augenblick import limits

_RETRY_AFTER_LENGTH: Final = len(b"retry-after")
_SWITCHING_PROTOCOLS: Final = 101


class AnswerBroken(ConnectionError):
    """The connection ended, or brought no HTTP, before the head of an answer was there."""


class Answer(NamedTuple):
    """What a target said: the status, and `Retry-After` as it was written."""

    status: int
    retry_after: str | None


class HttpConnection(asyncio.Protocol):
    """One connection, one request at a time; made by the dialler given to `HttpPool`.

    `is_open` is false from the moment it can take no further request; `idle_since` is the loop's
    time of its last answer.
    """

    def __init__(self) -> None:
        self.is_open = False
        self.idle_since = 0.0
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None  # a request is out
        self._answer: Answer | None = None  # the head of its answer is here
        self._timer: asyncio.TimerHandle | None = None
        self._body_seconds = 0.0
        self._parser: Any = None
        self._received_bytes = 0  # of this answer
        self._retry_after: str | None = None

    def request(
        self, data: bytes, timeout_seconds: float, body_seconds: float
    ) -> asyncio.Future[Answer]:
        """Send one whole request. The answer is there once it was read to its end, or as far as
        its bounds allow; AnswerBroken or TimeoutError if not even its head has come.

        `body_seconds` is how long the rest may take after the head, to keep the connection.
        """
        assert self._transport is not None
        waiting = self._waiting = self._loop.create_future()
        self._answer = self._retry_after = None
        self._body_seconds = body_seconds
        self._parser = HttpResponseParser(self)
        self._received_bytes = 0
        self._timer = self._loop.call_later(timeout_seconds, self._on_timeout)
        self._transport.write(data)
        return waiting

    def close(self) -> None:
        """End the connection at once; a request that waits fails."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    # ---- asyncio -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, TLS established."""
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        """Some of the answer; what nobody asked for ends the connection."""
        if self._waiting is None:
            self.close()
            return
        self._received_bytes += len(data)
        had_head = self._answer is not None
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._end(AnswerBroken(f"no HTTP answer: {error}"))
            return
        if self._waiting is not None:
            self._bound(had_head)

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone, whoever ended it."""
        self._end(AnswerBroken(str(exc) if exc else "the target closed the connection"))
        self._transport = None

    # ---- httptools ---------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field of the head."""
        if len(name) == _RETRY_AFTER_LENGTH and name.lower() == b"retry-after":
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is there and decides; an interim answer (1xx) decides nothing."""
        if self._waiting is None:  # a second answer to one request
            self.close()
            return
        status = self._parser.get_status_code()
        if status >= 200 or status == _SWITCHING_PROTOCOLS:
            self._answer = Answer(status, self._retry_after)

    def on_message_complete(self) -> None:
        """The whole answer is there: the connection can be used again, if both ends want to."""
        if self._answer is None:
            return
        if self.is_open and self._parser.should_keep_alive():
            self.idle_since = self._loop.time()
            self._settle(None)
        else:
            self._end(None)

    # ---- inside ------------------------------------------------------------------------------

    def _bound(self, had_head: bool) -> None:
        """The answer goes on: bound what is still to come."""
        if self._answer is None:
            if self._received_bytes > limits.webhook_head_bytes_max:
                self._end(AnswerBroken("the head of the answer is too long"))
        elif self._received_bytes > limits.webhook_body_bytes_max:
            self._end(None)
        elif not had_head:
            self._stop_timer()
            self._timer = self._loop.call_later(self._body_seconds, self._on_timeout)

    def _on_timeout(self) -> None:
        self._end(TimeoutError())

    def _end(self, error: Exception | None) -> None:
        """Close; the head decides if it is there, else the error does."""
        self.close()
        self._settle(error)

    def _settle(self, error: Exception | None) -> None:
        self._stop_timer()
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting.done():
            return
        if self._answer is not None:
            waiting.set_result(self._answer)
        else:
            waiting.set_exception(error or AnswerBroken("no answer"))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class HttpPool:
    """The connections to one target, at most so many; used by one channel, on one event loop.

    `dial` makes a connection. The one used last is used next; one that was idle for
    `limits.webhook_idle_seconds_max` is not used again.
    """

    def __init__(self, dial: Callable[[], Awaitable[HttpConnection]], connections_max: int) -> None:
        self._dial = dial
        self._room = asyncio.Semaphore(connections_max)
        self._loop = asyncio.get_running_loop()
        self._open: set[HttpConnection] = set()
        self._idle: list[HttpConnection] = []

    async def post(self, request: bytes, timeout_seconds: float, body_seconds: float) -> Answer:
        """Send a whole request and return its answer.

        Raises TimeoutError, AnswerBroken, or whatever `dial` raises.
        """
        async with self._room:
            connection = self._take_idle()
            if connection is None:
                begun = self._loop.time()
                async with asyncio.timeout(timeout_seconds):
                    connection = await self._dial()
                timeout_seconds -= self._loop.time() - begun
                self._open.add(connection)
            try:
                answer = await connection.request(request, timeout_seconds, body_seconds)
            except BaseException:
                connection.close()  # an answer that still comes belongs to nobody
                raise
            finally:
                if connection.is_open:
                    self._idle.append(connection)
                else:
                    self._open.discard(connection)
            return answer

    def close(self) -> None:
        """Close every connection."""
        for connection in self._open:
            connection.close()
        self._open.clear()
        self._idle.clear()

    def _take_idle(self) -> HttpConnection | None:
        """The idle connection used last, without those that have ended or are too old."""
        oldest = self._loop.time() - limits.webhook_idle_seconds_max
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and connection.idle_since >= oldest:
                return connection
            connection.close()
            self._open.discard(connection)
        return None
