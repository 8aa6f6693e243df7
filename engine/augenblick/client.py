"""The Python client: `Client("host:24224").track(user, event, **props)`.

Events are sent in the background over Fluent Forward with acks. What the engine has not confirmed
is sent again under the same chunk id after a reconnect, so that nothing is lost or counted twice
while this process lives.
"""

import atexit
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from augenblick.errors import AugenblickError, EngineUnavailable, UsageError
from augenblick.ingest.dialects._forward_client import encode_entry
from augenblick.ingest.transports.forward_client import (
    ForwardSender,
    ForwardTarget,
    parse_address,
)
from augenblick.limits import (
    client_chunk_bytes_max,
    client_chunk_events_max,
    client_close_seconds,
    client_connect_seconds_max,
    client_queue_events_max,
)

_POLL_SECONDS = 0.005
_FOREVER_SECONDS = 10 * 365 * 86_400.0


class Client:
    """One application's connection to an engine. Thread-safe; use it as a context manager or call
    `close`.

    address     "host:24224"
    shared_key  the engine's shared key, if it wants one
    tls         True for the system's certificates, a path of a CA file, or an SSLContext
    tag         arrives as the events' `context.stream`
    queue_max   events that may wait; then `track` waits for at most `block_seconds`
    """

    def __init__(
        self,
        address: str = "127.0.0.1:24224",
        *,
        shared_key: str | bytes | None = None,
        tls: bool | str | ssl.SSLContext = False,
        tag: str = "client",
        queue_max: int = client_queue_events_max,
        block_seconds: float = 30.0,
    ) -> None:
        host, port = parse_address(address)
        key = shared_key.encode() if isinstance(shared_key, str) else shared_key
        target = ForwardTarget(host, port, key, tls_context(tls))
        self._sender = ForwardSender(target, tag=tag, retry_seconds=_FOREVER_SECONDS)
        self._queue_max = queue_max
        self._block_seconds = block_seconds
        self._queue: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._is_closing = False
        self._unsent_events = 0  # queued, or sent and not confirmed
        self._error: AugenblickError | None = None
        self._thread = threading.Thread(target=self._run, name="augenblick-client", daemon=True)
        self._thread.start()
        atexit.register(self._close_at_exit)

    def track(self, user: str | int, event: str, /, **props: Any) -> None:
        """Record that the user did this now. Properties are what msgpack holds.

        Raises TypeError or ValueError for other values, EngineUnavailable when the queue stays
        full, AuthenticationFailed when the engine has another shared key.
        """
        self.send({"user": user, "event": event, "props": props})

    def send(self, event: Mapping[str, Any]) -> None:
        """Record a whole event: `user`, `event`, and `time` (epoch ms; now if absent), `id`,
        `session`, `props`, `context`, `consent`. Raises as `track`.
        """
        now_ms = time.time_ns() // 1_000_000
        entry = encode_entry({"time": now_ms, **event}, now_ms // 1000)
        deadline = time.monotonic() + self._block_seconds
        with self._changed:
            while len(self._queue) >= self._queue_max and self._error is None:
                if not self._changed.wait(deadline - time.monotonic()):
                    raise EngineUnavailable(f"{len(self._queue)} events wait for the engine")
            if self._error is not None:
                raise self._error
            if self._is_closing:
                raise UsageError("the client is closed")
            self._queue.append(entry)
            self._unsent_events += 1
            self._changed.notify_all()

    def flush(self, seconds: float = client_close_seconds) -> bool:
        """Wait until the engine has confirmed everything so far; False if that took longer."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._unsent_events and self._error is None:
                if not self._changed.wait(deadline - time.monotonic()):
                    return False
            if self._error is not None:
                raise self._error
        return True

    def close(self, seconds: float = client_close_seconds) -> None:
        """Send what waits and end. Raises EngineUnavailable if some events stayed unconfirmed."""
        with self._changed:
            if self._is_closing:
                return
            self._is_closing = True
            self._sender.give_up_s = time.monotonic() + seconds
            self._changed.notify_all()
        atexit.unregister(self._close_at_exit)
        self._thread.join(seconds + client_connect_seconds_max)
        if self._error is not None and not isinstance(self._error, EngineUnavailable):
            raise self._error
        if self._unsent_events:
            why = f": {self._error}" if self._error is not None else ""
            raise EngineUnavailable(f"{self._unsent_events} events were not confirmed{why}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ---- the background thread ---------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except AugenblickError as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()
        finally:
            self._sender.close()

    def _turn(self) -> bool:
        """Send one chunk or wait for acks; False when all is done."""
        with self._changed:
            self._unsent_events = len(self._queue) + self._sender.unacked_events
            self._changed.notify_all()
            if not self._queue and not self._sender.unacked_events:
                if self._is_closing:
                    return False
                self._changed.wait()
            entries = self._take()
        if entries:
            self._sender.send(entries)
        else:
            self._sender.poll(_POLL_SECONDS)
        return True

    def _take(self) -> list[bytes]:
        entries: list[bytes] = []
        size_bytes = 0
        while (
            self._queue
            and len(entries) < client_chunk_events_max
            and size_bytes < client_chunk_bytes_max
        ):
            entries.append(self._queue.popleft())
            size_bytes += len(entries[-1])
        return entries

    def _close_at_exit(self) -> None:
        try:
            self.close()
        except AugenblickError as error:
            print(f"augenblick: {error}", file=sys.stderr)


def tls_context(tls: bool | str | ssl.SSLContext) -> ssl.SSLContext | None:
    """The TLS settings of a client: none, the system's certificates, or those of a CA file."""
    if isinstance(tls, ssl.SSLContext):
        return tls
    if not tls:
        return None
    try:
        return ssl.create_default_context(cafile=tls if isinstance(tls, str) else None)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"cannot read the certificates in {tls}: {error}") from None
